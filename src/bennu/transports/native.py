"""A WebSocket directly on a TCP connection of ``bennu run``, without a task, a queue or a copy of the headers.

Theory of operation
-------------------
An :class:`~bennu.transports.upgrade.Upgrade` that was accepted is replaced by a :class:`NativeWebSocket`. From then
on frames go from ``data_received`` to the connection, and from the connection to ``transport.write``.

A read can bring 40,000 frames, or a frame that inflates to ten megabytes. So the reader has a budget.
Frames beyond the budget are handled in later turns of the event loop, which all connections share
(:mod:`bennu.loop.scheduler`). Until then reading is paused.

Reading is paused lazily. A join holds the connection, and is mostly done before the client sends the next frame. So
it is paused only if bytes arrive while the connection is held.

A client that reads more slowly than the server writes fills the transport's buffer. Above its high-water mark, the event
loop calls ``pause_writing``, which calls ``congested`` of the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any, Final

from ..message import BINARY, NO_CODE, TEXT, Opcode
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
from ..server.connection import ServerConnection
from ..server.handshake import Accepted
from ..server.server import Server
from .hangup import has_hung_up

__all__ = ["BUDGET", "FRAMING", "MeteredReader", "NativeWebSocket"]


BUDGET: Final = 64
"""Frames, or kilobytes of messages, of one read that are handled at once."""
HEADS: Final = (6, 8)
"""Bytes of the head of a short frame of a client."""
HIGH_WATER: Final = 64 * 1024
"""Bytes in the transport's buffer above which the client counts as slow."""

CLOSE_TIMEOUT: Final = 5.0
"""Seconds within which the client must read all frames up to our close frame, and answer it."""


class WebSocketState(Enum):
    """The states of a WebSocket."""

    OPEN = auto()
    CLOSING = auto()
    CLOSED = auto()


OPEN: Final = WebSocketState.OPEN


class _WebSocketFraming:
    """The framing of WebSockets: a message becomes one frame."""

    __slots__ = ()

    carries_binary = True
    frame = staticmethod(frame)
    size = staticmethod(len)

    @staticmethod
    def join(frames: Sequence[bytes], /) -> bytes:
        """Return frames joined into one bytes object."""
        return b"".join(frames)


FRAMING = _WebSocketFraming()


class MeteredReader:
    """Reads frames, and adds to each read an event with the number of received bytes.

    Args:
        reader: Reads the frames.
    """

    __slots__ = ("_reader",)

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @property
    def is_behind(self) -> bool:
        """Whether more complete frames have arrived."""
        return self._reader.is_behind

    def receive(self, data: bytes) -> list[Event]:
        """Add received bytes, and return the events of the frames that are complete."""
        events = self._reader.receive(data)
        size = len(data)
        if len(events) == 1 and not self._reader.grown:
            kind, content = events[0]
            if content and (kind is TEXT or kind is BINARY) and size - len(content) in HEADS:
                size = len(content)
        return self._metered(events, size)

    def more(self) -> list[Event]:
        """Return the events of further complete frames."""
        return self._metered(self._reader.more(), 0)

    def _metered(self, events: list[Event], size: int) -> list[Event]:
        reader = self._reader
        events.append((Note.METER, size + reader.grown))
        reader.grown = 0
        return events


