"""The members of a gate: joins, catching up, kicks, and what the gate keeps of them."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from bennu.history import run
from bennu.history.gate import Gate
from bennu.history.member import MemberState
from bennu.history.position import Asked, Position
from bennu.history.run import Bounds

from ..support.inside import gate_of
from .rig import GateRig, NotingMember, entry, page, row


def is_empty(gate: Gate) -> bool:
    """Whether a gate keeps nobody and nothing."""
    inside = gate_of(gate)
    return not (inside.members or inside.waiting or inside.catching_up or inside.tail)


class TestJoins:
    def test_a_plain_member_is_live_after_a_read(self) -> None:
        rig = GateRig(5)
        member = rig.join_plainly()
        assert member.notes == []
        rig.reads(page([], 5))
        assert member.notes == ["accepted", "live"]
        assert (member.answer, member.is_positioned) == (None, False)
        assert is_empty(rig.gate)
        assert rig.rests

    def test_a_first_join_starts_at_the_newest_entry(self) -> None:
        rig = GateRig(5)
        member = rig.join()
        rig.reads(page([entry(6)], 6))
        assert member.answer is not None
        assert (member.answer.start, member.reason) == (("e", 6), "new")
        assert (member.notes, member.got) == (["accepted", "live"], [])
        assert member.is_positioned

    def test_a_join_that_asks_for_nonsense_is_a_first_join(self) -> None:
        rig = GateRig(5)
        member = NotingMember(rig.gate, Asked(None, "", is_valid=False))
        rig.gate.join(member)
        rig.reads(page([], 5))
        assert (member.reason, member.state) == ("invalid", MemberState.LIVE)

    def test_a_member_gets_what_it_has_missed_and_is_live(self) -> None:
        rig = GateRig(5)
        member = rig.join(2)
        rig.reads(page(row(3, 5), 5))
        assert member.answer is not None
        assert (member.answer.start, member.answer.entries) == (Position("e", 2), 3)
        assert (member.reason, member.got) == ("", [3, 4, 5])
        assert member.state is MemberState.LIVE
        assert rig.rests

    def test_it_gets_what_was_passed_on_during_the_read(self) -> None:
        rig = GateRig(5)
        member = rig.join(3)
        rig.begins()
        rig.hears(entry(6), entry(7))
        rig.gate.answer(page(row(4, 6), 6))
        assert member.got == [4, 5, 6, 7]
        assert not gate_of(rig.gate).tail

    def test_a_member_that_stands_at_the_newest_has_missed_nothing(self) -> None:
        rig = GateRig(5)
        member = rig.join(5)
        rig.reads(page([], 5))
        assert (member.reason, member.got) == ("", [])

    @pytest.mark.parametrize(
        ("offset", "epoch", "floor", "reason"),
        [
            (3, "e", None, ""),
            (3, "other", None, "epoch"),
            (9, "e", None, "ahead"),
            (1, "e", None, "trimmed"),
            (3, "e", 5.0, "trimmed"),
            (4, "e", 5.0, ""),
        ],
    )
    def test_a_position_is_recovered_or_the_reply_has_a_reason(
        self, offset: int, epoch: str, floor: float | None, reason: str
    ) -> None:
        rig = GateRig(5)
        member = rig.join(offset, epoch=epoch, floor=floor)
        rig.reads(page([entry(one, time=one) for one in range(3, 6)], 5))
        assert member.reason == reason
        assert (member.notes, rig.gate.last) == (["accepted", "live"], 5)

    def test_a_join_waits_for_a_read_that_begins_after_it(self) -> None:
        rig = GateRig(5)
        rig.gate.wants_read = True
        rig.begins()
        member = rig.join(5)
        rig.gate.answer(page([], 5))
        assert member.notes == []
        rig.reads(page([], 5))
        assert member.notes == ["accepted", "live"]

    def test_a_stampede_costs_two_reads(self) -> None:
        rig = GateRig(50)
        first = rig.join(50)
        rig.begins()
        others = [rig.join(offset) for offset in range(50, 41, -1)]
        rig.gate.answer(page([], 50))
        request = rig.reads(page(row(43, 50), 50))
        assert request.after == 42
        assert {one.reason for one in (first, *others)} == {""}
        assert rig.rests

    def test_a_join_is_refused_if_the_read_fails(self) -> None:
        rig = GateRig(5)
        members = [rig.join(3), rig.join_plainly()]
        rig.begins()
        later = rig.join(3)
        rig.gate.failed()
        assert [one.notes for one in (*members, later)] == [["refused"], ["refused"], []]
        assert {one.state for one in members} == {MemberState.GONE}
        assert gate_of(rig.gate).waiting == [later]

    def test_a_join_is_refused_while_the_store_is_known_to_be_down(self) -> None:
        rig = GateRig(5)
        member = NotingMember(rig.gate, None)
        rig.gate.refuse(member)
        assert (member.notes, member.state) == (["refused"], MemberState.GONE)
        assert rig.rests

    def test_a_member_whose_reply_can_not_be_written_is_gone(self) -> None:
        rig = GateRig(5)
        positioned, plain = rig.join(3), rig.join_plainly()
        positioned.is_lost = plain.is_lost = True
        rig.reads(page(row(4, 5), 5))
        assert [positioned.notes, plain.notes] == [["accepted"], ["accepted"]]
        assert {positioned.state, plain.state} == {MemberState.GONE}
        assert is_empty(rig.gate)

    def test_a_member_that_ends_with_its_reply_stays_gone(self) -> None:
        rig = GateRig(5)
        positioned, plain = rig.join(3), rig.join_plainly()
        positioned.leaves_at_once = plain.leaves_at_once = True
        rig.reads(page(row(4, 5), 5))
        assert [positioned.notes, plain.notes] == [["accepted"], ["accepted"]]
        assert {positioned.state, plain.state} == {MemberState.GONE}
        assert is_empty(rig.gate)


class TestNewStarts:
    """A client that can't recover starts where the log stood before the user's ``join`` ran."""

    def test_a_first_join_gets_what_was_passed_on_since_the_users_join_began(self) -> None:
        rig = GateRig(5)
        member = rig.join(stood_at=Position("e", 3))
        rig.reads(page(row(4, 6), 6))
        assert member.answer is not None
        assert (member.answer.start, member.reason) == (Position("e", 3), "new")
        assert (member.got, member.state) == ([4, 5, 6], MemberState.LIVE)
        assert rig.gate.account.missed == {}

    @pytest.mark.parametrize(
        ("offset", "epoch", "reason"), [(1, "e", "trimmed"), (4, "f", "epoch"), (9, "e", "ahead")]
    )
    def test_a_client_that_can_not_recover_does_too(
        self, offset: int, epoch: str, reason: str
    ) -> None:
        rig = GateRig(5)
        member = rig.join(offset, epoch=epoch, stood_at=Position("e", 4))
        rig.reads(page(row(3, 6), 6))
        if not member.notes:  # the first read has begun elsewhere, and has not proved it
            rig.reads(page(row(5, 6), 6))
        assert member.answer is not None
        assert (member.answer.start, member.reason) == (Position("e", 4), reason)
        assert (member.got, member.state) == ([5, 6], MemberState.LIVE)
        assert rig.gate.account.missed == {reason: 1}

    def test_a_client_that_recovers_does_not(self) -> None:
        rig = GateRig(5)
        member = rig.join(2, stood_at=Position("e", 4))
        rig.reads(page(row(3, 5), 5))
        assert member.answer is not None
        assert (member.answer.start, member.reason) == (Position("e", 2), "")

    @pytest.mark.parametrize("epoch", ["old", ""])
    def test_an_epoch_that_is_newer_begins_at_its_beginning(self, epoch: str) -> None:
        rig = GateRig(None)
        member = rig.join(stood_at=Position(epoch, 7 if epoch else 0))
        if epoch:  # the first read begins where the old epoch stood
            rig.reads(page([], 2))
        rig.reads(page(row(1, 2), 2))
        assert member.answer is not None
        assert (member.answer.start, member.reason) == (Position("e", 0), "new")
        assert member.got == [1, 2]

    def test_what_is_gone_or_too_much_is_left_out(self) -> None:
        """The state of the user's ``join`` is then older than the first entry. A thousand entries were passed on meanwhile."""
        rig = GateRig(50)
        members = [rig.join(stood_at=Position("e", offset)) for offset in (10, 30)]
        rig.reads(page(row(29, 50), 50))
        assert [member.reason for member in members] == ["new", "new"]
        assert [member.answer.start.offset for member in members if member.answer] == [50, 50]

    def test_a_floor_hides_what_is_before_it(self) -> None:
        rig = GateRig(5)
        member = rig.join(floor=7, stood_at=Position("e", 3))
        rig.reads(page([entry(4, time=6), entry(5, time=8)], 5))
        assert member.answer is not None
        assert (member.answer.start.offset, member.got) == (5, [])


