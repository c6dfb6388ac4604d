"""Writes the commands of Redis as bytes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

__all__ = ["PING", "packed", "published"]

PING: Final = b"*1\r\n$4\r\nPING\r\n"


def packed(parts: Collection[bytes]) -> bytes:
    """Return a command.

    Example:
        >>> packed([b"PING"]) == PING
        True
    """
    lines = [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
    return b"*%d\r\n%b" % (len(lines), b"".join(lines))


def published(name: bytes, messages: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a command for each message, ``PUBLISH`` or ``SPUBLISH``.

    Args:
        name: The command.
        messages: The channel and the bytes of each message.
    """
    head = b"*3\r\n$%d\r\n%b\r\n" % (len(name), name)
    parts: list[bytes] = []
    for channel, data in messages:
        key = channel.encode()
        parts.append(b"%b$%d\r\n%b\r\n$%d\r\n" % (head, len(key), key, len(data)))
        parts.append(data)
        parts.append(b"\r\n")
    return b"".join(parts)
