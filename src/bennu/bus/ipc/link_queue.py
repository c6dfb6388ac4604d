"""The frames that wait for one connection. Pure."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

__all__ = ["LinkQueue"]

CHUNK: Final = 64 * 1024
"""Bytes that leave in one write, about."""


class LinkQueue:
    """Frames that wait, and the chunk of frames that was written last.

    The next chunk is taken only when the last one has left. So the queue knows which messages have not left.

    Attributes:
        size: Bytes that wait, without the last chunk.
    """

    __slots__ = ("_chunk", "_waiting", "size")

    def __init__(self) -> None:
        self.size = 0
        self._waiting: deque[tuple[bytes | None, bytes]] = deque()
        self._chunk: list[tuple[bytes | None, bytes]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_chunk(self) -> bool:
        """Whether as much waits as leaves in one write."""
        return self.size >= CHUNK

    def add(self, key: bytes | None, frame: bytes) -> None:
        """Add a frame.

        Args:
            key: The topic of a message; None for any other frame.
            frame: The frame.
        """
        self._waiting.append((key, frame))
        self.size += len(frame)

    def next_chunk(self) -> bytes:
        """Return the next frames, joined. The last chunk has left."""
        waiting = self._waiting
        chunk: list[tuple[bytes | None, bytes]] = []
        if self.size <= CHUNK:
            chunk.extend(waiting)
            waiting.clear()
            self.size = 0
        else:
            size = 0
            while waiting and size < CHUNK:
                chunk.append(waiting.popleft())
                size += len(chunk[-1][1])
            self.size -= size
        self._chunk = chunk
        return chunk[0][1] if len(chunk) == 1 else b"".join([frame for _, frame in chunk])

    def drop(self, unsent: int) -> Counter[bytes]:
        """Drop all frames, and count the messages that have not left, by topic.

        Args:
            unsent: Bytes of the last chunk that have not left. A message that has left in part counts.
        """
        dropped: Counter[bytes] = Counter()
        dropped.update(key for key, _ in self._waiting if key is not None)
        while unsent > 0 and self._chunk:
            key, frame = self._chunk.pop()
            unsent -= len(frame)
            if key is not None:
                dropped[key] += 1
        self._waiting.clear()
        self._chunk.clear()
        self.size = 0
        return dropped