class TestCutPages:
    """A page that is cut can leave a join undecided: the join waits for its turn."""

    def test_a_client_that_has_missed_too_much_is_told_at_once(self) -> None:
        rig = GateRig(50, Bounds(3, 1_000))
        member = rig.join(40)
        rig.reads(page(row(41, 44), 50, is_cut=True))
        assert member.reason == "too_many"

    def test_a_client_that_has_missed_too_many_bytes_is_told_at_once(self) -> None:
        rig = GateRig(5, Bounds(10, 30))
        member = rig.join(3)
        rig.reads(page([entry(4, size=31)], 5, is_cut=True))
        assert member.reason == "too_many"

    def test_entries_that_came_after_the_read_do_not_count(self) -> None:
        rig = GateRig(5, Bounds(2, 2))
        member = rig.join(3)
        rig.begins()
        rig.hears(entry(6, size=100))
        rig.gate.answer(page(row(4, 5), 5))
        assert (member.reason, member.got) == ("", [4, 5, 6])

    def test_the_one_that_a_page_has_not_reached_is_next(self) -> None:
        rig = GateRig(50, Bounds(3, 1_000))
        low, high, higher = rig.join(20), rig.join(48), rig.join(49)
        rig.reads(page(row(21, 24), 50, is_cut=True))
        assert (low.reason, high.notes, higher.notes) == ("too_many", [], [])
        low = rig.join(10)
        assert rig.reads(page(row(49, 50), 50)).after == 48
        assert (high.got, higher.got, low.notes) == ([49, 50], [50], [])
        assert rig.reads(page(row(11, 14), 50, is_cut=True)).after == 10
        assert low.reason == "too_many"

    def test_a_gate_that_is_behind_comes_first(self) -> None:
        rig = GateRig(40, Bounds(3, 1_000))
        low, high = rig.join(20), rig.join(48)
        rig.reads(page(row(21, 24), 50, is_cut=True))
        low = rig.join(30)
        assert rig.reads(page(row(41, 44), 50, is_cut=True)).after == 40
        assert rig.reads(page(row(45, 48), 50, is_cut=True)).after == 44
        assert (low.notes, high.reason, high.got) == ([], "", [])
        assert rig.reads(page(row(49, 50), 50)).after == 48
        assert rig.reads(page(row(31, 34), 50, is_cut=True)).after == 30
        assert (low.reason, high.state) == ("too_many", MemberState.LIVE)

    def test_a_position_that_the_gate_has_not_reached_is_not_ahead(self) -> None:
        rig = GateRig(5, Bounds(3, 1_000))
        member = rig.join(10)
        rig.reads(page(row(6, 9), 11, is_cut=True))
        assert (rig.gate.last, member.notes) == (9, [])
        rig.reads(page(row(10, 11), 11))
        assert (member.reason, member.got) == ("", [11])

    def test_a_member_with_a_floor_waits_until_the_gate_is_not_behind(self) -> None:
        rig = GateRig(5, Bounds(3, 1_000))
        member, plain = rig.join(3, floor=8.0), NotingMember(rig.gate, None, 8.0)
        rig.gate.join(plain)
        rig.reads(page([entry(one, time=one) for one in range(4, 8)], 9, is_cut=True))
        assert (member.notes, plain.notes) == ([], [])
        rig.reads(page([entry(8, time=8), entry(9, time=9)], 9))
        rig.reads(page([entry(one, time=one) for one in range(4, 8)], 9, is_cut=True))
        assert (member.reason, plain.state) == ("trimmed", MemberState.LIVE)

    def test_a_page_from_another_epoch_can_begin_above_a_position(self) -> None:
        rig = GateRig(50)
        member = rig.join(10, epoch="other")
        assert rig.reads(page([], 20, epoch="other")).after == 50
        assert member.notes == []
        assert rig.reads(page(row(11, 20), 20, epoch="other")).after == 10
        assert (member.reason, member.got) == ("", list(range(11, 21)))


