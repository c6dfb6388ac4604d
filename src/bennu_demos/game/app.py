"""The application: the page, and the endpoint that the page connects to.

    bennu run bennu_demos.game.app:app

The game lives in one process: run it with one worker. Environment variables configure it. ``GAME_CROWD`` is the number
of snakes up to which bots fill the arena (default: 14). ``GAME_SEED`` makes the arena repeatable.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bennu import Endpoint, Limits, Rates, Socket
from bennu_demos.page import page_of

from .arena import Arena
from .channels import ArenaChannel

__all__ = ["app", "endpoint", "make", "page"]

HERE = Path(__file__).parent
LIMITS: Final = Limits(connections=300, connections_per_ip=50, connects_per_ip="5/second, burst 50")


def from_environment() -> Arena:
    """Make the arena that the environment variables describe."""
    seed = os.environ.get("GAME_SEED")
    return Arena(int(os.environ.get("GAME_CROWD") or 14), int(seed) if seed else None)


def make(arena: Callable[[], Arena] = from_environment, limits: Limits = LIMITS) -> Endpoint:
    """Make the endpoint of a game.

    Args:
        arena: Makes the arena, when the server starts.
        limits: The limits of connections.
    """

    @asynccontextmanager
    async def open_arena() -> AsyncGenerator[Arena]:
        """Play from the start of the server to its stop."""
        game = arena()
        ticks = asyncio.create_task(game.run())
        try:
            yield game
        finally:
            ticks.cancel()

    socket = Socket(
        connect=lambda: None,
        channels={"arena": ArenaChannel},
        max_channels=1,
        max_frame_size=4_096,  # bytes; a page sends names and inputs
        max_unsent=262_144,  # bytes; far more than the frames of half a second
        rates=Rates(messages="40/second, burst 120", joins="5/10s"),
    )
    return Endpoint(sockets={"/socket": socket}, limits=limits, lifespan=open_arena)


page = page_of(HERE / "static")
endpoint = make()

# The endpoint answers its own path, and the page answers all others.
app = endpoint.wrap(page)
