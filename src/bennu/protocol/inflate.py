"""Reads compressed messages: RFC 7692, §7.2.2. No message inflates beyond its size limit.

A message is inflated after its last fragment has arrived. Until then the compressed bytes are kept, up to the same
size limit. So a connection holds at most twice that limit: once compressed, and once inflated.
"""

from __future__ import annotations

import zlib
from typing import Final

from ..message import Opcode
from .deflate import RSV1, TAIL, Agreement
from .websocket import INVALID_DATA, TOO_BIG, Event, Reader, Violation

__all__ = ["InflatingReader"]

TAIL_AND_END: Final = TAIL + b"\x03\x00"
"""The tail and an empty last block: a message that was cut short is detected, because it lacks the last block."""
MAX_STREAMS: Final = 16
"""Deflate streams that one message can have. One is usual for a client that can't flush; each needs a new inflater."""
LARGEST: Final = 15
INFLATION: Final = 32
"""The ratio to which a message is expected to inflate."""


class InflatingReader(Reader):
    """Reads the frames of a client that has negotiated compression.

    Args:
        max_size: The most bytes of a message, both compressed and inflated.
        agreement: The negotiated compression.
        budget: The most that one call can cost; see :class:`Reader`. A compressed message costs 32 times as much
            as an uncompressed message. Default: None, no limit.
    """

    __slots__ = ("_inflater", "_is_compressed", "_max_ratio", "_window")

    def __init__(self, max_size: int, agreement: Agreement, budget: int | None = None) -> None:
        super().__init__(max_size, budget)
        self._max_ratio = agreement.options.max_ratio
        self._window = agreement.client_window  # None: no window is kept between messages
        self._inflater: zlib._Decompress | None = None
        self._is_compressed = False  # the message that is being read

    def _check_header(self, first: int, second: int) -> Opcode:
        opcode = first & 0x0F
        if opcode not in (Opcode.TEXT, Opcode.BINARY):
            return super()._check_header(first, second)
        # After a violation nothing is read, so a wrong value does no harm then.
        self._is_compressed = bool(first & RSV1)
        return super()._check_header(first & ~RSV1, second)

    def _cost(self, first: int, length: int) -> int:
        cost = super()._cost(first, length)
        return 1 + INFLATION * (cost - 1) if self._is_compressed else cost

    def _message(self, opcode: Opcode, content: bytes) -> Event:
        if not self._is_compressed:
            return super()._message(opcode, content)
        inflated = self._inflate(content)
        self.grown += max(0, len(inflated) - len(content))
        return super()._message(opcode, inflated)

    def _inflate(self, content: bytes) -> bytes:
        limit = self.max_size
        if self._max_ratio is not None:
            limit = min(limit, int(len(content) * self._max_ratio))
        keeps = self._window is not None
        inflater, self._inflater = self._inflater or self._make(), None
        data = content + (TAIL if keeps else TAIL_AND_END)
        parts: list[bytes] = []
        for _ in range(MAX_STREAMS):
            part = _decompress(inflater, data, limit + 1)
            parts.append(part)
            limit -= len(part)
            if limit < 0:
                raise Violation(TOO_BIG, "a compressed message inflates to too much")
            if not inflater.eof:
                break
            data = inflater.unused_data
            if not data:
                return b"".join(parts)
            inflater = self._make()
        else:
            raise Violation(INVALID_DATA, "a compressed message of too many streams")
        if not keeps:
            raise Violation(INVALID_DATA, "a compressed message that was cut short")
        self._inflater = inflater
        return b"".join(parts)

    def _make(self) -> zlib._Decompress:
        # A larger window than the client's does no harm, and zlib can't compress with a window of 8 bits.
        return zlib.decompressobj(-max(self._window or LARGEST, 9))


def _decompress(inflater: zlib._Decompress, data: bytes, limit: int) -> bytes:
    try:
        return inflater.decompress(data, limit)
    except zlib.error as error:
        raise Violation(INVALID_DATA, "a compressed message can't be inflated") from error