class TestCatchingUp:
    def test_a_slow_member_leaves_the_lane_and_catches_up(self) -> None:
        rig = GateRig(5)
        member = rig.member_at(5)
        member.is_slow = True
        rig.gate.detach(member)
        rig.hears(*row(6, 8))
        assert (member.state, member.got) == (MemberState.CATCHING_UP, [])
        member.read_on()
        assert (member.state, member.got) == (MemberState.LIVE, [6, 7, 8])
        assert is_empty(rig.gate) is False  # a live member can be kicked
        assert not gate_of(rig.gate).tail
        assert rig.gate.next_read() is None

    def test_an_intercepted_entry_is_the_first_in_the_queue(self) -> None:
        rig = GateRig(5)
        member = rig.member_at(5)
        rig.hears(entry(6))
        rig.gate.detach(member, entry(6))
        assert (member.cursor, list(member.queue)) == (5, [entry(6)])
        rig.hears(entry(7))
        member.read_on()
        assert (member.state, member.got) == (MemberState.LIVE, [6, 7])

    def test_what_is_no_longer_in_the_tail_is_read(self) -> None:
        rig = GateRig(5)
        member = rig.member_at(5)
        member.is_slow = True
        rig.gate.detach(member)
        with patch.object(run, "MAX_TAIL", 2):
            rig.hears(*row(6, 9))
        member.read_on()
        assert (member.got, rig.gate.wants_read) == ([], True)
        member.read_on()  # it keeps its place
        assert gate_of(rig.gate).waiting == [member]
        assert rig.reads(page(row(6, 9), 9)).after == 5
        assert (member.got, member.state) == ([6, 7, 8, 9], MemberState.LIVE)
        assert rig.rests

    def test_a_read_that_fails_is_repeated_for_it(self) -> None:
        rig = GateRig(5)
        member = rig.member_at(5)
        rig.gate.detach(member)
        with patch.object(run, "MAX_TAIL", 0):
            rig.hears(entry(6))
        member.read_on()
        rig.begins()
        rig.gate.failed()
        rig.reads(page([entry(6)], 6))
        assert (member.got, member.state) == ([6], MemberState.LIVE)

    def test_a_member_is_kicked_if_what_it_needs_was_trimmed(self) -> None:
        rig = GateRig(5)
        member, other = rig.member_at(5), rig.member_at(5)
        rig.gate.detach(member)
        with patch.object(run, "MAX_TAIL", 1):
            rig.hears(*row(6, 8))
        member.read_on()
        rig.reads(page(row(7, 8), 8))
        assert (member.notes[-1], member.got, member.state) == ("kicked", [], MemberState.GONE)
        assert (rig.gate.kicks, other.state) == (1, MemberState.LIVE)
        assert gate_of(rig.gate).members == [other]

    def test_a_member_that_no_page_has_reached_waits(self) -> None:
        rig = GateRig(50)
        member = rig.member_at(50)
        rig.gate.detach(member)
        with patch.object(run, "MAX_TAIL", 1):
            rig.hears(*row(51, 54))
        member.read_on()
        rig.join(10)
        rig.reads(page(row(11, 21), 54, is_cut=True))
        assert (member.got, member.state) == ([], MemberState.CATCHING_UP)
        assert rig.reads(page(row(51, 54), 54)).after == 50
        assert member.got == [51, 52, 53, 54]

    def test_a_queue_that_the_tail_has_filled_is_not_filled_twice(self) -> None:
        rig = GateRig(5)
        member = rig.member_at(5)
        rig.gate.detach(member)
        with patch.object(run, "MAX_TAIL", 0):
            rig.hears(entry(6))
        member.read_on()
        rig.begins()
        member.is_slow = True
        member.queue.append(entry(6))
        rig.gate.answer(page([entry(6)], 6))
        member.read_on()
        assert (member.got, member.state) == ([6], MemberState.LIVE)

    def test_a_member_that_needs_nothing_any_more_is_live(self) -> None:
        rig = GateRig(5)
        member = rig.member_at(5)
        rig.gate.detach(member)
        with patch.object(run, "MAX_TAIL", 0):
            rig.hears(entry(6))
        member.read_on()
        rig.begins()
        member.cursor = 6  # a handler has had the entry
        rig.gate.answer(page([entry(6)], 6))
        assert member.state is MemberState.LIVE
        assert rig.rests

    def test_a_page_is_written_while_later_entries_are_no_longer_in_the_tail(self) -> None:
        rig = GateRig(5)
        member = rig.join(3)
        rig.begins()
        with patch.object(run, "MAX_TAIL", 1):
            rig.hears(*row(6, 8))
        rig.gate.answer(page(row(4, 5), 5))
        assert (member.reason, member.got) == ("", [4, 5])
        assert rig.reads(page(row(6, 8), 8)).after == 5
        assert member.got == [4, 5, 6, 7, 8]


