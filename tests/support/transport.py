"""A socket that exists in memory only: bytes in both directions, a buffer in each, and its ends.

It behaves as asyncio's does: bytes of the client come in a turn of their own, reading can be paused, a
client that does not read fills the write buffer until the protocol is told to pause.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

__all__ = ["MemoryTransport"]


class Peer(Protocol):
    """The client's end."""

    def take(self, data: bytes) -> None:
        """Read what the server wrote."""
        ...

    def ended(self) -> None:
        """Learn that the connection has ended."""
        ...


class MemoryTransport(asyncio.Transport):
    """The server's end of a socket that exists in memory only.

    Attributes:
        is_reading_on: Whether the server wants to be given bytes.
        peer_reads: Whether the client takes what was written, or it stays in the buffer.
        late_writes: What the server wrote after it had closed.
    """

    def __init__(self, peer: Peer, *, high: int = 64 * 1024, low: int = 16 * 1024) -> None:
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

    # What the server calls.

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Take who is told of what happens."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return it."""
        assert self._protocol is not None
        return self._protocol

    def is_closing(self) -> bool:
        """Whether it is closed, or will be when the buffer is empty."""
        return self._is_closing

    def is_reading(self) -> bool:
        """Whether the server wants to be given bytes."""
        return self.is_reading_on and not self._is_closing

    def pause_reading(self) -> None:
        """Give the server no bytes for now."""
        assert self.is_reading_on, "paused twice"
        self.is_reading_on = False

    def resume_reading(self) -> None:
        """Give it those that wait, and those that come."""
        assert not self.is_reading_on, "resumed without a pause"
        self.is_reading_on = True
        self._loop.call_soon(self._read)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes the client has not taken."""
        return len(self._outgoing)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take when to tell the server that the client does not read."""
        assert high is not None
        self._high, self._low = high, high // 4 if low is None else low

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Give bytes to the client, or to the buffer."""
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
        """As a TCP socket can."""
        return True

    def write_eof(self) -> None:
        """Write no more."""
        self._wrote_eof = True
        self._drain()

    def close(self) -> None:
        """Close when the buffer is empty."""
        if not self._is_closing:
            self._is_closing = True
            self._drain()

    def abort(self) -> None:
        """Close at once, whatever is in the buffer."""
        self._outgoing.clear()
        self.lose(None)

    # What the client does.

    def feed(self, data: bytes) -> None:
        """Bring bytes of the client, as one read."""
        self._incoming.append(data)
        self._loop.call_soon(self._read)

    def feed_eof(self) -> None:
        """Say that the client will send no more."""
        if not self._is_lost and not self.get_protocol().eof_received():  # type: ignore[attr-defined]
            self.close()

    def lose(self, error: Exception | None) -> None:
        """End the connection."""
        if not self._is_lost:
            self._is_lost = self._is_closing = True
            self._is_reset = error is not None
            self._loop.call_soon(self.get_protocol().connection_lost, error)
            self._peer.ended()

    def take(self, size: int | None = None) -> None:
        """Go on taking what is written; or take so many bytes once."""
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
            self.get_protocol().data_received(self._incoming.popleft())  # type: ignore[attr-defined]
            self._loop.call_soon(self._read)

    def _drain(self) -> None:
        if self._outgoing and self.peer_reads:
            data = bytes(self._outgoing)
            self._outgoing.clear()
            self._peer.take(data)
        if not self._outgoing and self._is_closing:
            self.lose(None)
