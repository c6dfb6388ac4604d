"""Takes the messages out of what was framed for a transport, for the inspector. Pure.

The fast lane writes bytes that are framed and joined already. Each transport has its own form, and the forms can be told
apart: ASGI events are tuples, a WebSocket frame begins with a byte of 128 or more, and a message for a poll begins with a quote.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

import msgspec

from ..message import BINARY, TEXT, Encoded, Opcode
from ..protocol.deflate import RSV1, TAIL

__all__ = ["unframed"]

WINDOW: Final = -15
"""A raw deflate stream with the largest window, which reads every smaller one."""


def unframed(framed: Any) -> list[Encoded]:
    """Return the messages of one frame, or of several frames that were joined. Pings and pongs are left out.

    Example:
        >>> unframed(b"\\x81\\x02hi\\x81\\x01!")
        [(<Opcode.TEXT: 1>, b'hi'), (<Opcode.TEXT: 1>, b'!')]
        >>> unframed(b'"hi"')
        [(<Opcode.TEXT: 1>, b'hi')]
    """
    if isinstance(framed, bytes):
        return _frames(framed) if framed[:1] >= b"\x80" else _polled(framed)
    return [_event(event) for _, event in framed]


def _event(event: Any) -> Encoded:
    text = event.get("text")
    return (BINARY, event["bytes"]) if text is None else (TEXT, text.encode())


def _polled(data: bytes) -> list[Encoded]:
    return [(TEXT, text.encode()) for text in msgspec.json.decode(b"[" + data + b"]")]


def _frames(data: bytes) -> list[Encoded]:
    """Read whole, unmasked frames of a server."""
    found: list[Encoded] = []
    start = 0
    while start < len(data):
        first, length = data[start], data[start + 1]
        start += 2
        if length >= 126:
            width = 2 if length == 126 else 8
            length = int.from_bytes(data[start : start + width], "big")
            start += width
        content = data[start : start + length]
        start += length
        opcode = first & 0x0F
        if opcode in (TEXT, BINARY):
            if first & RSV1:
                content = zlib.decompressobj(WINDOW).decompress(content + TAIL)
            found.append((Opcode(opcode), content))
    return found
