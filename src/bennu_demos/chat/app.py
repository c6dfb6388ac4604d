"""The application: the page, and the endpoint that the page connects to.

    bennu run bennu_demos.chat.app:app
    bennu run bennu_demos.chat.app:app --workers 4

Environment variables configure it. ``CHAT_DATABASE`` is the database: the path of a file of SQLite (default:
``chat/chat.db`` in the folder of the demos), or the URL of a PostgreSQL (``postgresql+asyncpg://...``, with the package asyncpg).
``BENNU_PUBSUB`` is the address of the bus, if the chat runs on several hosts: they need one bus and one PostgreSQL.
``CHAT_GRACE`` is the number of seconds after which a person who lost the connection counts as gone (default: 5).
``CHAT_HISTORY`` is the number of messages of a room that the history keeps for pages that lost the connection (default:
1000). ``CHAT_HOSTS`` lists the hosts that the chat serves (``chat.example.com``), separated by commas. Without ``CHAT_HOSTS`` a
chat that listens on loopback serves loopback names only. ``CHAT_WORDS`` is a file with words that the chat masks. ``CHAT_SECRET``
signs the tokens of sockets, at least 20 bytes (default: one in the database). ``CHAT_TOKEN_LASTS`` is the number of seconds for
which such a token is valid (default: 300). ``CHAT_PER_ADDRESS`` is the number of connections of one address (default: 100).
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from starlette.applications import Starlette

from bennu import Endpoint, Limits, Rates, Socket
from bennu.bus import BusAdapter
from bennu_demos.data import data_folder
from bennu_demos.page import page_of

from .accounts import Accounts
from .chat import Chat
from .database import open_database, url_of
from .filters import Filter, WordFilter
from .list_channels import RoomsChannel, UserChannel
from .login import TOKEN_LASTS, Logins, enter, renew
from .messages import Messages
from .notifications import Notifications
from .presence import GRACE, RoomPresence
from .room_channel import RoomChannel
from .rooms import ROOMS, Rooms

__all__ = ["app", "endpoint", "make", "page_for"]

HERE = Path(__file__).parent


socket = Socket(
    connect=enter,
    refresh=renew,
    auth_token=True,
    id=lambda user: f"users:{user.id}",  # the keys of messages are the user's own
    channels={"rooms": RoomsChannel, "room:{room}": RoomChannel, "user:{user_id}": UserChannel},
    compress=True,  # the messages of a room are long
    longpoll=True,  # for clients that cannot open a WebSocket; the page itself does not poll
    max_channels=10,  # the page joins three, and stays in a room that it leaves until all messages are sent
    max_frame_size=65_536,  # bytes; the longest message of the page has 24,000 bytes
    rates=Rates(joins="20/10s", messages="20/second, burst 100", bytes="32k/second, burst 256k"),
)
PER_ADDRESS: Final = int(os.environ.get("CHAT_PER_ADDRESS") or 100)
"""Connections of one address. A whole office can have one address."""

limits = Limits(
    connections=5_000,
    connections_per_ip=PER_ADDRESS,
    connects_per_ip=f"5/second, burst {PER_ADDRESS}",
)


def make(
    database: Path | str,
    *,
    grace: float = GRACE,
    hosts: Sequence[str] | None = None,
    pubsub: str | BusAdapter | None = None,
    words: Filter | None = None,
    hasher: PasswordHasher | None = None,
    secret: str | None = None,
) -> Endpoint:
    """Make the endpoint of a chat.

    Args:
        database: The path of a file of SQLite, or a URL. It has the messages, and also the histories of the rooms.
        grace: Seconds after which a person who lost the connection counts as gone.
        hosts: The hosts that the chat serves. None means loopback names only, if the server listens on loopback.
        pubsub: The bus between the processes of the chat. None means that of the environment.
        words: Decides about the words of messages. None means the words of ``words.txt``.
        hasher: Hashes the passwords. None means the defaults of argon2-cffi.
        secret: Signs the tokens of sockets. None means a secret in the database.
    """
    presence = RoomPresence(grace=grace)

    @asynccontextmanager
    async def open_chat(endpoint: Endpoint) -> AsyncGenerator[Chat, None]:
        """Open the database when the server starts, and close it when it stops."""
        async with open_database(database) as opened:
            rooms, accounts = Rooms(opened), Accounts(opened, hasher or PasswordHasher())
            for name in ROOMS:
                await rooms.add_open(name)
            presence.open(endpoint, rooms)
            yield Chat(
                endpoint,
                accounts,
                rooms,
                Messages(opened),
                Notifications(opened),
                words or WordFilter.of_file(HERE / "words.txt"),
                presence,
                secret or await accounts.secret(),
            )

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
    words = os.environ.get("CHAT_WORDS")
    return make(
        os.environ.get("CHAT_DATABASE") or data_folder("chat") / "chat.db",
        grace=float(os.environ.get("CHAT_GRACE") or GRACE),
        hosts=[host for host in os.environ.get("CHAT_HOSTS", "").split(",") if host] or None,
        words=WordFilter.of_file(Path(words)) if words else None,
        secret=os.environ.get("CHAT_SECRET") or None,
    )


def page_for(endpoint: Endpoint) -> Starlette:
    """Return the application that serves the page, and its routes for logins."""
    lasts = int(os.environ.get("CHAT_TOKEN_LASTS") or TOKEN_LASTS)
    return page_of(HERE / "static", *Logins(endpoint, lasts).routes())


endpoint = from_environment()

# The endpoint answers its own path, and the page answers all others.
app = endpoint.wrap(page_for(endpoint))
