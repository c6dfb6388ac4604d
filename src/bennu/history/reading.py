"""Reads a log page by page: forwards from a position, or backwards from the newest entry or another one.

Theory of operation
-------------------
A store reads forwards only: the oldest entries above an offset. To read backwards, :func:`read_back` guesses an offset. In a
log whose offsets have no gaps, the guess is right: the ``limit`` entries below an offset begin ``limit`` offsets lower. In a log
with gaps (NATS JetStream numbers all topics of a stream together) fewer entries lie there. Then the guess goes back eight times as
far, until enough entries are found, or the entry before them is no longer kept.

A page ends early if its payloads exceed ``MAX_BYTES``. So a caller that reads page by page stops at the first empty page, not
at a short one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from ..store.entry import LogEntry
from ..store.store import Page
from .answer import NotRecovered
from .page import PastEntries
from .position import MAX_OFFSET, Position
from .run import ReadRequest

__all__ = ["MAX_LIMIT", "ReadPage", "read_back", "read_forth"]

MAX_LIMIT: Final = 1_000
"""The most entries of one page."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""Bytes of payloads after which a page ends."""

WIDER: Final = 8
"""The factor by which a guess goes further back."""

ReadPage = Callable[[ReadRequest], Awaitable[Page]]
"""Reads a page of the store."""


async def read_forth(
    read: ReadPage, since: Position, before: Position | None, limit: int, floor: float | None
) -> PastEntries:
    """Return the oldest entries after a position.

    Args:
        read: Reads the store.
        since: The position. If it is of another epoch, the read begins at the oldest entry.
        before: The position at which the read ends; None for the newest entry.
        limit: The most entries.
        floor: Milliseconds since 1970: older entries are left out. None for none.
    """
    page = await read(ReadRequest(since.offset, limit, MAX_BYTES))
    missed = _missed(since, page)
    if missed is NotRecovered.EPOCH:
        page = await read(ReadRequest(0, limit, MAX_BYTES))
    epoch, newest = page.epoch, Position(page.epoch, page.newest)
    end = MAX_OFFSET + 1
    if before is not None:
        end = before.offset if before.epoch == epoch else 0
    while True:
        entries = [one for one in page.entries if one.offset < end]
        kept = [one for one in entries if not _is_below(one, floor)]
        if len(kept) < len(entries):
            missed = missed or NotRecovered.TRIMMED
        if kept or not page.is_cut or len(entries) < len(page.entries):
            return PastEntries(newest, kept, missed)
        page = await read(ReadRequest(page.entries[-1].offset, limit, MAX_BYTES))
        if page.epoch != epoch:
            return PastEntries(newest, (), missed)


def _missed(since: Position, page: Page) -> NotRecovered | None:
    """Return why entries are missing between a position and a page that was read from it."""
    if page.epoch != since.epoch:
        return NotRecovered.EPOCH
    if since.offset > page.newest:
        return NotRecovered.AHEAD
    if since.offset < page.newest and not (page.entries and page.entries[0].prev == since.offset):
        return NotRecovered.TRIMMED
    return None


async def read_back(
    read: ReadPage, before: Position | None, limit: int, floor: float | None
) -> PastEntries:
    """Return the newest entries before a position.

    Args:
        read: Reads the store.
        before: The position; None for the end of the log. Before a position of another epoch nothing is found.
        limit: The most entries.
        floor: Milliseconds since 1970: older entries are left out. None for none.
    """
    if before is None:
        end = await read(ReadRequest(MAX_OFFSET, 1, 1))
        before = Position(end.epoch, end.newest + 1)
    span = limit
    while True:
        after = max(0, before.offset - 1 - span)
        pages = await _read_span(read, after, before, limit)
        if pages is None:
            now = await read(ReadRequest(MAX_OFFSET, 1, 1))
            return PastEntries(Position(now.epoch, now.newest), (), NotRecovered.EPOCH)
        newest, first, entries = pages
        if before.offset > newest.offset + 1:
            before = Position(newest.epoch, newest.offset + 1)
            continue
        kept = [one for one in entries if not _is_below(one, floor)]
        is_all = first is None or first.prev > after or _is_below(first, floor)
        if len(kept) >= limit or not after or is_all:
            return PastEntries(newest, kept, None)
        span *= WIDER


async def _read_span(
    read: ReadPage, after: int, before: Position, limit: int
) -> tuple[Position, LogEntry | None, Sequence[LogEntry]] | None:
    """Read what lies between an offset and a position.

    Returns:
        The newest position, the first entry above the offset wherever it lies, and the newest entries below the position.
        None if the log is of another epoch.
    """
    latest: deque[LogEntry] = deque()
    size = 0
    first: LogEntry | None = None
    while True:
        page = await read(ReadRequest(after, limit, MAX_BYTES))
        if page.epoch != before.epoch:
            return None
        if first is None and page.entries:
            first = page.entries[0]
        for entry in page.entries:
            if entry.offset < before.offset:
                latest.append(entry)
                size += len(entry.payload)
            while len(latest) > limit or (size > MAX_BYTES and len(latest) > 1):
                size -= len(latest.popleft().payload)
        if not page.is_cut or page.entries[-1].offset >= before.offset - 1:
            return Position(page.epoch, page.newest), first, latest
        after = page.entries[-1].offset


def _is_below(entry: LogEntry, floor: float | None) -> bool:
    return floor is not None and entry.time < floor
