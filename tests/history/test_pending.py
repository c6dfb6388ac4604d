"""Entries that wait for an earlier one."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from bennu.history import pending
from bennu.history.pending import PendingEntries
from bennu.store import UNKNOWN

from .rig import entry, row


@pytest.fixture
def waiting() -> PendingEntries:
    return PendingEntries()


def keep(waiting: PendingEntries, *offsets: int, epoch: str = "e") -> None:
    for offset in offsets:
        assert waiting.keep(epoch, entry(offset))


def test_an_entry_is_taken_by_the_offset_that_it_follows(waiting: PendingEntries) -> None:
    assert not waiting.entries
    keep(waiting, 5)
    assert waiting.entries
    assert waiting.take(5) is None
    assert waiting.take(4) == entry(5)
    assert not waiting.entries
    assert waiting.take(4) is None


def test_beyond_the_number_all_are_dropped(waiting: PendingEntries) -> None:
    with patch.object(pending, "MAX_PENDING", 2):
        keep(waiting, 5, 6)
        assert not waiting.keep("e", entry(7))
    assert not waiting.entries


def test_beyond_the_bytes_all_are_dropped(waiting: PendingEntries) -> None:
    with patch.object(pending, "MAX_PENDING_BYTES", 10):
        assert waiting.keep("e", entry(5, size=6))
        assert waiting.keep("e", entry(6, size=4))
        assert not waiting.keep("e", entry(7, size=1))
        assert waiting.keep("e", entry(8, size=10))  # nothing of the dropped ones counts


def test_a_doubled_entry_counts_once(waiting: PendingEntries) -> None:
    with patch.object(pending, "MAX_PENDING_BYTES", 10):
        for _ in range(5):
            assert waiting.keep("e", entry(5, size=4))
        waiting.take(4)
        assert waiting.keep("e", entry(6, size=10))


@pytest.mark.parametrize(
    ("offsets", "newest", "start"),
    [
        ([], 7, 7),
        ([6, 7], 7, 5),
        ([6, 7, 8], 7, 5),
        ([3, 6, 7], 7, 5),
        ([5], 7, 7),
        ([8], 7, 7),
        ([12], 7, 7),
        ([1, 2], 2, 0),
    ],
)
def test_the_start_is_where_the_kept_entries_reach_up_to_the_newest(
    waiting: PendingEntries, offsets: list[int], newest: int, start: int
) -> None:
    keep(waiting, *offsets)
    keep(waiting, newest - 10, epoch="other")
    assert waiting.start("e", newest) == start


@pytest.mark.parametrize("prev", [UNKNOWN, 7, 9])
def test_a_start_needs_a_place_below_its_entry(waiting: PendingEntries, prev: int) -> None:
    assert waiting.keep("e", entry(7, prev))
    assert waiting.start("e", 7) == 7


def test_old_entries_and_those_of_other_epochs_are_dropped(waiting: PendingEntries) -> None:
    keep(waiting, 5, 6, 7)
    assert not waiting.only("e", 5)
    assert waiting.take(4) is None
    assert waiting.take(5) == entry(6)
    keep(waiting, 9, epoch="other")
    assert waiting.only("e", 5)
    assert waiting.take(8) is None
    assert waiting.take(6) == entry(7)


def test_what_is_dropped_does_not_count(waiting: PendingEntries) -> None:
    with patch.object(pending, "MAX_PENDING_BYTES", 3):
        keep(waiting, 5, 6, 7)
        waiting.only("e", 6)
        keep(waiting, 8, 9)
        assert not waiting.keep("e", entry(10))


def test_marked_entries_are_dropped_as_early(waiting: PendingEntries) -> None:
    keep(waiting, 5)
    waiting.drop_early()  # nothing is marked
    waiting.mark()
    keep(waiting, 7)
    waiting.drop_early()
    assert [waiting.take(one.prev) for one in row(5, 7)] == [None, None, entry(7)]


def test_an_entry_that_replaces_a_marked_one_is_not_marked(waiting: PendingEntries) -> None:
    keep(waiting, 5, epoch="other")
    waiting.mark()
    keep(waiting, 5)
    waiting.drop_early()
    assert waiting.take(4) == entry(5)
