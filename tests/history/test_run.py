"""Runs of entries, and what they prove about a position."""

from __future__ import annotations

from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given, strategies as st

from bennu.history import run as run_module
from bennu.history.answer import NotRecovered
from bennu.history.position import Asked
from bennu.history.run import Bounds, Run, Tail, Verdict, following, judge
from bennu.store import UNKNOWN, LogEntry, Page

from .rig import PLENTY, asks, entry, page, row


def run_of(entries: list[LogEntry], last: int, after: int = 0, *, is_cut: bool = False) -> Run:
    """Return the run of a page that ends at what the gate has passed on last."""
    return Run.of(after, page(entries, last, is_cut=is_cut), [], last)


class TestTail:
    def test_it_keeps_the_latest_entries(self) -> None:
        tail = Tail()
        with patch.object(run_module, "MAX_TAIL", 2):
            for one in row(1, 4):
                tail.append(one)
        assert list(tail.entries) == row(3, 4)

    def test_it_keeps_so_many_bytes(self) -> None:
        tail = Tail()
        with patch.object(run_module, "MAX_TAIL_BYTES", 10):
            for offset in range(1, 4):
                tail.append(entry(offset, size=5))
            assert len(tail.entries) == 2
            tail.append(entry(4, size=11))
            assert not tail.entries
            tail.append(entry(5, size=10))
            assert len(tail.entries) == 1

    def test_a_cleared_tail_has_room(self) -> None:
        tail = Tail()
        with patch.object(run_module, "MAX_TAIL_BYTES", 10):
            tail.append(entry(1, size=10))
            tail.clear()
            tail.append(entry(2, size=10))
        assert [one.offset for one in tail.entries] == [2]


class TestRun:
    def test_the_tail_goes_on_where_the_page_ends(self) -> None:
        made = Run.of(0, page(row(1, 3), 3), row(2, 5), 5)
        assert (list(made.entries), made.end, made.newest, made.is_whole) == (row(1, 5), 5, 3, True)

    def test_a_tail_goes_on_after_an_empty_page(self) -> None:
        made = Run.of(2, page([], 3), row(4, 5), 5)
        assert (list(made.entries), made.end) == (row(4, 5), 5)

    def test_a_tail_that_does_not_follow_is_left_out(self) -> None:
        made = Run.of(0, page(row(1, 3), 3), row(5, 6), 6)
        assert (list(made.entries), made.end, made.is_whole) == (row(1, 3), 3, True)

    def test_a_cut_page_is_whole_if_it_reaches_what_was_passed_on(self) -> None:
        assert run_of(row(1, 3), 3, is_cut=True).is_whole
        assert not run_of(row(1, 3), 4, is_cut=True).is_whole

    def test_it_covers_what_it_was_read_for(self) -> None:
        made = run_of(row(4, 6), 9, after=2, is_cut=True)
        assert [offset for offset in range(10) if made.covers(offset)] == [2, 3, 4, 5]

    def test_an_empty_run_covers_what_was_trimmed(self) -> None:
        made = run_of([], 9, after=2)
        assert [offset for offset in range(11) if made.covers(offset)] == [2, 3, 4, 5, 6, 7, 8]

    def test_entries_follow_an_offset_if_the_first_does(self) -> None:
        made = run_of([entry(4, 2), entry(7, 4)], 7)
        found = [list(made.following(offset)) for offset in (1, 2, 3, 4, 7)]
        assert found == [[], list(made.entries), [], [entry(7, 4)], []]

    def test_nothing_proves_what_an_unknown_entry_follows(self) -> None:
        made = run_of([entry(4, UNKNOWN)], 4)
        assert not any(made.following(offset) for offset in range(5))


