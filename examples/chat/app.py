"""The chat as one application: the page, and the endpoint that the page talks to.

    bennu run examples.chat.app:app

The messages are kept in examples/chat/data/chat.db, or where the variable CHAT_DATABASE says.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from bennu import Endpoint, Refused, Socket

from .channels import Chat, RoomChannel, RoomsChannel, User
from .people import People
from .store import open_store
from .wire import MAX_NAME, ConnectParams

__all__ = ["app", "endpoint"]

HERE = Path(__file__).parent


@asynccontextmanager
async def open_chat() -> AsyncIterator[Chat]:
    """Open the database when the server starts, and close it when it stops."""
    path = Path(os.environ.get("CHAT_DATABASE") or HERE / "data" / "chat.db")
    async with open_store(path) as store:
        yield Chat(store=store, people=People(), turn=asyncio.Lock())


def enter(params: ConnectParams) -> User:
    """Let in whoever has a name. A real application would ask for a token, and look it up."""
    name = " ".join(params.name.split())
    if len(name) > MAX_NAME or not any(character.isalnum() for character in name):
        raise Refused("bad_name")
    return User(name)


endpoint = Endpoint(
    sockets={
        "/socket": Socket(
            connect=enter,
            channels={"rooms": RoomsChannel, "room:{room}": RoomChannel},
            compress=True,  # a room's history is the longest thing that is sent
            longpoll=True,
        )
    },
    lifespan=open_chat,
)

page = Starlette(routes=[Mount("/", StaticFiles(directory=HERE / "static", html=True))])

# The endpoint answers its own path, the page all others.
app = endpoint.wrap(page)
