"""A follow: an async iterator over what the inspector sees, with a bounded buffer."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal, Self

from msgspec.structs import replace

from .records import SeenRecord
from .sights import Hide, Sight
from .wanted import Wanted

__all__ = ["MAX_BYTES", "Follow", "Keep"]

MAX_BYTES: Final = 4_000_000
"""Bytes of frames that wait to be read, at most."""


Keep = Literal["newest", "oldest"]
"""Which records a follow keeps when nobody reads them in time."""


class Follow:
    """What the inspector sees, record by record. ``endpoint.inspector.follow`` makes it.

    If nobody reads, records are dropped. Close a follow, or use it in a ``with`` block: an open follow costs time.
    One task reads it.

    Args:
        wanted: What is followed.
        limit: The most records that wait to be read.
        keep: Which records stay if more come.
        hide: Hides secrets.
        now: The time of the event loop.
        stop: Ends the follow. It is called once.

    Attributes:
        dropped: The records that were dropped, because nobody read them in time.
        wanted: As given.

    Example:
        ``with endpoint.inspector.follow(topic="room:7") as follow: async for record in follow: print(record)``
    """

    def __init__(
        self,
        wanted: Wanted,
        *,
        limit: int,
        keep: Keep = "newest",
        hide: Hide,
        now: float,
        stop: Callable[[Follow], object],
    ) -> None:
        self.wanted = wanted
        self.dropped = 0
        self._sights: deque[Sight] = deque()
        self._limit = limit
        self._keeps_newest = keep == "newest"
        self._weight = 0
        self._hide = hide
        self._began = now
        self._wall = time.time()
        self._stop = stop
        self._is_closed = False
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._sights)

    # For the tap.

    def wants(self, topic: str | None) -> bool:
        """Return whether the follow wants what belongs to a topic; None is what belongs to the connection."""
        return self.wanted.has_topic(topic)

    @property
    def has_room(self) -> bool:
        """Whether the next record would be kept. If not, it need not be made."""
        return self._keeps_newest or (len(self._sights) < self._limit and self._weight < MAX_BYTES)

    def put(self, sight: Sight) -> None:
        """Take what was seen. Beyond the limit the oldest is dropped, or this one."""
        if not self.has_room:
            self.dropped += 1
            return
        self._sights.append(sight)
        self._weight += sight.weight
        while len(self._sights) > self._limit or (
            self._weight > MAX_BYTES and len(self._sights) > 1
        ):
            self._weight -= self._sights.popleft().weight
            self.dropped += 1
        self._news.set()

    # For the reader.

    def close(self) -> None:
        """End the follow. What was seen before can still be read. A second call does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._stop(self)
            self._news.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SeenRecord:
        """Return the next record.

        Raises:
            StopAsyncIteration: The follow is closed, and everything was read.
        """
        while not self._sights:
            if self._is_closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._take()

    def ready(self, most: int | None = None) -> list[SeenRecord]:
        """Return the records that wait, without waiting for more.

        Args:
            most: The most records to return. Default: None, all.
        """
        waiting = len(self._sights)
        return [self._take() for _ in range(waiting if most is None else min(most, waiting))]

    def _take(self) -> SeenRecord:
        sight = self._sights.popleft()
        self._weight -= sight.weight
        record = sight.record(self._hide)
        at = record.at - self._began
        return replace(record, at=at, time=self._wall + at)
