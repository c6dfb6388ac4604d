"""Reads a client's WebSocket frames and writes the server's (RFC 6455, §5).

Theory of operation. If each read of the socket ends with the end of a frame, :class:`Reader` keeps no bytes: a frame
then costs some index operations and one unmasking in C. The reader keeps bytes only of an incomplete frame, and
fragments until the last fragment of their message. It returns events, ``(kind, data)``:

- ``(TEXT, data)`` and ``(BINARY, data)``: a whole message; text is valid UTF-8, as bytes;
- ``(PING, data)``, ``(PONG, data)``;
- ``(CLOSE, data)``: the client's close frame; later bytes are not read;
- ``(FAILURE, (code, reason))``: the client broke the protocol; later bytes are not read;
- ``(Note.BEHIND, None)``: more complete frames have arrived, and :meth:`Reader.more` returns them.

A client can put 40,000 frames into one read of the socket, or compress ten megabytes into one frame. So a reader can
have a *budget*, which is the most that one call can cost. A frame costs 1, and 1 more for each kilobyte of a message
that it completes. A frame that costs more than the rest of the budget waits for the next call of :meth:`Reader.more`.
The first frame of that call can have any cost.

Bennu uses the unmasking of the ``websockets`` library, but not its frames, for three reasons. The library answers a
close frame by its own rule instead of §1.13. It fails a close between fragments and a message of more than 4,096
fragments, which RFC 6455 both allows. And each frame would cost ten times as much.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, Final, cast

from ..message import BINARY, TEXT, Opcode

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover - a platform for which the library has no wheel
    from websockets.utils import apply_mask

__all__ = ["CLOSE", "FAILURE", "PING", "PONG", "Event", "Note", "Reader", "close_answer", "frame"]

CLOSE: Final = Opcode.CLOSE
PING: Final = Opcode.PING
PONG: Final = Opcode.PONG
FAILURE: Final = None

MAX_FRAGMENTS: Final = 16_384
"""Fragments that a message can have, and one more for each FRAGMENT bytes of the message."""
FRAGMENT: Final = 16
KILOBYTE_BITS: Final = 10
"""A kilobyte as a power of two."""


class Note(Enum):
    """The kind of an event that is no frame."""

    BEHIND = auto()
    """More complete frames have arrived."""
    METER = auto()
    """The number of bytes that have arrived from the client."""


BEHIND: Final = Note.BEHIND

Event = tuple[Opcode | Note | None, Any]

PROTOCOL_ERROR: Final = 1002
INVALID_DATA: Final = 1007
TOO_BIG: Final = 1009

_FINAL: Final = 0x80
_MASKED: Final = 0x80
_OPCODES: Final = {int(opcode): opcode for opcode in Opcode}
_FINAL_TEXT: Final = _FINAL | TEXT
_FINAL_BINARY: Final = _FINAL | BINARY
_FINAL_DATA: Final = (_FINAL_TEXT, _FINAL_BINARY)


class Violation(Exception):
    """The client broke the protocol. ``failure`` is the event with the close code and reason for the client."""

    def __init__(self, code: int, reason: str) -> None:
        self.failure: Event = (FAILURE, (code, reason))


class Reader:
    """Reads the frames that the client of one connection sends.

    Args:
        max_size: The most bytes of a frame, and of a message of many frames.
        budget: The most that one call can cost; see above. Default: None, no limit.

    Attributes:
        grown: Bytes to add to the bytes that arrived, to get the bytes that count: a compressed message counts with
            its inflated size, and a message of a single frame without its header. The number can be negative.
        is_behind: Whether more complete frames have arrived.
    """

    __slots__ = (
        "_budget",
        "_buffer",
        "_count",
        "_dead",
        "_fragments",
        "_left",
        "_needed",
        "_opcode",
        "_size",
        "grown",
        "is_behind",
        "max_size",
    )

    def __init__(self, max_size: int, budget: int | None = None) -> None:
        self.max_size = max_size
        self.grown = 0
        self.is_behind = False
        self._budget = budget
        self._left = 0  # the rest of the budget
        self._count = 0  # fragments of the message that is being read
        self._buffer: bytearray | None = None  # bytes of an incomplete frame
        self._needed = 0  # the length of the buffer at which the frame can be read further
        self._opcode: Opcode | None = None  # of the fragmented message that is being read
        self._fragments: bytearray | None = None
        self._size = 0  # bytes of those fragments
        self._dead = False

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes of the client, and return what is complete: messages, pings, closes and failures.

        Args:
            data: The bytes of one read.
        """
        size = len(data)
        if self._buffer is None and size >= 6 and self._opcode is None and not self._dead:
            # The most frequent case: exactly one frame, final, masked, with a short length.
            kind = data[0]
            length = data[1] - _MASKED
            if length < 126:
                start = 6
            elif length == 126 and size >= 8:
                length = data[2] << 8 | data[3]
                start = 8
            else:
                return self._receive_any(data)
            if size == start + length <= self.max_size and (kind in _FINAL_DATA):
                content = apply_mask(data[start:], data[start - 4 : start])
                if kind == _FINAL_BINARY:
                    return [(BINARY, content)]
                if content.isascii() or _is_utf8(content):
                    return [(TEXT, content)]
        return self._receive_any(data)

    def _receive_any(self, data: bytes) -> list[Event]:
        if self._dead:
            return []
        self._left = self._budget or 0
        if self._buffer is None:
            return self._read(data)
        self._buffer += data
        if self.is_behind or len(self._buffer) < self._needed:
            return []
        return self._read(self._buffer)

    def more(self) -> list[Event]:
        """Return more events: of one frame of any cost, or of as many frames as the budget allows."""
        self.is_behind = False
        if self._buffer is None:
            return []
        self._left = self._budget or 0
        return self._read(self._buffer, takes_any=True)

    def _read(self, whole: bytes | bytearray, *, takes_any: bool = False) -> list[Event]:
        events: list[Event] = []
        position = 0
        try:
            while True:
                end = self._read_frame(whole, position, events, takes_any=takes_any)
                if end is None:
                    break
                position, takes_any = end, False
        except Violation as violation:
            self._dead = True
            events.append(violation.failure)
        if self._dead:
            self._buffer = None
            self.is_behind = False
        elif position == len(whole):
            self._buffer = None
        else:
            self._needed -= position
            if self._buffer is None:
                self._buffer = bytearray(whole[position:])
            else:
                del self._buffer[:position]
            if self.is_behind:
                events.append((BEHIND, None))
        return events

    def _read_frame(
        self,
        data: bytes | bytearray,
        start: int,
        events: list[Event],
        *,
        takes_any: bool,
    ) -> int | None:
        """Read the frame at a position; return its end, or None if the frame is incomplete or has to wait."""
        if self._dead:
            return None
        available = len(data)
        self._needed = start + 2
        if available < self._needed:
            return None
        first, second = data[start], data[start + 1]
        opcode = self._check_header(first, second)
        length = second & 0x7F
        body = start + 2
        if length >= 126:
            width = 2 if length == 126 else 8
            self._needed = body + width
            if available < self._needed:
                return None
            length = int.from_bytes(data[body : body + width], "big")
            body += width
        if length > self.max_size or (not opcode & 0x8 and self._size + length > self.max_size):
            raise Violation(TOO_BIG, f"a message has at most {self.max_size} bytes")
        end = self._needed = body + 4 + length
        if available < end:
            return None
        if self._budget is not None:
            cost = self._cost(first, length)
            if cost > self._left and not takes_any:
                self.is_behind = True
                return None
            self._left -= cost
        content = apply_mask(data[body + 4 : end], data[body : body + 4])
        self._take(opcode, bool(first & _FINAL), content, events)
        if length and first & _FINAL and 0 < opcode < 0x8:
            self.grown -= body + 4 - start
        return end

    def _cost(self, first: int, length: int) -> int:
        """Return the cost of a frame; the last frame of a message costs as much as the whole message."""
        is_last = first & _FINAL and not first & 0x8
        return 1 + ((length + self._size if is_last else length) >> KILOBYTE_BITS)

    def _check_header(self, first: int, second: int) -> Opcode:
        opcode = _OPCODES.get(first & 0x0F)
        if opcode is None:
            raise Violation(PROTOCOL_ERROR, f"no frame has the opcode {first & 0x0F}")
        if first & 0x70:
            raise Violation(PROTOCOL_ERROR, "a reserved bit is set")
        if not second & _MASKED:
            raise Violation(PROTOCOL_ERROR, "a client's frames are masked")
        if opcode & 0x8:
            if not first & _FINAL:
                raise Violation(PROTOCOL_ERROR, "a control frame is not fragmented")
            if second & 0x7F > 125:
                raise Violation(PROTOCOL_ERROR, "a control frame has at most 125 bytes")
        elif opcode is Opcode.CONTINUATION:
            if self._opcode is None:
                raise Violation(PROTOCOL_ERROR, "a continuation of nothing")
        elif self._opcode is not None:
            raise Violation(PROTOCOL_ERROR, "a new message before the last fragment")
        return opcode

    def _take(self, opcode: Opcode, final: bool, content: bytes, events: list[Event]) -> None:
        if opcode & 0x8:
            events.append((opcode, content))
            self._dead = opcode is CLOSE
            return
        if opcode is not Opcode.CONTINUATION:
            if final:
                events.append(self._message(opcode, content))
                return
            self._opcode, self._fragments, self._size, self._count = opcode, bytearray(), 0, 0
        # A list of fragments of two bytes each would take thirty times as much memory.
        fragments = cast("bytearray", self._fragments)
        fragments += content
        self._size = len(fragments)
        self._count += 1
        if self._count > MAX_FRAGMENTS + self._size // FRAGMENT:
            raise Violation(TOO_BIG, "a message of too many fragments")
        if final:
            kind, self._opcode = cast("Opcode", self._opcode), None
            self._fragments, self._size = None, 0
            events.append(self._message(kind, bytes(fragments)))

    def _message(self, opcode: Opcode, content: bytes) -> Event:
        if opcode is TEXT and not content.isascii() and not _is_utf8(content):
            raise Violation(INVALID_DATA, "text that is not UTF-8")
        return opcode, content


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


