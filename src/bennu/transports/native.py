"""A WebSocket straight on the socket of our own server: no task, no queue, no copy of the headers.

Theory of operation
-------------------
:mod:`bennu.cli.server` makes a :class:`NativeWebSocket` when a request asks for an upgrade, and
puts it in the place of the HTTP protocol. It waits in HANDSHAKE while the request walks through the
application; what arrives meanwhile is kept, within a bound. The endpoint finds it in the scope and
either accepts, and from then on frames go from ``data_received`` to the connection and from the
connection to ``transport.write``; or denies; or nobody takes it, and the server gives the socket to its
own WebSocket implementation, early bytes included.

A read of the socket may bring 40,000 frames, or one that inflates to ten megabytes. The reader has a budget
therefore. What goes beyond it is handled in later turns of the event loop, which all connections share
(:mod:`bennu.loop.scheduler`), and meanwhile the socket is paused.

Reading is paused lazily. A join *holds* the connection, which mostly is over before the client says
anything more; so the socket is paused only when something arrives while it is held.

Whoever reads slower than is written for it fills the transport's buffer. Above a mark the event loop says
so, and the connection is told that it is congested.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final, Protocol

from ..message import BINARY, TEXT, Opcode
from ..protocol.deflate import negotiate
from ..protocol.inflate import InflatingReader
from ..protocol.upgrade import accept_key
from ..protocol.websocket import (
    CLOSE,
    FAILURE,
    PING,
    PONG,
    Event,
    Note,
    Reader,
    close_answer,
    close_frame,
    frame,
)
from ..pubsub import Framing
from ..reasons import PROTOCOL_FAILURES, CloseCode
from ..server.accepted import Accepted
from ..server.handshake import DRAINING, Denied
from ..server.link import Link
from ..server.opening import open_link
from ..server.server import Server
from .hangup import has_hung_up

__all__ = ["EXTENSION", "NativeWebSocket", "Observer"]


EXTENSION: Final = "bennu.native"
"""Where in the scope's extensions the endpoint finds it."""

SWITCHING: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: "
)
BUDGET: Final = 64
"""What is handled of one read of the socket at once: so many frames, or kilobytes of messages."""
HEADS: Final = (6, 8)
"""Bytes of the head of a client's frame, if it is short."""
MAX_EARLY: Final = 64 * 1024
HIGH_WATER: Final = 64 * 1024
"""Bytes in the socket's buffer above which the client counts as slow."""
CLOSE_TIMEOUT: Final = 5.0
"""Seconds in which the client must answer a close frame, and read what came before ours."""


class State(Enum):
    """How far the WebSocket is."""

    HANDSHAKE = auto()
    OPEN = auto()
    CLOSING = auto()
    CLOSED = auto()


OPEN: Final = State.OPEN


class Observer(Protocol):
    """Who wants to know if a handshake comes to nothing."""

    def lost(self) -> None:
        """The client went away before."""
        ...


class _WebSocketFraming:
    """Finished WebSocket frames."""

    __slots__ = ()

    carries_binary = True
    frame = staticmethod(frame)
    size = staticmethod(len)

    @staticmethod
    def join(frames: Sequence[bytes], /) -> bytes:
        """Return frames as one piece of bytes."""
        return b"".join(frames)


FRAMING = _WebSocketFraming()


class MeteredReader:
    """A reader that tells how many bytes the client has sent, behind what became of them.

    Args:
        reader: What reads.
    """

    __slots__ = ("_reader",)

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @property
    def is_behind(self) -> bool:
        """Whether more has arrived whole."""
        return self._reader.is_behind

    def receive(self, data: bytes) -> list[Event]:
        """Take what the socket gave, and return what became whole by it."""
        events = self._reader.receive(data)
        size = len(data)
        if len(events) == 1 and not self._reader.grown:
            kind, content = events[0]
            if content and (kind is TEXT or kind is BINARY) and size - len(content) in HEADS:
                size = len(content)
        return self._metered(events, size)

    def more(self) -> list[Event]:
        """Return what else has become whole."""
        return self._metered(self._reader.more(), 0)

    def _metered(self, events: list[Event], size: int) -> list[Event]:
        reader = self._reader
        events.append((Note.METER, size + reader.grown))
        reader.grown = 0
        return events


