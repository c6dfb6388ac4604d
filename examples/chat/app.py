"""The chat as one application: the page, and the endpoint that the page talks to.

    bennu run examples.chat.app:app

The messages are kept in examples/chat/data/chat.db, or where the variable CHAT_DATABASE says. Who has lost
their connection is gone after 5 seconds, or as many as the variable CHAT_GRACE says.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from bennu import ConnectInfo, Endpoint, Refused, Socket

from .channels import Chat, RoomChannel, RoomsChannel, User
from .presence import GRACE, RoomPresence
from .store import open_store
from .wire import MAX_NAME, ConnectParams, DeviceKind

__all__ = ["app", "endpoint"]

HERE = Path(__file__).parent
PHONE: Final = re.compile("Mobi|Android|iPhone|iPad")

presence = RoomPresence(grace=float(os.environ.get("CHAT_GRACE") or GRACE))


@asynccontextmanager
async def open_chat(endpoint: Endpoint) -> AsyncIterator[Chat]:
    """Open the database when the server starts, and close it when it stops."""
    path = Path(os.environ.get("CHAT_DATABASE") or HERE / "data" / "chat.db")
    async with open_store(path) as store:
        presence.open(endpoint, store)
        yield Chat(store=store, presence=presence, turn=asyncio.Lock())


def enter(params: ConnectParams, info: ConnectInfo) -> User:
    """Let in whoever has a name. A real application would ask for a token, and look it up."""
    name = " ".join(params.name.split())
    if len(name) > MAX_NAME or not any(character.isalnum() for character in name):
        raise Refused("bad_name")
    return User(name, _device(info.user_agent or ""))


def _device(user_agent: str) -> DeviceKind:
    """Guess what somebody sits in front of, by what their browser says of itself."""
    return "phone" if PHONE.search(user_agent) else "computer"


endpoint = Endpoint(
    sockets={
        "/socket": Socket(
            connect=enter,
            channels={"rooms": RoomsChannel, "room:{room}": RoomChannel},
            compress=True,  # a room's history is the longest thing that is sent
            longpoll=True,
        )
    },
    presence=presence,
    lifespan=open_chat,
)

page = Starlette(routes=[Mount("/", StaticFiles(directory=HERE / "static", html=True))])

# The endpoint answers its own path, the page all others.
app = endpoint.wrap(page)
