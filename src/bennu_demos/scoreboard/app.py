"""The application: the page, the league, and the endpoint that the page connects to.

    bennu run bennu_demos.scoreboard.app:app

``SCOREBOARD_SEED`` is the seed of the matches (default: 1), ``SCOREBOARD_RATE`` the seconds of a match in a second (default:
30, so that a match takes some three minutes). Each process has a league of its own, so run one worker.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bennu import Endpoint, Rates, Socket
from bennu_demos.page import page_of

from .channels import LeagueChannel, MatchChannel, Scoreboard
from .league import League

__all__ = ["app", "endpoint", "make"]

HERE = Path(__file__).parent
TICK: Final = 0.5
"""Seconds after which the league is asked what has happened."""


async def enter() -> None:
    """Accept every client: the results are no secret."""


async def play(endpoint: Endpoint, board: Scoreboard) -> None:
    """Let the matches go on, and broadcast what happens."""
    league = board.league
    number = league.number
    while True:
        await asyncio.sleep(TICK)
        happened = league.advance(board.now())
        if league.number != number:
            number = league.number
            await endpoint.broadcast("league", "round", league.round)
        for match, event in happened:
            await endpoint.broadcast(f"match:{match}", "event", event)


def make(seed: int = 1, rate: float = 30.0, *, now: Callable[[], float] = time.time) -> Endpoint:
    """Make the endpoint of a scoreboard.

    Args:
        seed: The seed of the matches.
        rate: Seconds of a match in a second.
        now: Returns the time, in seconds since 1970.
    """

    @asynccontextmanager
    async def open_league(endpoint: Endpoint) -> AsyncGenerator[Scoreboard, None]:
        board = Scoreboard(League(now(), seed, rate), now)
        playing = asyncio.create_task(play(endpoint, board))
        yield board
        playing.cancel()

    socket = Socket(
        connect=enter,
        channels={"league": LeagueChannel, "match:{match}": MatchChannel},
        max_channels=40,  # a page joins the league and eight matches
        max_frame_size=4_096,
        rates=Rates(joins="20/second, burst 60", messages="20/second, burst 100"),
    )
    return Endpoint(sockets={"/socket": socket}, lifespan=open_league)


page = page_of(HERE / "static")
endpoint = make(
    int(os.environ.get("SCOREBOARD_SEED") or 1), float(os.environ.get("SCOREBOARD_RATE") or 30)
)

# The endpoint answers its own path, and the page answers all others.
app = endpoint.wrap(page)
