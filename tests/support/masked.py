"""Valid and invalid WebSocket frames of a client, and the reader's events for them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from bennu.protocol.websocket import FAILURE, Event, Reader

__all__ = ["LARGE", "MASK", "binary", "cut", "failure", "raw", "read", "text"]

MASK = b"\x37\xfa\x21\x3d"
LARGE = 1 << 24


def raw(
    first: int, data: bytes = b"", *, mask: bytes | None = MASK, width: int | None = None
) -> bytes:
    """Return a frame with any first byte, masked or not, its length written with any width."""
    length = len(data)
    if width is None:
        width = 0 if length < 126 else 2 if length < 65536 else 8
    marker = {0: length, 2: 126, 8: 127}[width]
    head = bytes([first, marker | (0x80 if mask is not None else 0)])
    head += length.to_bytes(width, "big") if width else b""
    if mask is None:
        return head + data
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))


def text(content: str) -> bytes:
    """Return a text message in one frame."""
    return raw(0x81, content.encode())


def binary(content: bytes) -> bytes:
    """Return a binary message in one frame."""
    return raw(0x82, content)


def read(chunks: Iterable[bytes], max_size: int = LARGE) -> list[Event]:
    """Return a reader's events for pieces of bytes."""
    reader = Reader(max_size)
    return [event for chunk in chunks for event in reader.receive(chunk)]


def cut(data: bytes, positions: Iterable[int]) -> list[bytes]:
    """Return the data, cut at these positions."""
    edges = [0, *sorted(position % (len(data) + 1) for position in positions), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def failure(events: list[Event]) -> int:
    """Return the close code of the violation that is the last of these events."""
    kind, data = events[-1]
    assert kind is FAILURE
    code, reason = data
    assert reason
    return int(code)
