"""The application: the page, and the endpoint that the page connects to.

    bennu run bennu_demos.chat.app:app
    bennu run bennu_demos.chat.app:app --workers 4

Environment variables configure it. ``CHAT_DATABASE`` is the database: the path of a file of SQLite (default:
``chat/chat.db`` in the folder of the demos), or the URL of a PostgreSQL (``postgresql+asyncpg://...``, with the package asyncpg).
``BENNU_PUBSUB`` is the address of the bus, if the chat runs on several hosts: they need one bus and one PostgreSQL.
``CHAT_GRACE`` is the number of seconds after which a person who lost the connection counts as gone (default: 5).
``CHAT_HISTORY`` is the number of messages of a room that the history keeps for pages that lost the connection (default:
1000). ``CHAT_HOSTS`` lists the hosts that the chat serves (``chat.example.com``), separated by commas. Without ``CHAT_HOSTS`` a
chat that listens on loopback serves loopback names only.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bennu import ConnectInfo, Endpoint, Limits, Rates, Refused, Socket
from bennu.bus import BusAdapter
from bennu_demos import data_folder, page_of

from .channels import Chat, RoomChannel, RoomsChannel, User
from .presence import GRACE, RoomPresence
from .store import open_store, url_of
from .wire import MAX_NAME, ConnectParams, DeviceKind

__all__ = ["app", "endpoint", "make"]

HERE = Path(__file__).parent
PHONE: Final = re.compile("Mobi|Android|iPhone|iPad")


def enter(params: ConnectParams, info: ConnectInfo) -> User:
    """Accept every client that has a name. A real application would require a token."""
    name = " ".join(params.name.split())
    if len(name) > MAX_NAME or not any(character.isalnum() for character in name):
        raise Refused("bad_name")
    return User(name, _device(info.user_agent or ""))


def _device(user_agent: str) -> DeviceKind:
    """Guess the kind of device from the browser's User-Agent header."""
    return "phone" if PHONE.search(user_agent) else "computer"


socket = Socket(
    connect=enter,
    id=lambda user: f"users:{user.name}",  # the keys of messages are the user's own
    channels={"rooms": RoomsChannel, "room:{room}": RoomChannel},
    compress=True,  # the messages of a room are long
    longpoll=True,  # for clients that cannot open a WebSocket; the page itself does not poll
    max_channels=10,  # the page joins two, and stays in a room that it leaves until all messages are sent
    max_frame_size=65_536,  # bytes; the longest message of the page has 24,000 bytes
    rates=Rates(joins="20/10s", messages="20/second, burst 100", bytes="32k/second, burst 256k"),
)
limits = Limits(
    connections=5_000,
    connections_per_ip=100,  # a whole office can have one address
    connects_per_ip="5/second, burst 100",
)


def make(
    database: Path | str,
    *,
    grace: float = GRACE,
    hosts: Sequence[str] | None = None,
    pubsub: str | BusAdapter | None = None,
) -> Endpoint:
    """Make the endpoint of a chat.

    Args:
        database: The path of a file of SQLite, or a URL. It has the messages, and also the histories of the rooms.
        grace: Seconds after which a person who lost the connection counts as gone.
        hosts: The hosts that the chat serves. None means loopback names only, if the server listens on loopback.
        pubsub: The bus between the processes of the chat. None means that of the environment.
    """
    presence = RoomPresence(grace=grace)

    @asynccontextmanager
    async def open_chat(endpoint: Endpoint) -> AsyncGenerator[Chat, None]:
        """Open the database when the server starts, and close it when it stops."""
        async with open_store(database) as store:
            presence.open(endpoint, store)
            yield Chat(store=store, presence=presence)

    return Endpoint(
        sockets={"/socket": socket},
        store=url_of(database).render_as_string(hide_password=False),
        presence=presence,
        pubsub=pubsub,
        limits=limits,
        lifespan=open_chat,
        hosts=hosts,
        debug=True if hosts is None else None,
    )


def from_environment() -> Endpoint:
    """Make the endpoint that the environment variables describe."""
    return make(
        os.environ.get("CHAT_DATABASE") or data_folder("chat") / "chat.db",
        grace=float(os.environ.get("CHAT_GRACE") or GRACE),
        hosts=[host for host in os.environ.get("CHAT_HOSTS", "").split(",") if host] or None,
    )


page = page_of(HERE / "static")
endpoint = from_environment()

# The endpoint answers its own path, and the page answers all others.
app = endpoint.wrap(page)
