"""The gate of a topic: what it passes on, and what it reads. Its members are in ``test_gate_members.py``."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from bennu.history import pending
from bennu.history.member import MemberState
from bennu.history.position import MAX_OFFSET
from bennu.history.run import Bounds, ReadRequest
from bennu.store import UNKNOWN, Head

from .rig import GateRig, entry, page, row


class TestOpening:
    def test_a_gate_opens_at_the_newest_entry(self) -> None:
        rig = GateRig(None)
        assert rig.gate.wants_read
        rig.reads(page([], 7))
        assert (rig.gate.epoch, rig.gate.last, rig.passed) == ("e", 7, [])
        assert rig.rests

    def test_the_first_read_asks_for_no_entries_if_nobody_needs_them(self) -> None:
        rig = GateRig(None)
        rig.join_plainly()
        rig.join()
        assert rig.begins().after == MAX_OFFSET

    def test_the_first_read_asks_for_what_a_member_has_missed(self) -> None:
        rig = GateRig(None)
        rig.join(5)
        rig.join(3, epoch="any")
        assert rig.begins().after == 3

    def test_entries_that_come_during_the_first_read_are_passed_on_after_it(self) -> None:
        rig = GateRig(None)
        rig.begins()
        rig.hears(entry(8), entry(9))
        assert not rig.passed
        rig.gate.answer(page([], 7))
        assert rig.passed == [8, 9]

    def test_entries_that_the_first_read_has_found_too_are_passed_on(self) -> None:
        rig = GateRig(None)
        rig.begins()
        rig.hears(entry(6), entry(7))
        rig.gate.answer(page(row(1, 7), 7))
        assert rig.passed == [6, 7]

    def test_only_the_entries_that_reach_the_newest_are_passed_on(self) -> None:
        rig = GateRig(None)
        rig.begins()
        rig.hears(entry(3), entry(6), entry(7))
        rig.gate.answer(page([], 7))
        assert rig.passed == [6, 7]

    def test_an_entry_that_is_ahead_of_the_first_read_leaves_no_hole(self) -> None:
        rig = GateRig(None)
        rig.begins()
        rig.hears(entry(12))
        rig.gate.answer(page([], 10))
        assert (rig.gate.last, rig.passed) == (10, [])
        rig.hears(entry(11))
        assert rig.passed == [11, 12]

    def test_an_entry_of_another_epoch_during_the_first_read_asks_for_another_read(self) -> None:
        rig = GateRig(None)
        rig.begins()
        rig.hears(entry(1), epoch="other")
        rig.gate.answer(page([], 7))
        assert (rig.passed, rig.gate.has_gap, rig.gate.wants_read) == ([], False, True)
        rig.reads(page([], 7))
        assert rig.rests


class TestAnnouncements:
    def test_entries_in_their_order_are_passed_on_at_once(self) -> None:
        rig = GateRig()
        rig.hears(*row(1, 3))
        assert rig.passed == [1, 2, 3]
        assert rig.rests

    def test_offsets_can_have_gaps(self) -> None:
        rig = GateRig()
        rig.hears(entry(4, 0), entry(9, 6), entry(6, 4))
        assert rig.passed == [4, 6, 9]

    def test_a_late_or_doubled_entry_is_dropped(self) -> None:
        rig = GateRig(5)
        rig.hears(entry(5), entry(2), entry(6), entry(6))
        assert rig.passed == [6]
        assert rig.rests

    def test_an_early_entry_waits_for_the_earlier_one(self) -> None:
        rig = GateRig()
        rig.hears(entry(3), entry(2))
        assert rig.gate.has_gap
        assert not rig.gate.wants_read
        rig.hears(entry(1))
        assert rig.passed == [1, 2, 3]
        assert rig.rests

    def test_a_read_closes_a_gap(self) -> None:
        rig = GateRig()
        rig.hears(entry(3))
        request = rig.reads(page(row(1, 2), 2))  # 3 came after the snapshot
        assert request.after == 0
        assert rig.passed == [1, 2, 3]
        assert rig.rests

    def test_too_many_early_entries_are_dropped_and_read(self) -> None:
        rig = GateRig()
        with patch.object(pending, "MAX_PENDING", 2):
            rig.hears(entry(3), entry(4))
            assert not rig.gate.wants_read
            rig.hears(entry(5))
        assert (rig.gate.has_gap, rig.gate.wants_read) == (False, True)
        rig.reads(page(row(1, 5), 5))
        assert rig.passed == [1, 2, 3, 4, 5]

    def test_an_entry_of_another_epoch_asks_for_a_read(self) -> None:
        rig = GateRig(5)
        rig.hears(entry(6), epoch="other")
        assert (rig.passed, rig.gate.has_gap, rig.gate.wants_read) == ([], False, True)

    def test_an_entry_of_another_epoch_during_a_read_asks_for_another_read(self) -> None:
        rig = GateRig(5)
        rig.gate.wants_read = True
        rig.begins()
        rig.hears(entry(1), epoch="other")
        rig.gate.answer(page([], 5))
        assert rig.gate.wants_read

    @pytest.mark.parametrize(
        ("head", "wants_read"),
        [
            (Head("e", 5), False),
            (Head("e", 4), False),  # it was asked for before the newest came
            (Head("e", 6), True),
            (Head("other", 5), True),
            (None, True),
        ],
    )
    def test_a_check_asks_for_a_read_if_the_log_stands_elsewhere(
        self, head: Head | None, wants_read: bool
    ) -> None:
        rig = GateRig(5)
        rig.gate.compare(head)
        assert rig.gate.wants_read is wants_read


class TestReads:
    @pytest.mark.parametrize(
        ("bounds", "limit", "size"),
        [
            (Bounds(1_000, 4_000_000), 1_001, 4_000_001),
            (Bounds(3, 4_000_000), 100, 4_000_001),
            (Bounds(1_000, 5), 1_001, 65_536),
        ],
    )
    def test_a_read_asks_for_one_more_than_a_client_can_get_and_for_some_at_least(
        self, bounds: Bounds, limit: int, size: int
    ) -> None:
        rig = GateRig(7, bounds)
        rig.gate.wants_read = True
        assert rig.begins() == ReadRequest(7, limit, size)

    def test_one_read_is_under_way_at_a_time(self) -> None:
        rig = GateRig()
        rig.gate.wants_read = True
        rig.begins()
        rig.gate.wants_read = True
        assert rig.gate.next_read() is None

    def test_an_answer_without_a_read_is_a_mistake(self) -> None:
        with pytest.raises(AssertionError, match="an answer without a read"):
            GateRig().gate.answer(page([], 0))

    def test_a_read_that_finds_nothing_new_changes_nothing(self) -> None:
        rig = GateRig(5)
        rig.gate.wants_read = True
        rig.reads(page(row(4, 5), 5))
        assert rig.passed == []
        assert rig.rests

    def test_an_answer_that_is_older_than_what_was_passed_on_changes_nothing(self) -> None:
        rig = GateRig(5)
        rig.gate.wants_read = True
        rig.begins()
        rig.hears(entry(6), entry(7))
        rig.gate.answer(page([entry(6)], 6))
        assert rig.passed == [6, 7]
        assert rig.rests

    def test_a_cut_page_is_passed_on_and_the_next_one_is_read(self) -> None:
        rig = GateRig()
        rig.gate.wants_read = True
        rig.reads(page(row(1, 3), 5, is_cut=True))
        assert rig.passed == [1, 2, 3]
        assert rig.reads(page(row(4, 5), 5)).after == 3
        assert rig.passed == [1, 2, 3, 4, 5]
        assert rig.rests

    def test_an_early_entry_that_no_read_finds_is_dropped(self) -> None:
        rig = GateRig(5)
        rig.hears(entry(9, UNKNOWN), entry(12))
        rig.reads(page([], 5))
        assert (rig.gate.has_gap, rig.gate.wants_read) == (False, False)

    def test_an_early_entry_that_came_during_the_read_is_kept(self) -> None:
        rig = GateRig(5)
        rig.hears(entry(12))
        rig.begins()
        rig.hears(entry(7))
        rig.gate.answer(page([], 5))
        assert rig.gate.has_gap
        rig.hears(entry(6))
        assert rig.passed == [6, 7]
        assert rig.rests

    def test_an_early_entry_is_kept_if_the_page_is_cut_before_it(self) -> None:
        rig = GateRig()
        rig.hears(entry(5))
        rig.reads(page(row(1, 2), 5, is_cut=True))
        rig.reads(page(row(3, 4), 4))
        assert rig.passed == [1, 2, 3, 4, 5]

    def test_a_failed_read_is_repeated(self) -> None:
        rig = GateRig()
        rig.gate.wants_read = True
        rig.begins()
        rig.gate.failed()
        assert rig.gate.wants_read


class TestHoles:
    """A hole or another epoch: positioned members are kicked, and the gate goes on at the newest entry."""

    @pytest.mark.parametrize(
        "answer",
        [
            page(row(8, 9), 9),
            page([], 9),
            page([entry(8, UNKNOWN), entry(9)], 9),
            page([entry(8)], 9, is_cut=True),
            page(row(1, 9), 9, epoch="other"),
            page([], 9, epoch="other"),
        ],
    )
    def test_positioned_members_are_kicked(self, answer: object) -> None:
        rig = GateRig(5)
        live, slow, plain = rig.member_at(5), rig.member_at(5), rig.join_plainly()
        rig.reads(page([], 5))
        slow.is_slow = True
        rig.gate.detach(slow)
        rig.gate.wants_read = True
        rig.reads(answer)  # type: ignore[arg-type]
        assert [live.notes[-1], slow.notes[-1], plain.notes[-1]] == ["kicked", "kicked", "live"]
        assert (live.state, slow.state) == (MemberState.GONE, MemberState.GONE)
        assert (rig.gate.last, rig.gate.kicks, rig.passed) == (9, 2, [])
        assert rig.rests

    def test_the_new_epoch_is_followed(self) -> None:
        rig = GateRig(5)
        rig.hears(entry(7))  # waits for 6, which never comes
        rig.hears(entry(2), epoch="other")
        rig.reads(page([entry(1)], 1, epoch="other"))
        rig.hears(entry(2), epoch="other")
        assert (rig.gate.epoch, rig.passed) == ("other", [2])

    def test_a_member_that_joins_meanwhile_is_answered_for_the_new_epoch(self) -> None:
        rig = GateRig(5)
        member = rig.join(5)
        rig.reads(page(row(1, 2), 2, epoch="other"))
        assert (member.reason, member.state) == ("epoch", MemberState.LIVE)
        assert member.answer is not None
        assert member.answer.start == ("other", 2)
