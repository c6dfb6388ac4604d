"""Describes what clients have seen of the server, in a few words, and checks that a server can send it."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable
from typing import Final, Protocol

__all__ = ["outcome_of"]

_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d+)")
_POLLED: Final = re.compile(rb'^\{"status":(\d+)', re.MULTILINE)
_WORDS: Final = re.compile(rb'"(?:reason|status)":"([a-z_ ]{2,40})"|"(phx_[a-z]+|presence_[a-z]+)"')
_SWITCH: Final = b"HTTP/1.1 101 "

_OPCODES: Final = frozenset((0x1, 0x2, 0x8, 0x9, 0xA))


class _Client(Protocol):
    received: bytearray
    has_ended: bool


def outcome_of(clients: Iterable[_Client]) -> Hashable:
    """Return words that tell this outcome from others.

    Raises:
        AssertionError: A server must not send this.
    """
    return frozenset(_seen_by(bytes(one.received), has_ended=one.has_ended) for one in clients)


def _seen_by(received: bytes, *, has_ended: bool) -> Hashable:
    head, found, rest = received.partition(_SWITCH)
    frames: Iterable[tuple[int, bytes]] = ()
    if found:
        answer, _, rest = rest.partition(b"\r\n\r\n")
        frames = _frames(rest, is_deflated=b"permessage-deflate" in answer)
    return (
        tuple(_STATUS.findall(received[:5_000]))[:4],
        frozenset(_POLLED.findall(head)),
        frozenset(word for pair in _WORDS.findall(received[:20_000]) for word in pair),
        frozenset((opcode, data[:2] if opcode == 0x8 else b"") for opcode, data in frames),
        has_ended,
    )


def _frames(data: bytes, *, is_deflated: bool) -> list[tuple[int, bytes]]:
    """Return the server's frames; the last frame can be incomplete."""
    frames: list[tuple[int, bytes]] = []
    at, is_closed = 0, False
    while at + 2 <= len(data):
        first, size = data[at], data[at + 1]
        assert size < 0x80, "the server masks a frame"
        opcode, reserved = first & 0x0F, first & 0x70
        assert opcode in _OPCODES, f"a frame of the server begins with {first:#x}"
        assert not reserved or (is_deflated and reserved == 0x40), "reserved bits are set"
        at += 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(data[at : at + width], "big")
            at += width
        content = data[at : at + size]
        at += size
        if at > len(data):
            break
        assert not is_closed, "a frame comes behind the close"
        is_closed = opcode == 0x8
        if opcode == 0x1 and not reserved and content[:1] in (b"[", b"{"):
            json.loads(content.decode())
        frames.append((opcode, content))
    return frames