class TestLeaving:
    def test_a_member_that_leaves_before_its_read_is_forgotten(self) -> None:
        rig = GateRig(5)
        member = rig.join(3)
        rig.hears(entry(6))
        rig.gate.leave(member)
        assert is_empty(rig.gate)
        rig.reads(page([], 6))
        assert member.notes == []

    def test_a_member_that_leaves_during_its_read_is_not_answered(self) -> None:
        rig = GateRig(5)
        member, other = rig.join(3), rig.join(4)
        rig.begins()
        rig.gate.leave(member)
        rig.gate.answer(page(row(4, 5), 5))
        assert (member.notes, other.got) == ([], [5])
        rig.join(3)
        rig.gate.leave(rig.join(2))
        rig.begins()
        rig.gate.failed()

    def test_a_member_that_leaves_while_it_catches_up_is_forgotten(self) -> None:
        rig = GateRig(5)
        member = rig.member_at(5)
        member.is_slow = True
        rig.gate.detach(member, entry(6))
        rig.hears(entry(7))
        rig.gate.leave(member)
        assert (is_empty(rig.gate), list(member.queue)) == (True, [])

    def test_a_tail_is_kept_for_the_other_one_that_catches_up(self) -> None:
        rig = GateRig(5)
        slow, slower = rig.member_at(5), rig.member_at(5)
        slow.is_slow = slower.is_slow = True
        rig.gate.detach(slow)
        rig.gate.detach(slower)
        rig.hears(entry(6))
        slow.read_on()
        slower.read_on()
        assert (slow.got, slower.got) == ([6], [6])
