"""The frames that wait for one connection. Pure."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

__all__ = ["LinkQueue"]

CHUNK: Final = 64 * 1024
"""Bytes that leave in one write, about."""


class LinkQueue:
    """Frames that wait.

    Attributes:
        size: Bytes that wait.
    """

    __slots__ = ("_waiting", "size")

    def __init__(self) -> None:
        self.size = 0
        self._waiting: deque[tuple[bytes | None, bytes]] = deque()

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
        """Take the next frames, and return them joined."""
        waiting = self._waiting
        chunk: list[bytes] = []
        if self.size <= CHUNK:
            chunk.extend([frame for _, frame in waiting])
            waiting.clear()
            self.size = 0
        else:
            size = 0
            while waiting and size < CHUNK:
                _, frame = waiting.popleft()
                chunk.append(frame)
                size += len(frame)
            self.size -= size
        return chunk[0] if len(chunk) == 1 else b"".join(chunk)

    def drop(self) -> Counter[bytes]:
        """Drop all frames, and count the messages by topic."""
        dropped = Counter(key for key, _ in self._waiting if key is not None)
        self._waiting.clear()
        self.size = 0
        return dropped
