"""What a client needs of a transport, and what it tells one about a connection.

A transport carries one connection. A client that connects again opens another one. :mod:`~bennu.client.websocket` and
:mod:`~bennu.client.longpoll` are the two of the package; a test can pass its own.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol

from ..logs.printable import printable
from .errors import ConnectFailed
from .frames import Data
from .urls import SocketURL

__all__ = [
    "ClientTransport",
    "Closed",
    "ConnectTarget",
    "OpenTransport",
    "TransportClosed",
    "default_tls",
    "unreachable",
]


class Closed(NamedTuple):
    """How a connection ended.

    Attributes:
        code: The close code: of a WebSocket, or of the same meaning. 1006 if there was none.
        reason: The reason that the server gave; empty without one.
    """

    code: int
    reason: str


class TransportClosed(Exception):
    """The connection has ended.

    Attributes:
        closed: How.
    """

    def __init__(self, closed: Closed) -> None:
        self.closed = closed
        super().__init__(closed)


class ConnectTarget(NamedTuple):
    """Where and how to connect.

    Attributes:
        url: The socket.
        query: The parameters, as a query string with ``vsn``.
        token: The auth token; None without one.
        headers: More headers of the handshake.
        timeout: The most seconds for the handshake, and for the answer to an HTTP request.
        ssl: The TLS context; None for the default one.
        max_size: The most bytes of one message of the server.
        http: The ``httpx.AsyncClient`` for long polling; None to make one.
    """

    url: SocketURL
    query: str
    token: str | None
    headers: Mapping[str, str]
    timeout: float
    ssl: ssl.SSLContext | None
    max_size: int
    http: Any


class ClientTransport(Protocol):
    """One open connection."""

    beats: bool
    """Whether the client sends heartbeats on this connection."""

    def send(self, data: Data) -> None:
        """Send a message. What was sent leaves in order, in a later turn of the event loop. It never raises."""
        ...

    async def receive(self) -> Data:
        """Return the next message of the server.

        Raises:
            TransportClosed: The connection has ended.
        """
        ...

    def drop(self, code: int, reason: str) -> None:
        """Begin to close. ``receive`` raises soon."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Send what waits, and close. It never raises."""
        ...


@cache
def default_tls() -> ssl.SSLContext:
    """Return the default TLS context, once: to load the certificates takes longer than the rest of a handshake."""
    return ssl.create_default_context()


def unreachable(url: SocketURL, error: BaseException) -> ConnectFailed:
    """Return the error for a server that can't be reached."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    why = printable(error) or "it has not answered in time"
    return ConnectFailed(f"{url} can't be reached: {why}", is_final=cause is not None)


OpenTransport = Callable[[ConnectTarget], Awaitable[ClientTransport]]
"""Connects. Raises :class:`~bennu.client.errors.ConnectFailed` or one of its subclasses."""