_SHORT_TEXT: Final = [bytes((_FINAL | TEXT, length)) for length in range(126)]
"""The heads of short text frames, by their length."""


def frame(opcode: int, data: bytes) -> bytes:
    """Return a server's frame: final, unmasked.

    Example:
        >>> frame(1, b"hi")
        b'\\x81\\x02hi'
    """
    length = len(data)
    if length < 126:
        if opcode is TEXT:  # most frames
            return _SHORT_TEXT[length] + data
        return bytes((_FINAL | opcode, length)) + data
    if length < 65536:
        return bytes((_FINAL | opcode, 126, length >> 8, length & 255)) + data
    return bytes((_FINAL | opcode, 127)) + length.to_bytes(8, "big") + data


def close_frame(code: int | None, reason: str = "") -> bytes:
    """Return a close frame.

    Args:
        code: The close code; None for a frame without code and reason.
        reason: Text; it is cut to the 123 bytes that a close frame can hold.
    """
    if code is None:
        return frame(CLOSE, b"")
    text = reason.encode()[:123].decode(errors="ignore").encode()
    return frame(CLOSE, code.to_bytes(2, "big") + text)


def close_answer(data: bytes) -> int:
    """Return the code that answers a client's close frame (protocol document, §1.13).

    Args:
        data: The content of the client's close frame.
    """
    if not data:
        return 1000
    code = int.from_bytes(data[:2], "big") if len(data) >= 2 else 0
    known = 1000 <= code <= 1003 or 1007 <= code <= 1011 or 2999 < code < 5000
    return 1000 if known and _is_utf8(data[2:]) else 1002
