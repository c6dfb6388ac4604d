"""What a client sent compressed: RFC 7692, §7.2.2. No message inflates beyond its bound.

A message is inflated when its last fragment is there. Until then it is held as it came, within the bound of
every message, so the most that a connection ever holds is that bound twice, once compressed and once not.
"""

from __future__ import annotations

import zlib
from typing import Final

from ..message import Opcode
from .deflate import RSV1, TAIL, Agreement
from .websocket import INVALID_DATA, TOO_BIG, Event, Reader, Violation

__all__ = ["InflatingReader"]

TAIL_AND_END: Final = TAIL + b"\x03\x00"
"""With an empty last block behind it, a message that was cut short shows."""
MAX_STREAMS: Final = 16
"""Last blocks in one message. One is usual where a client can't flush, but each costs a new inflater."""
LARGEST: Final = 15
INFLATION: Final = 32
"""How many times its size a message is expected to inflate to."""


class InflatingReader(Reader):
    """A reader for a client with which compression was agreed on.

    Args:
        max_size: Bytes that a message may have, compressed as well as inflated.
        agreement: What was agreed on.
        budget: What one call may cost. A compressed message costs 32 times as much as one that is not.
    """

    __slots__ = ("_inflater", "_is_compressed", "_max_ratio", "_window")

    def __init__(self, max_size: int, agreement: Agreement, budget: int | None = None) -> None:
        super().__init__(max_size, budget)
        self._max_ratio = agreement.options.max_ratio
        self._window = agreement.client_window  # None: nothing is kept from message to message
        self._inflater: zlib._Decompress | None = None
        self._is_compressed = False  # the message under way

    def _check_header(self, first: int, second: int) -> Opcode:
        opcode = first & 0x0F
        if opcode not in (Opcode.TEXT, Opcode.BINARY):
            return super()._check_header(first, second)
        # A violation is the end, so it does no harm to have set this for one.
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
        # A larger window than the client's does no harm, and zlib has none of 8 bits to compress with.
        return zlib.decompressobj(-max(self._window or LARGEST, 9))


def _decompress(inflater: zlib._Decompress, data: bytes, limit: int) -> bytes:
    try:
        return inflater.decompress(data, limit)
    except zlib.error as error:
        raise Violation(INVALID_DATA, "a compressed message can't be inflated") from error
