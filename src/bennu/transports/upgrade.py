"""A request to upgrade on a TCP connection of ``bennu run``, while the application decides.

Theory of operation
-------------------
:mod:`bennu.cli.first_protocol` and :mod:`bennu.cli.http_protocol` make an :class:`Upgrade` when a request asks for a
WebSocket. The upgrade replaces the HTTP protocol while the application decides. Bytes that arrive before
the decision are kept, within a bound. There are three outcomes:

- The endpoint finds the upgrade in the scope and accepts. A :class:`~bennu.transports.native.NativeWebSocket` replaces
  the upgrade.
- The endpoint denies. The upgrade writes an HTTP answer and closes.
- The endpoint is not reached. The server gives the TCP connection and the early bytes to uvicorn's WebSocket protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from websockets.utils import accept_key

from ..protocol.deflate import negotiate
from ..protocol.inflate import InflatingReader
from ..protocol.websocket import Reader
from ..pubsub import Framing
from ..server.handshake import DRAINING, Accepted
from ..server.request import Denied
from ..server.server import Server
from .native import BUDGET, FRAMING, MeteredReader, NativeWebSocket

__all__ = ["EXTENSION", "Upgrade"]


EXTENSION: Final = "bennu.native"
"""The key of the upgrade in the scope's extensions."""

SWITCHING: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: "
)
MAX_EARLY: Final = 64 * 1024
"""Bytes that are kept before the application has decided. Beyond that, reading is paused."""


class Upgrade(asyncio.Protocol):
    """A request to upgrade, on a TCP connection that has used HTTP until now.

    Args:
        transport: The asyncio transport.
        early: Bytes that came after the request.
        open_connections: uvicorn's set of connections that it must shut down.

    Attributes:
        is_taken: Whether the request was accepted, denied, or given to uvicorn's protocol, or the client has gone.
    """

    __slots__ = ("_early", "_is_paused", "_lost", "_open_connections", "is_taken", "transport")

    def __init__(
        self, transport: asyncio.Transport, early: bytes, open_connections: set[Any]
    ) -> None:
        self.transport = transport
        self.is_taken = False
        self._early = early
        self._is_paused = False
        self._open_connections = open_connections
        self._lost: Callable[[], object] | None = None

    def when_lost(self, lost: Callable[[], object]) -> None:
        """Call a function if the client goes away before the application has decided."""
        self._lost = lost

    # The outcomes.

    def accept(self, server: Server, accepted: Accepted, key: bytes) -> None:
        """Answer 101, and open the connection.

        Args:
            server: The endpoint's server.
            accepted: The result of the handshake.
            key: The value of Sec-WebSocket-Key.
        """
        transport = self.transport
        if transport.is_closing():
            self.is_taken = True
            return
        self._take()
        head = [SWITCHING, accept_key(key.decode("latin-1")).encode()]
        if accepted.subprotocol is not None:
            head += [b"\r\nSec-WebSocket-Protocol: ", accepted.subprotocol.encode("latin-1")]
        reader, framing = _reading(accepted, head)
        head.append(b"\r\n\r\n")
        transport.write(b"".join(head))
        websocket = NativeWebSocket(transport, reader, framing, self._open_connections)
        websocket.begin(server, accepted)
        early = self._give_away()
        if early:
            websocket.data_received(early)

    def deny(self, denied: Denied) -> None:
        """Answer with an HTTP status, and close."""
        phrase = HTTPStatus(denied.status).phrase
        kind = "Content-Type: text/plain; charset=utf-8\r\n" if denied.body else ""
        if denied.retry_after is not None:
            kind += f"Retry-After: {denied.retry_after}\r\n"
        self.transport.write(
            f"HTTP/1.1 {denied.status} {phrase}\r\nConnection: close\r\n{kind}"
            f"Content-Length: {len(denied.body)}\r\n\r\n".encode("latin-1")
            + denied.body
        )
        self._take()
        self.transport.close()

    def hand_over(self) -> bytes:
        """Release the TCP connection for another protocol; return the bytes that have arrived until now."""
        self._take()
        return self._give_away()

    def _take(self) -> None:
        self.is_taken = True
        self._lost = None
        self._open_connections.discard(self)

    def _give_away(self) -> bytes:
        if self._is_paused and not self.transport.is_closing():
            self._is_paused = False
            self.transport.resume_reading()
        early, self._early = self._early, b""
        return early

    # Methods for the event loop and the server.

    def data_received(self, data: bytes) -> None:
        """Keep bytes that the client sends before the application has decided."""
        if self.is_taken:
            return
        self._early += data
        if len(self._early) > MAX_EARLY and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def eof_received(self) -> None:
        """Let the transport close, since a WebSocket can't be half-closed."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application that the client has gone."""
        lost = self._lost
        self._take()
        if lost is not None:
            lost()

    def shutdown(self) -> None:
        """Deny the request, because the server stops."""
        if not self.is_taken:
            self.deny(DRAINING)


def _reading(accepted: Accepted, head: list[bytes]) -> tuple[Reader | MeteredReader, Framing]:
    """Return the reader of the client's frames, and the framing of messages.

    Args:
        accepted: The result of the handshake.
        head: The lines of the answer's head. If compression is negotiated, its header is added.
    """
    socket, size = accepted.socket, accepted.max_frame_size
    framing: Framing = FRAMING
    reader: Reader | None = None
    if socket.deflate is not None:
        offers = accepted.info.headers.getlist("sec-websocket-extensions")
        agreement = negotiate(offers, socket.deflate)
        if agreement is not None:
            head += [b"\r\nSec-WebSocket-Extensions: ", agreement.response.encode("latin-1")]
            framing = agreement.framing
            reader = InflatingReader(size, agreement, BUDGET)
    if reader is None:
        reader = Reader(size, BUDGET)
    if socket.rates is None or socket.rates.bytes is None:
        return reader, framing
    return MeteredReader(reader), framing