class NativeWebSocket(asyncio.Protocol):
    """A WebSocket on an asyncio transport.

    Args:
        transport: The socket, which has been speaking HTTP so far.
        early: Bytes that came behind the request.
        open_connections: The server's set of what it must shut down.
    """

    __slots__ = (
        "_connection",
        "_early",
        "_held",
        "_is_behind",
        "_is_paused",
        "_is_socket_paused",
        "_observer",
        "_open_connections",
        "_reader",
        "_state",
        "_timer",
        "framing",
        "transport",
    )

    name = "websocket"
    keeps_time = False
    counts_bytes = True

    def __init__(
        self, transport: asyncio.Transport, early: bytes, open_connections: set[Any]
    ) -> None:
        self.transport = transport
        self.framing: Framing = FRAMING
        self._state = State.HANDSHAKE
        self._early = early
        self._open_connections = open_connections
        self._observer: Observer | None = None
        self._connection: Link | None = None
        self._reader: Reader | MeteredReader | None = None
        self._held: deque[Event] | None = None
        self._is_behind = False
        self._is_paused = False
        self._is_socket_paused = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def write(self) -> Callable[[Any], object]:
        """Give bytes to the socket."""
        return self.transport.write

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken."""
        return self.transport.get_write_buffer_size()

    @property
    def is_left(self) -> bool:
        """Whether the client has closed its side, also if there is more of it to read."""
        return has_hung_up(self.transport)

    # The handshake.

    @property
    def is_taken(self) -> bool:
        """Whether the endpoint has accepted or denied it."""
        return self._state is not State.HANDSHAKE

    def wait_for_application(self, observer: Observer) -> None:
        """Wait in HANDSHAKE; say what comes of it."""
        self._observer = observer

    def hand_over(self) -> bytes:
        """Give the socket to another protocol; return what has arrived meanwhile."""
        self._state = State.CLOSED
        self._observer = None
        self._open_connections.discard(self)
        self._resume_socket()
        return self._early

    def accept(self, server: Server, accepted: Accepted, key: bytes) -> None:
        """Answer 101 and begin.

        Args:
            server: The endpoint's.
            accepted: What the handshake found.
            key: The Sec-WebSocket-Key.
        """
        if self.transport.is_closing():
            self._state = State.CLOSED
            return
        head = [
            SWITCHING,
            accept_key(key),
        ]
        if accepted.subprotocol is not None:
            head += [b"\r\nSec-WebSocket-Protocol: ", accepted.subprotocol.encode("latin-1")]
        self._reader = self._make_reader(accepted, head)
        head.append(b"\r\n\r\n")
        self.transport.write(b"".join(head))
        self._state = State.OPEN
        self._observer = None
        self.transport.set_write_buffer_limits(min(HIGH_WATER, accepted.socket.max_unsent))
        self._connection = open_link(server, accepted, self)
        early, self._early = self._early, b""
        self._resume_socket()
        if early:
            self.data_received(early)

    def _make_reader(self, accepted: Accepted, head: list[bytes]) -> Reader | MeteredReader:
        """Return what reads the client's frames, and counts their bytes if they have a rate."""
        reader = self._make_plain_reader(accepted, head)
        rates = accepted.socket.rates
        return reader if rates is None or rates.bytes is None else MeteredReader(reader)

    def _make_plain_reader(self, accepted: Accepted, head: list[bytes]) -> Reader:
        """Return what reads the client's frames; if it compresses them, say so in the answer."""
        max_size, options = accepted.max_frame_size, accepted.socket.deflate
        if options is not None:
            offers = accepted.info.headers.getlist("sec-websocket-extensions")
            agreement = negotiate(offers, options)
            if agreement is not None:
                self.framing = agreement.framing
                head += [b"\r\nSec-WebSocket-Extensions: ", agreement.response.encode("latin-1")]
                return InflatingReader(max_size, agreement, BUDGET)
        return Reader(max_size, BUDGET)

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
        self._state = State.CLOSED
        self._observer = None
        self._open_connections.discard(self)
        self.transport.close()

    # What the event loop tells us.

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client."""
        if self._state is not OPEN and self._state is State.HANDSHAKE:
            self._early += data
            if len(self._early) > MAX_EARLY:
                self._pause_socket()
            return
        connection, reader = self._connection, self._reader
        if connection is None or reader is None:
            return
        connection.silent = 0
        events = reader.receive(data)
        if self._held is None and not self._is_paused and len(events) == 1:
            kind, content = events[0]
            if kind is TEXT and self._state is OPEN:
                connection.receive(TEXT, content)
            else:
                self._handle(connection, events[0])
        elif events:
            self._held = self._held or deque()
            self._held.extend(events)
            self._bring(connection)

    def eof_received(self) -> None:
        """Let the transport close: a WebSocket has no use for half of a connection."""

    def connection_lost(self, exc: Exception | None) -> None:
        """End: the socket is gone."""
        self._open_connections.discard(self)
        self._state = State.CLOSED
        self._clear_timer()
        self._held = self._reader = (
            None  # now: this is part of a cycle of references, which is found late
        )
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.lost("closed")
        elif self._observer is not None:
            self._observer.lost()

    def pause_writing(self) -> None:
        """Tell the connection that its client does not keep up."""
        if self._connection is not None:
            self._connection.congested()

    def resume_writing(self) -> None:
        """Tell it that the client has caught up."""
        if self._connection is not None:
            self._connection.drained()

    def shutdown(self) -> None:
        """Close because the server stops."""
        if self._connection is not None:
            self._connection.close(CloseCode.SHUTDOWN)
        elif self._state is State.HANDSHAKE:
            self.deny(DRAINING)

    # What the connection tells us.

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Send a ping or a pong."""
        if self._connection is not None:
            self._connection.write(frame(opcode, data))

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, and wait a little for the client's, if that has not come."""
        if self._state is not State.OPEN:
            return
        self._state = State.CLOSING
        self.transport.write(close_frame(code, reason))
        self._held = None
        self._is_paused = False
        if self._reader is not None and self._reader.is_behind:
            self._wait_for_turn()
        else:
            self._resume_socket()
        if self._reader is not None:
            self._abort_later()
            return
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._abort_later()  # it may never read what is left

    def pause_reading(self) -> None:
        """Bring no more messages until told to."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """Bring what was held, and then what comes."""
        self._is_paused = False
        if self._connection is not None:
            self._bring(self._connection)

    # The rest.

    def _handle(self, connection: Link, event: Event) -> None:
        kind, data = event
        if kind is Note.BEHIND:
            self._wait_for_turn()
        elif self._state is not OPEN:
            if kind is CLOSE:
                self.transport.close()
        elif kind is TEXT or kind is BINARY:
            connection.receive(kind, data)
        elif kind is PING:
            connection.write(frame(PONG, data))
            connection.control(PING, data)
        elif kind is PONG:
            connection.control(PONG, data)
        elif kind is Note.METER:
            connection.metered(data)
        elif kind is CLOSE:
            self._reader = None  # nothing may come after it
            connection.said_goodbye(lambda: self._answer_close(connection, data))
        elif kind is FAILURE:
            code, reason = data
            connection.server.log.warning(
                "Closing a connection that broke the WebSocket protocol: %s", reason
            )
            connection.close(PROTOCOL_FAILURES[code], reason, reason="closed")
            if self.transport.can_write_eof():
                self.transport.write_eof()

    def _answer_close(self, connection: Link, data: bytes) -> None:
        connection.settle()
        connection.lost("closed")
        self.close(close_answer(data))

    def _bring(self, connection: Link) -> None:
        """Bring what is held, in order, until it is all brought or must wait."""
        while self._held:
            if self._is_paused:
                self._pause_socket()
                return
            self._handle(connection, self._held.popleft())
        self._held = None
        if not self._is_paused and not self._is_behind:
            self._resume_socket()

    def _wait_for_turn(self) -> None:
        """Handle the rest of what has been received in a later turn of the event loop."""
        if not self._is_behind and self._connection is not None:
            self._is_behind = True
            self._pause_socket()
            self._connection.server.scheduler.schedule(self._read_on)

    def _read_on(self) -> None:
        self._is_behind = False
        connection, reader = self._connection, self._reader
        if connection is None or reader is None:
            return
        if self._held:
            self._held.append((Note.BEHIND, None))
        else:
            self._held = deque(reader.more())
            self._bring(connection)

    def _pause_socket(self) -> None:
        if not self._is_socket_paused and not self.transport.is_closing():
            self._is_socket_paused = True
            self.transport.pause_reading()

    def _resume_socket(self) -> None:
        if self._is_socket_paused and not self.transport.is_closing():
            self._is_socket_paused = False
            self.transport.resume_reading()

    def _abort_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(CLOSE_TIMEOUT, self.transport.abort)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def key_of(scope: Mapping[str, Any]) -> bytes:
    """Return the Sec-WebSocket-Key of a request."""
    for name, value in scope["headers"]:
        if name == b"sec-websocket-key":
            key: bytes = value
            return key
    return b""
