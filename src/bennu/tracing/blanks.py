"""The trace context of a broadcast on the bus, as blanks in its JSON. Pure.

Theory of operation
-------------------
A node without tracing, or with an older version of Bennu, must read what a node with tracing publishes. Such a node takes all
of an envelope (:mod:`bennu.pubsub.envelope`) for its kind, its event and its payload, and passes the JSON of the payload on to
its clients. But JSON allows blanks between its tokens. So the context stands as blanks after the first brace of the payload:
whatever reads the JSON reads the same values.

There are four blanks, so a byte is four of them. First comes a mark that no program for pretty JSON writes, then the length of
the rest in two bytes, and then the flags in one byte, the id of the trace in 16, the id of the span in 8, and the
``tracestate`` in ASCII. That is 114 blanks and four for each character of the state. A node with tracing takes them out again.

A payload of bytes has no place for a context.
"""

from __future__ import annotations

from typing import Final

from ..protocol.trace_context import TraceParent
from ..pubsub.envelope import EnvelopeKind
from .carried import MAX_STATE, Carried

__all__ = ["put_blanks", "take_blanks"]

MARK: Final = b"\t \r\r \t"
"""The first blanks. Pretty JSON has a line break after the brace, and then blanks of one sort."""

_DIGITS: Final = b" \t\n\r"
_BYTES: Final = tuple(
    bytes(_DIGITS[number >> shift & 3] for shift in (6, 4, 2, 0)) for number in range(256)
)
_TO_NUMBERS: Final = bytes.maketrans(_DIGITS, b"0123")

IDS: Final = 25
"""Bytes of the flags, and of the ids of the trace and the span."""

_HEAD: Final = 3
"""Bytes of an envelope before its name."""

_LENGTH: Final = len(MARK) + 8
"""Blanks of the mark and the length."""


def put_blanks(data: bytes, context: Carried) -> bytes:
    """Return an envelope with a trace context. An envelope that has no place for it is returned as it is."""
    start = _brace_of(data)
    if not start:
        return data
    (trace_id, parent_id, is_sampled), state = context
    body = bytes((is_sampled,)) + bytes.fromhex(trace_id + parent_id) + state.encode("ascii")
    text = len(body).to_bytes(2, "big") + body
    return b"".join((data[:start], MARK, *[_BYTES[one] for one in text], data[start:]))


def take_blanks(data: bytes) -> tuple[bytes, Carried | None]:
    """Return an envelope without its trace context, and the context; None if it has none."""
    start = _brace_of(data)
    if not start or not data.startswith(MARK, start):
        return data, None
    length = _bytes_of(data[start + len(MARK) : start + _LENGTH])
    if length is None:
        return data, None
    end = start + _LENGTH + 4 * int.from_bytes(length, "big")
    body = _bytes_of(data[start + _LENGTH : end])
    if body is None or not IDS <= len(body) <= IDS + MAX_STATE or end >= len(data):
        return data, None
    trace_id, parent_id = body[1:17], body[17:IDS]
    if not any(trace_id) or not any(parent_id) or not body[IDS:].isascii():
        return data, None
    parent = TraceParent(trace_id.hex(), parent_id.hex(), bool(body[0] & 1))
    return data[:start] + data[end:], Carried(parent, body[IDS:].decode("ascii"))


def _brace_of(data: bytes) -> int:
    """Return the place after the brace with which the payload begins; 0 if the envelope has no such payload."""
    if data[:1] != bytes((EnvelopeKind.JSON,)) or len(data) < _HEAD:
        return 0
    place = _HEAD + int.from_bytes(data[1:_HEAD], "big")
    return place + 1 if data[place : place + 1] == b"{" else 0


def _bytes_of(blanks: bytes) -> bytes | None:
    """Return the bytes that blanks stand for; None if there are other characters, or none."""
    if not blanks or len(blanks) % 4 or blanks.strip(_DIGITS):
        return None
    return int(blanks.translate(_TO_NUMBERS), 4).to_bytes(len(blanks) // 4, "big")
