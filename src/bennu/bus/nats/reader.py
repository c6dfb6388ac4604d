"""Reads what a NATS server sends, without an event loop.

A server sends lines, and bytes after the line of a message: ``MSG subject sid [reply] size``, or with headers
``HMSG subject sid [reply] size_of_headers size``. The headers are the beginning of the bytes of a message. Messages are the
data path, so one loop over a block of bytes reads them all, and gives each one to a callback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

import msgspec

__all__ = ["NATSReader", "NotNATS", "ServerInfo"]

MAX_LINE: Final = 1024 * 1024
"""The bytes of the longest line: an INFO names all servers of a cluster."""

MAX_PAYLOAD: Final = 64 * 1024 * 1024
"""The bytes of the largest message. Bennu sends at most 16 MiB."""


class NotNATS(ConnectionError):
    """The server sent something that is not NATS's protocol."""


class ServerInfo(msgspec.Struct, frozen=True):
    """What a server says of itself: the fields of INFO that Bennu reads.

    Attributes:
        server_id: Text that no other server has.
        cluster: The name of the cluster; None if there is none.
        connect_urls: The servers of the cluster with their ports, this one too.
        max_payload: Bytes of the largest message.
        nonce: What the client must sign if it has an NKey; None if the server knows none.
        tls_required: Whether the connection must be encrypted.
        tls_available: Whether the connection can be encrypted.
    """

    server_id: str = ""
    cluster: str | None = None
    connect_urls: list[str] | None = None
    max_payload: Annotated[int, msgspec.Meta(ge=1)] = 1024 * 1024
    nonce: str | None = None
    tls_required: bool = False
    tls_available: bool = False


class NATSReader:
    """Reads lines and messages.

    Args:
        message: Called with the sid, the reply (or no bytes) and the bytes of each message.
        line: Called with each other line. It returns whether reading goes on.
    """

    def __init__(
        self, message: Callable[[bytes, bytes, bytes], object], line: Callable[[bytes], bool]
    ) -> None:
        self._message = message
        self._line = line
        self._rest = bytearray()
        self._needed = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of the bytes that have been read."""
        return not self._rest

    def feed(self, data: bytes) -> None:
        """Read bytes.

        Raises:
            NotNATS: The bytes are not NATS's protocol.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data = bytes(self._rest)
        self._rest = bytearray(memoryview(data)[self._read(data) :])

    def _read(self, data: bytes) -> int:
        """Read all whole lines and messages. Return where the rest begins."""
        message, end = self._message, len(data)
        position = self._needed = 0
        while (line_end := data.find(b"\r\n", position)) >= 0:
            if data.startswith((b"MSG ", b"HMSG "), position):
                fields = data[position:line_end].split()
                start = line_end + 2
                stop = start + _size(fields)
                if stop + 2 > end:
                    self._needed = stop + 2 - position
                    return position
                reply = fields[3] if len(fields) == (5 if fields[0] == b"MSG" else 6) else b""
                message(fields[2], reply, data[start:stop])
                position = stop + 2
            else:
                go_on = self._line(data[position:line_end])
                position = line_end + 2
                if not go_on:
                    return end
        if end - position > MAX_LINE:
            raise NotNATS(f"the server sent a line of more than {MAX_LINE} bytes")
        return position


def _size(fields: list[bytes]) -> int:
    """Return the size that the line of a message names."""
    lengths = (4, 5) if fields[0] == b"MSG" else (5, 6)
    if len(fields) in lengths and fields[-1].isdigit():
        size = int(fields[-1])
        if size <= MAX_PAYLOAD:
            return size
    raise NotNATS(f"the server sent a message with the line {b' '.join(fields)[:200]!r}")
