"""Runs of entries, and what they prove about a position. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from ..store.entry import LogEntry
from ..store.store import Page
from .answer import NotRecovered
from .position import Asked

__all__ = ["Bounds", "ReadRequest", "Run", "Tail", "Verdict", "following", "judge"]

MAX_TAIL: Final = 1_000
"""The most entries of a tail. A member that needs older ones takes part in the next read."""

MAX_TAIL_BYTES: Final = 1024 * 1024
"""The same in bytes of payloads."""

_offset: Final = attrgetter("offset")


class Bounds(NamedTuple):
    """How much a client can get of what it has missed.

    Attributes:
        entries: The most entries.
        size: The most bytes of their payloads.
    """

    entries: int
    size: int


class ReadRequest(NamedTuple):
    """What to ask the store for.

    Attributes:
        after: The offset.
        limit: The most entries.
        max_bytes: Bytes of payloads after which the page ends.
    """

    after: int
    limit: int
    max_bytes: int


class Tail:
    """What a gate has passed on lately. Each entry follows the one before.

    Attributes:
        entries: The entries.
    """

    __slots__ = ("_size", "entries")

    def __init__(self) -> None:
        self.entries: deque[LogEntry] = deque()
        self._size = 0

    def append(self, entry: LogEntry) -> None:
        """Append an entry, and drop the oldest beyond the bounds."""
        self.entries.append(entry)
        self._size += len(entry.payload)
        while len(self.entries) > MAX_TAIL or self._size > MAX_TAIL_BYTES:
            self._size -= len(self.entries.popleft().payload)

    def clear(self) -> None:
        """Drop all entries."""
        self.entries.clear()
        self._size = 0


def following(entries: Sequence[LogEntry], offset: int) -> Sequence[LogEntry]:
    """Return the entries above an offset, if the first of them follows it; else nothing.

    Args:
        entries: Entries in their order.
        offset: The offset.
    """
    index = bisect_right(entries, offset, key=_offset)
    follows = index < len(entries) and entries[index].prev == offset
    return entries[index:] if follows else ()


class Run(NamedTuple):
    """Entries of which each follows the one before: a page, and what was passed on since it was read.

    Attributes:
        after: The offset above which the page was read.
        end: Every entry above ``after``, up to this offset, is in the run if the store still keeps it.
        newest: The offset of the newest entry when the page was read.
        entries: The entries.
        is_whole: Whether the run reaches ``newest``, or the entry that the gate has passed on last.
    """

    after: int
    end: int
    newest: int
    entries: Sequence[LogEntry]
    is_whole: bool

    @staticmethod
    def of(after: int, page: Page, tail: Iterable[LogEntry], last: int) -> Run:
        """Return the run of a page, and of what was passed on since it was read.

        Args:
            after: The offset above which the page was read.
            page: The page.
            tail: What was passed on lately.
            last: The offset of the entry that was passed on last.
        """
        entries = list(page.entries)
        end = entries[-1].offset if entries else page.newest
        for entry in tail:
            if entry.prev == end:
                entries.append(entry)
                end = entry.offset
        return Run(after, end, page.newest, entries, is_whole=end == last or not page.is_cut)

    def covers(self, offset: int) -> bool:
        """Return whether an entry that follows an offset would be in the run, if it is still kept."""
        return self.after <= offset < self.end

    def following(self, offset: int) -> Sequence[LogEntry]:
        """Return the entries above an offset, if the first of them follows it; else nothing."""
        return following(self.entries, offset)


class Verdict(NamedTuple):
    """What becomes of a position.

    Attributes:
        missed: Why it can't be recovered; None if it can.
        entries: What the client has missed, if it gets it.
    """

    missed: NotRecovered | None
    entries: Sequence[LogEntry] = ()


def judge(
    asked: Asked, floor: float | None, epoch: str, last: int, run: Run, bounds: Bounds
) -> Verdict | None:
    """Decide whether a client gets what it has missed.

    Args:
        asked: What its join asks for.
        floor: The time before which it may not read, in milliseconds since 1970; None for no such time.
        epoch: The epoch of the log.
        last: The offset of the entry that was passed on last.
        run: What was read.
        bounds: How much it can get.

    Returns:
        The verdict; None if the run does not prove it, so that the client must wait for a read from its own offset.
    """
    position = asked.position
    if position is None:
        return Verdict(NotRecovered.NEW if asked.is_valid else NotRecovered.INVALID)
    if position.epoch != epoch:
        return Verdict(NotRecovered.EPOCH)
    offset = position.offset
    if offset == last:
        return Verdict(None)
    if offset > max(last, run.newest):
        return Verdict(NotRecovered.AHEAD)
    entries = run.following(offset)
    if not entries:
        return Verdict(NotRecovered.TRIMMED) if run.covers(offset) else None
    missed = entries[: bisect_right(entries, run.newest, key=_offset)]  # the others are new
    if floor is not None and any(one.time < floor for one in missed):
        return Verdict(NotRecovered.TRIMMED)
    if len(missed) > bounds.entries or sum(len(one.payload) for one in missed) > bounds.size:
        return Verdict(NotRecovered.TOO_MANY)
    return Verdict(None, entries) if run.is_whole else None