class NativeWebSocket(asyncio.Protocol):
    """An open WebSocket on an asyncio transport.

    Args:
        transport: The asyncio transport.
        reader: Reads the client's frames.
        framing: The framing of messages.
        open_connections: uvicorn's set of connections that it must shut down.
    """

    __slots__ = (
        "_connection",
        "_held",
        "_is_behind",
        "_is_paused",
        "_is_socket_paused",
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
        self,
        transport: asyncio.Transport,
        reader: Reader | MeteredReader,
        framing: Framing,
        open_connections: set[Any],
    ) -> None:
        self.transport = transport
        self.framing = framing
        self._state = OPEN
        self._open_connections = open_connections
        self._connection: ServerConnection | None = None
        self._reader: Reader | MeteredReader | None = reader
        self._held: deque[Event] | None = None
        self._is_behind = False
        self._is_paused = False
        self._is_socket_paused = False
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, server: Server, accepted: Accepted) -> None:
        """Take over the TCP connection, and open the connection.

        Args:
            server: The endpoint's server.
            accepted: The result of the handshake.
        """
        transport = self.transport
        transport.set_write_buffer_limits(min(HIGH_WATER, accepted.socket.max_unsent))
        transport.set_protocol(self)
        self._open_connections.add(self)
        self._connection = accepted.open(server, self)

    @property
    def write(self) -> Callable[[Any], object]:
        """Writes bytes to the client."""
        return self.transport.write

    @property
    def unsent(self) -> int:
        """Bytes that wait in the transport, outside of the kernel."""
        return self.transport.get_write_buffer_size()

    @property
    def is_client_gone(self) -> bool:
        """Whether the client has closed its side, even if there are more bytes to read."""
        return has_hung_up(self.transport)

    # Methods for the event loop.

    def data_received(self, data: bytes) -> None:
        """Handle bytes of the client."""
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
        """Let the transport close, since a WebSocket can't be half-closed."""

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection, because the TCP connection is gone."""
        self._open_connections.discard(self)
        self._state = WebSocketState.CLOSED
        self._clear_timer()
        # This object is in a cycle of references, so its large parts are released here, before the collector runs.
        self._held = self._reader = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.lost("closed")

    def pause_writing(self) -> None:
        """Begin backpressure, because the client reads too slowly."""
        if self._connection is not None:
            self._connection.congested()

    def resume_writing(self) -> None:
        """End backpressure, because the client has caught up."""
        if self._connection is not None:
            self._connection.drained()

    def shutdown(self) -> None:
        """Close, because the server stops."""
        if self._connection is not None:
            self._connection.close(CloseCode.SHUTDOWN)

    # Methods for the connection.

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Send a ping or a pong."""
        if self._connection is not None:
            self._connection.write(frame(opcode, data))

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, and wait up to CLOSE_TIMEOUT for the client's close frame, if it has not come yet."""
        if self._state is not OPEN:
            return
        self._state = WebSocketState.CLOSING
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
            self._abort_later()  # the client can fail to read the rest

    def pause_reading(self) -> None:
        """Pass no more messages to the connection, until ``resume_reading``."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """Pass the held messages to the connection, and then all that arrive."""
        self._is_paused = False
        if self._connection is not None and (self._held or self._is_socket_paused):
            self._bring(self._connection)

    # The rest.

    def _handle(self, connection: ServerConnection, event: Event) -> None:
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
            self._reader = None  # frames after a close frame are ignored
            code = int.from_bytes(data[:2], "big") if data else NO_CODE
            reason = data[2:].decode(errors="replace")
            connection.server.inspector.client_closed(connection, code, reason)
            connection.close_received(lambda: self._answer_close(connection, data))
        elif kind is FAILURE:
            code, reason = data
            connection.server.log.warning(
                "Closing a connection that broke the WebSocket protocol: %s", reason
            )
            connection.close(PROTOCOL_FAILURES[code], reason, reason="closed")
            if self.transport.can_write_eof():
                self.transport.write_eof()

    def _answer_close(self, connection: ServerConnection, data: bytes) -> None:
        connection.settle()
        connection.lost("closed")
        self.close(close_answer(data))

    def _bring(self, connection: ServerConnection) -> None:
        """Pass the held messages to the connection, in order, until none is left or reading is paused."""
        while self._held:
            if self._is_paused:
                self._pause_socket()
                return
            self._handle(connection, self._held.popleft())
        self._held = None
        if not self._is_paused and not self._is_behind:
            self._resume_socket()

    def _wait_for_turn(self) -> None:
        """Handle the rest of the received bytes in a later turn of the event loop."""
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
