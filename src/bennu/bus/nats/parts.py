"""Messages that are larger than the server's ``max_payload``, which is 1 MiB by default.

The publisher cuts such a message into parts. The parts are messages of the same subject, so they arrive in their order. But
parts of several publishers can alternate, and a part can be missing after a cluster has lost a route. So each part says in
its field for the reply what it is: ``part.PUBLISHER.MESSAGE.INDEX.COUNT``. A whole message has no reply: it costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

__all__ = ["MAX_BYTES", "Joiner", "cut"]

MAX_BYTES: Final = 16 * 1024 * 1024
"""The bytes of the largest message."""

MAX_HELD: Final = 4 * MAX_BYTES
"""The bytes of all parts that wait for the rest of their messages: a publisher can end between two parts."""

_REPLY: Final = re.compile(rb"part\.([A-Za-z0-9_-]{1,40})\.(\d{1,18})\.(\d{1,9})\.(\d{1,9})")


def cut(data: bytes, size: int, publisher: bytes, message: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the reply and the bytes of each part of a message.

    Args:
        data: The message.
        size: The bytes of the largest part.
        publisher: Text that no other connection has.
        message: A number that no other message of this publisher has.
    """
    count = -(-len(data) // size)
    for index in range(count):
        reply = b"part.%b.%d.%d.%d" % (publisher, message, index, count)
        yield reply, data[index * size : (index + 1) * size]


@dataclass(slots=True)
class _Incomplete:
    """A message with missing parts.

    Attributes:
        message: The number and the count of parts.
        parts: What has arrived.
        size: The bytes of these parts.
    """

    message: tuple[bytes, bytes]
    parts: list[bytes] = field(default_factory=list[bytes])
    size: int = 0


class Joiner:
    """Puts messages together. It drops a message with a missing part: the sequence of the topic then has a gap."""

    def __init__(self) -> None:
        self._incomplete: dict[tuple[str, bytes], _Incomplete] = {}
        self._held = 0

    def add(self, channel: str, reply: bytes, part: bytes) -> bytes | None:
        """Take a message with a reply.

        Returns:
            A whole message, or None. A message whose reply says nothing about parts is whole.
        """
        match = _REPLY.fullmatch(reply)
        if match is None:
            return part
        publisher, message, index, count = match.groups()
        key = (channel, publisher)
        if int(index) == 0:
            self._drop(key)
            self._incomplete[key] = _Incomplete((message, count))
        incomplete = self._incomplete.get(key)
        if incomplete is None:
            return None
        incomplete.parts.append(part)
        incomplete.size += len(part)
        self._held += len(part)
        is_next = incomplete.message == (message, count) and int(index) == len(incomplete.parts) - 1
        if not is_next or incomplete.size > MAX_BYTES:
            self._drop(key)
            return None
        if len(incomplete.parts) == int(count):
            self._drop(key)
            return b"".join(incomplete.parts)
        while self._held > MAX_HELD:
            self._drop(next(iter(self._incomplete)))
        return None

    def _drop(self, key: tuple[str, bytes]) -> None:
        incomplete = self._incomplete.pop(key, None)
        self._held -= incomplete.size if incomplete else 0
