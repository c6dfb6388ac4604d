"""Pages of logs: forwards and backwards, with and without gaps between the offsets."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from bennu.history import reading
from bennu.history.answer import NotRecovered
from bennu.history.page import PastEntries
from bennu.history.position import Position
from bennu.history.reading import read_back, read_forth
from bennu.history.run import ReadRequest
from bennu.store.entry import UNKNOWN, LogEntry
from bennu.store.store import Page

EPOCH = "e"


class FixedLog:
    """A log that does not change, as a store returns it.

    Args:
        offsets: The offsets of all entries that ever were, in their order.
        kept: How many of the newest are kept.
        proves: Whether the first entry of a page knows what was before it, if that is not in the page.
    """

    def __init__(self, offsets: list[int], kept: int | None = None, *, proves: bool = True) -> None:
        prevs = [0, *offsets][: len(offsets)]
        every = [
            LogEntry(offset, prev, f"i{offset}", "said", b'{"n":1}', 0, offset)
            for offset, prev in zip(offsets, prevs, strict=True)
        ]
        self.entries = every if kept is None else every[len(every) - kept :]
        self.newest = offsets[-1] if offsets else 0
        self.proves = proves
        self.reads = 0

    async def read(self, request: ReadRequest) -> Page:
        self.reads += 1
        after, limit, max_bytes = request
        found: list[LogEntry] = []
        size = 0
        above = [one for one in self.entries if one.offset > after]
        for entry in above[:limit]:
            found.append(entry)
            size += len(entry.payload)
            if size >= max_bytes:
                break
        is_cut = len(found) < len(above)
        if found and not self.proves and found[0].prev not in (0, after):
            found[0] = found[0]._replace(prev=UNKNOWN)
        return Page(EPOCH, self.newest, found, is_cut=is_cut)


def run(work: Coroutine[Any, Any, PastEntries]) -> PastEntries:
    return asyncio.run(work)


def offsets(past: PastEntries) -> list[int]:
    return [one.offset for one in past.entries]


def at(offset: int) -> Position:
    return Position(EPOCH, offset)


@st.composite
def logs(draw: st.DrawFn) -> FixedLog:
    """Return a log with or without gaps, trimmed or not."""
    count = draw(st.integers(0, 40))
    has_gaps = draw(st.booleans())
    steps = draw(st.lists(st.integers(1, 50), min_size=count, max_size=count))
    places: list[int] = []
    for number, step in enumerate(steps, 1):
        places.append((places[-1] if places else 0) + step if has_gaps else number)
    kept = draw(st.integers(0, count))
    return FixedLog(places, kept, proves=not has_gaps or draw(st.booleans()))


FLOORS = st.none() | st.integers(0, 500)


@settings(max_examples=300, deadline=None)
@given(log=logs(), end=st.none() | st.integers(1, 600), limit=st.integers(1, 12), floor=FLOORS)
def test_backwards_are_the_newest_entries_before_a_position(
    log: FixedLog, end: int | None, limit: int, floor: int | None
) -> None:
    before = None if end is None else at(end)
    past = run(read_back(log.read, before, limit, floor))
    readable = [
        one.offset
        for one in log.entries
        if (end is None or one.offset < end) and (floor is None or one.time >= floor)
    ]
    assert offsets(past) == readable[-limit:]
    assert past.newest == at(log.newest)
    assert past.missed is None
    assert log.reads < 25


@settings(max_examples=300, deadline=None)
@given(
    log=logs(),
    start=st.integers(0, 600),
    end=st.none() | st.integers(1, 600),
    limit=st.integers(1, 12),
    floor=FLOORS,
)
def test_forwards_are_the_oldest_entries_after_a_position(
    log: FixedLog, start: int, end: int | None, limit: int, floor: int | None
) -> None:
    past = run(read_forth(log.read, at(start), None if end is None else at(end), limit, floor))
    between = [
        one for one in log.entries if one.offset > start and (end is None or one.offset < end)
    ]
    readable = [one.offset for one in between if floor is None or one.time >= floor]
    # A floor can cut a page short. An empty page is the end all the same.
    assert offsets(past) == readable[: len(past.entries)]
    assert bool(past.entries) is bool(readable)
    if floor is None:
        assert len(past.entries) == min(limit, len(readable))


def walk_back(log: FixedLog, limit: int) -> list[int]:
    found: list[int] = []
    before: Position | None = None
    while True:
        page = run(read_back(log.read, before, limit, None))
        if not page.entries:
            return found
        found[:0] = offsets(page)
        before = at(found[0])


def walk_forth(log: FixedLog, limit: int) -> list[int]:
    found: list[int] = []
    since = at(0)
    while True:
        page = run(read_forth(log.read, since, None, limit, None))
        if not page.entries:
            return found
        found += offsets(page)
        since = at(found[-1])


@settings(max_examples=100, deadline=None)
@given(log=logs(), limit=st.integers(1, 12), size=st.sampled_from((1, 20, 10**6)))
def test_page_by_page_everything_comes_once(log: FixedLog, limit: int, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "MAX_BYTES", size)
        every = [one.offset for one in log.entries]
        assert walk_back(log, limit) == every
        assert walk_forth(log, limit) == every


def test_without_gaps_one_page_backwards_is_two_reads_and_the_next_is_one() -> None:
    log = FixedLog(list(range(1, 1001)))
    page = run(read_back(log.read, None, 50, None))
    assert (offsets(page)[0], offsets(page)[-1], log.reads) == (951, 1000, 2)
    run(read_back(log.read, at(951), 50, None))
    assert log.reads == 3


@pytest.mark.parametrize(
    ("since", "missed", "found"),
    [
        (at(3), None, [4, 5]),
        (at(5), None, []),
        (at(2), NotRecovered.TRIMMED, [4, 5]),
        (at(6), NotRecovered.AHEAD, []),
        (Position("another", 3), NotRecovered.EPOCH, [4, 5]),
    ],
)
def test_what_is_missing_after_a_position_is_said(
    since: Position, missed: NotRecovered | None, found: list[int]
) -> None:
    log = FixedLog([1, 2, 3, 4, 5], kept=2)
    past = run(read_forth(log.read, since, None, 10, None))
    assert (past.missed, offsets(past)) == (missed, found)


def test_what_lies_under_the_floor_is_missing() -> None:
    log = FixedLog([1, 2, 3, 4, 5])
    past = run(read_forth(log.read, at(0), None, 2, 4.0))
    assert (past.missed, offsets(past)) == (NotRecovered.TRIMMED, [4])


def test_nothing_lies_before_a_position_of_another_epoch() -> None:
    log = FixedLog([1, 2, 3])
    other = Position("another", 3)
    past = run(read_back(log.read, other, 10, None))
    assert past == (at(3), (), NotRecovered.EPOCH)
    past = run(read_forth(log.read, at(0), other, 10, None))
    assert offsets(past) == []


def test_a_log_that_begins_anew_between_two_reads_ends_the_page() -> None:
    log = FixedLog([1, 2, 3, 4])

    async def read(request: ReadRequest) -> Page:
        page = await log.read(request)
        return page if log.reads == 1 else page._replace(epoch="new", newest=0, entries=())

    past = run(read_forth(read, at(0), None, 2, 4.0))
    assert past == (at(4), (), NotRecovered.TRIMMED)