class TestJudge:
    made = run_of([entry(one, time=one) for one in range(4, 8)], 7, after=2)

    @pytest.mark.parametrize(
        ("asked", "missed"),
        [
            (asks(), NotRecovered.NEW),
            (Asked(None, "", is_valid=False), NotRecovered.INVALID),
            (asks(5, "other"), NotRecovered.EPOCH),
            (asks(8), NotRecovered.AHEAD),
            (asks(2), NotRecovered.TRIMMED),
            (asks(3), None),
            (asks(7), None),
        ],
    )
    def test_what_becomes_of_a_position(self, asked: Asked, missed: NotRecovered | None) -> None:
        verdict = judge(asked, None, "e", 7, self.made, PLENTY)
        assert verdict is not None
        assert verdict.missed is missed

    def test_the_run_has_not_reached_it(self) -> None:
        cut = run_of(row(4, 7), 9, after=2, is_cut=True)
        assert judge(asks(1), None, "e", 9, cut, PLENTY) is None
        assert judge(asks(5), None, "e", 9, cut, PLENTY) is None
        assert judge(asks(8), None, "e", 9, cut, PLENTY) is None

    def test_a_position_between_the_gate_and_the_newest_entry_is_undecided(self) -> None:
        behind = Run.of(2, page(row(3, 5), 9, is_cut=True), [], 5)
        assert judge(asks(8), None, "e", 5, behind, PLENTY) is None
        assert judge(asks(10), None, "e", 5, behind, PLENTY) == Verdict(NotRecovered.AHEAD)

    @pytest.mark.parametrize(
        ("bounds", "missed"),
        [
            (Bounds(2, 2), None),
            (Bounds(1, 2), NotRecovered.TOO_MANY),
            (Bounds(2, 1), NotRecovered.TOO_MANY),
        ],
    )
    def test_bounds(self, bounds: Bounds, missed: NotRecovered | None) -> None:
        verdict = judge(asks(5), None, "e", 7, self.made, bounds)
        assert verdict is not None
        assert verdict.missed is missed

    def test_no_entry_may_be_from_before_the_floor(self) -> None:
        clocks_differ = run_of([entry(4, time=50), entry(5, time=40), entry(6, time=60)], 6)
        assert judge(asks(3), 45.0, "e", 6, clocks_differ, PLENTY) == (NotRecovered.TRIMMED, ())
        assert judge(asks(5), 45.0, "e", 6, clocks_differ, PLENTY) == (
            None,
            [clocks_differ.entries[2]],
        )
        assert judge(asks(3), 40.0, "e", 6, clocks_differ, PLENTY) == (None, clocks_differ.entries)


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[LogEntry], int]:
    """Return the entries of an epoch, whose offsets can have gaps, and how many of them were trimmed."""
    steps = draw(st.lists(st.integers(1, 3), max_size=12))
    entries: list[LogEntry] = []
    for step in steps:
        prev = entries[-1].offset if entries else 0
        entries.append(entry(prev + step, prev))
    return entries, draw(st.integers(0, len(entries)))


@given(logs(), st.data())
def test_a_verdict_is_what_the_log_says(
    log: tuple[list[LogEntry], int], data: st.DataObject
) -> None:
    """A page is read, some more is passed on, and any position is judged: the verdict is true, or there is none."""
    entries, trimmed = log
    read = data.draw(st.integers(trimmed, len(entries)), label="entries at the time of the read")
    after = data.draw(st.sampled_from([0, *(one.offset for one in entries)]), label="after")
    limit = data.draw(st.integers(1, 12), label="limit")
    offset = data.draw(st.integers(0, 40), label="position")
    bounds = Bounds(data.draw(st.integers(1, 12), label="bound"), 1_000)
    newest = entries[read - 1].offset if read else 0
    last = entries[-1].offset if entries else 0
    found = [one for one in entries[trimmed:read] if one.offset > after]
    made = Run.of(after, Page("e", newest, found[:limit], len(found) > limit), entries[read:], last)

    assert all(later.prev == one.offset for one, later in pairwise(made.entries))
    verdict = judge(asks(offset), None, "e", last, made, bounds)

    missed = [one for one in entries if one.offset > offset]
    counted = [one for one in missed if one.offset <= newest]
    is_there = not missed or (missed[0] in entries[trimmed:] and missed[0].prev == offset)
    if verdict is None:
        assert after > offset or len(found) > limit
    elif offset > last:
        assert verdict.missed is NotRecovered.AHEAD
    elif not is_there:
        assert verdict.missed is NotRecovered.TRIMMED
    elif len(counted) > bounds.entries:
        assert verdict.missed is NotRecovered.TOO_MANY
    else:
        assert verdict.missed is None
        assert list(verdict.entries) == missed


@given(logs(), st.integers(0, 40))
def test_following_needs_a_link(log: tuple[list[LogEntry], int], offset: int) -> None:
    kept = log[0][log[1] :]
    found = list(following(kept, offset))
    assert found == [one for one in kept if one.offset > offset] or not found
    assert not found or found[0].prev == offset
