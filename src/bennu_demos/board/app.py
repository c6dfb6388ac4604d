"""The application: the page, and the endpoint that the page connects to.

    bennu run bennu_demos.board.app:app
    bennu run bennu_demos.board.app:app --workers 2

``BOARD_DATABASE`` is the database: the path of a file of SQLite (default: ``board/board.db`` in the folder of the demos), or the
URL of a PostgreSQL (``postgresql+asyncpg://...``, with the package asyncpg).
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path

from bennu import Endpoint, Limits, Presence, Rates, Refused, Socket
from bennu_demos.data import data_folder
from bennu_demos.page import page_of

from .channels import BoardChannel, State, User
from .example import EXAMPLE, EXAMPLE_LISTS
from .store import Store
from .tables import open_database, url_of
from .wire import MAX_NAME, ConnectParams

__all__ = ["app", "endpoint", "make", "page"]

HERE = Path(__file__).parent


def enter(params: ConnectParams) -> User:
    """Accept everyone with a name. A real application would check a session or a token."""
    name = " ".join(params.name.split())[:MAX_NAME]
    if not name:
        raise Refused("bad_name")
    return User("user:" + blake2b(params.token.encode(), digest_size=8).hexdigest(), name)


socket = Socket(
    connect=enter,
    id=lambda user: user.key,  # the ids of operations are the person's own
    channels={"board:{board}": BoardChannel},
    max_channels=4,
    max_frame_size=65_536,  # bytes; a text of 4,000 characters has at most 24,000 bytes
    rates=Rates(joins="20/10s", messages="30/second, burst 100", bytes="64k/second, burst 256k"),
)


def make(database: Path | str, *, grace: float = 3.0) -> Endpoint:
    """Make the endpoint of the boards.

    Args:
        database: The path of a file of SQLite, or a URL. It also has the histories of the boards.
        grace: Seconds after which a person who lost the connection counts as gone.
    """
    presence = Presence("boards", grace=grace)

    @asynccontextmanager
    async def open_state(endpoint: Endpoint) -> AsyncGenerator[State, None]:
        async with open_database(database) as sessions:
            store = Store(endpoint, sessions)
            await store.make(EXAMPLE, "Summer party", EXAMPLE_LISTS)
            yield State(store, presence)

    return Endpoint(
        sockets={"/socket": socket},
        store=url_of(database).render_as_string(hide_password=False),
        presence=presence,
        limits=Limits(
            connections=5_000, connections_per_ip=500, connects_per_ip="20/second, burst 300"
        ),
        lifespan=open_state,
    )


endpoint = make(os.environ.get("BOARD_DATABASE") or data_folder("board") / "board.db")
page = page_of(HERE / "static")

# The endpoint answers its own path, and the page answers all others.
app = endpoint.wrap(page)
