"""A socket in memory: bytes in both directions, a buffer for each, and its ends.

It behaves as asyncio's transport: a client's bytes arrive in their own turn of the event loop, and reading can
be paused. A client that does not read fills the write buffer until the protocol is told to pause.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol

__all__ = ["MemoryTransport"]


class SocketPeer(Protocol):
    """The client's end of the socket."""

    def take(self, data: bytes) -> None:
        """Take bytes of the server."""
        ...

    def ended(self) -> None:
        """Learn that the connection has ended."""
        ...


class MemoryTransport(asyncio.Transport):
    """The server's end of a socket in memory.

    Attributes:
        is_reading_on: Whether the server reads.
        peer_reads: Whether the client reads; else the bytes stay in the buffer.
        late_writes: The bytes that the server wrote after its close.
    """

    def __init__(self, peer: SocketPeer, *, high: int = 64 * 1024, low: int = 16 * 1024) -> None:
        super().__init__()
        self.is_reading_on = True
        self.peer_reads = True
        self.late_writes: list[bytes] = []
        self._peer = peer
        self._high, self._low = high, low
        self._loop = asyncio.get_running_loop()
        self._protocol: asyncio.BaseProtocol | None = None
        self._incoming: deque[bytes] = deque()
        self._outgoing = bytearray()
        self._asked_to_pause = False
        self._is_closing = False
        self._is_lost = False
        self._is_reset = False
        self._wrote_eof = False

    # Methods for the server.

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Set the protocol."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        assert self._protocol is not None
        return self._protocol

    def is_closing(self) -> bool:
        """Return whether the transport is closed, or closes when the buffer is empty."""
        return self._is_closing

    def is_reading(self) -> bool:
        """Return whether the server reads."""
        return self.is_reading_on and not self._is_closing

    def pause_reading(self) -> None:
        """Pause the server's reading."""
        assert self.is_reading_on, "paused twice"
        self.is_reading_on = False

    def resume_reading(self) -> None:
        """Give the server the waiting bytes, and later bytes."""
        assert not self.is_reading_on, "resumed without a pause"
        self.is_reading_on = True
        self._loop.call_soon(self._read)

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that the client has not read."""
        return len(self._outgoing)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the limits at which the protocol is told to pause and to resume."""
        assert high is not None
        self._high, self._low = high, high // 4 if low is None else low

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write bytes to the client, or to the buffer."""
        if self._is_closing or self._wrote_eof:
            if not self._is_reset:
                self.late_writes.append(bytes(data))
            return
        self._outgoing += data
        self._drain()
        if len(self._outgoing) > self._high and not self._asked_to_pause:
            self._asked_to_pause = True
            self.get_protocol().pause_writing()

    def can_write_eof(self) -> bool:
        """Return True, as a TCP socket does."""
        return True

    def write_eof(self) -> None:
        """Close the server's side of the socket."""
        self._wrote_eof = True
        self._drain()

    def close(self) -> None:
        """Close the socket when the buffer is empty."""
        if not self._is_closing:
            self._is_closing = True
            self._drain()

    def abort(self) -> None:
        """Close the socket at once, and drop the buffer."""
        self._outgoing.clear()
        self.lose(None)

    # Methods for the client.

    def feed(self, data: bytes) -> None:
        """Send bytes of the client, as one read of the server."""
        self._incoming.append(data)
        self._loop.call_soon(self._read)

    def feed_eof(self) -> None:
        """Close the client's side of the socket."""
        protocol: Any = self.get_protocol()
        if not self._is_lost and not protocol.eof_received():
            self.close()

    def lose(self, error: Exception | None) -> None:
        """End the connection."""
        if not self._is_lost:
            self._is_lost = self._is_closing = True
            self._is_reset = error is not None
            self._loop.call_soon(self.get_protocol().connection_lost, error)
            self._peer.ended()

    def take(self, size: int | None = None) -> None:
        """Read the bytes of the server from now on; or read this number of bytes once."""
        if size is None:
            self.peer_reads = True
            self._drain()
        else:
            data = bytes(self._outgoing[:size])
            del self._outgoing[:size]
            self._peer.take(data)
        if self._asked_to_pause and len(self._outgoing) <= self._low:
            self._asked_to_pause = False
            self.get_protocol().resume_writing()

    def _read(self) -> None:
        if self._incoming and self.is_reading_on and not self._is_closing:
            protocol: Any = self.get_protocol()
            protocol.data_received(self._incoming.popleft())
            self._loop.call_soon(self._read)

    def _drain(self) -> None:
        if self._outgoing and self.peer_reads:
            data = bytes(self._outgoing)
            self._outgoing.clear()
            self._peer.take(data)
        if not self._outgoing and self._is_closing:
            self.lose(None)
