"""The state of a replica: merges, the entries that readers see, and diffs."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bennu.presence.crdt import Diff, Entry, Ref
from bennu.presence.crdt.delta import Delta, Part
from bennu.presence.crdt.state import State

from ...support.properties import property_test
from .histories import A, B, History, dirty_entries, histories

C: Ref = ("c", 1)


def states(*refs: Ref) -> list[State]:
    """Return a state for each replica. Each state knows and shows all other replicas."""
    made = [State(ref) for ref in refs]
    for state in made:
        for ref in refs:
            if ref != state.ref:
                state.introduce(ref)
                assert not state.show(ref)
    return made


def tell(state: State) -> Delta:
    """Return all knowledge of a state."""
    return {ref: state.extract(ref) for ref in state.clocks(hidden=True)}


def track(state: State, key: str, actor: int = 1) -> Entry:
    """Track under a key, and return the entry."""
    return state.track("t", actor, key, {"of": state.ref[0]}).joins[0]


def keys(state: State) -> list[str]:
    """Return the keys that readers see."""
    return [entry.key for entry in state.entries("t")]


@pytest.mark.conformance("TR036")
def test_a_fresh_state_has_nothing_to_tell() -> None:
    """It has no delta, and no entries."""
    state = State(A)
    assert state.take_delta() == {}
    assert tell(state) == {A: Part()}


@pytest.mark.conformance("TR037")
def test_what_joins_is_seen_until_it_leaves() -> None:
    """Readers of the same state see the entry."""
    state = State(A)
    track(state, "k")
    assert (keys(state), state.tracked) == (["k"], 1)
    state.untrack("t", 1, "k")
    assert (keys(state), state.tracked) == ([], 0)


@pytest.mark.conformance("TR038")
def test_what_the_other_has_joins_once() -> None:
    """A second merge changes nothing."""
    a, b = states(A, B)
    joined = track(a, "k")

    assert b.merge(tell(a)) == Diff(joins=[joined])
    before = tell(b)
    assert not b.merge(tell(a))
    assert tell(b) == before


@pytest.mark.conformance("TR039", "TR055")
def test_what_the_other_has_no_more_leaves_once_and_is_known_to_be_gone() -> None:
    """It is not repeated in our own delta: every other replica hears it too, and a transfer has it."""
    a, b = states(A, B)
    joined = track(a, "k")
    b.merge(tell(a))
    a.untrack("t", 1, "k")

    assert b.merge(tell(a)) == Diff(leaves=[joined])
    assert not b.merge(tell(a))
    assert b.take_delta() == {}
    assert tell(b)[A] == Part(0, 2)
    assert b.entries("t") == []


def test_the_knowledge_of_a_third_one_is_enough_to_leave() -> None:
    """The replica that removed its entry need not be reachable."""
    a, b, c = states(A, B, C)
    joined = track(a, "k")
    for state in (b, c):
        state.merge(tell(a))
    a.untrack("t", 1, "k")
    b.merge(a.take_delta())

    assert c.merge({A: b.extract(A)}) == Diff(leaves=[joined])


@pytest.mark.conformance("TR040")
def test_both_sides_see_the_same_when_each_has_merged_what_the_other_has() -> None:
    """Actors of two replicas with the same number, topic and key are two entries."""
    a, b = states(A, B)
    track(a, "k")
    track(b, "k")
    track(b, "l")
    b.merge(tell(a))
    a.merge(tell(b))

    assert a.entries("t") == b.entries("t")
    assert [(e.key, e.meta["of"]) for e in a.entries("t")] == [("k", "a"), ("k", "b"), ("l", "b")]


@pytest.mark.conformance("TR041")
def test_what_the_other_updated_leaves_and_joins_in_one_diff() -> None:
    """The new meta joins, the old meta leaves."""
    a, b = states(A, B)
    old = track(a, "k")
    b.merge(tell(a))
    new = a.update("t", 1, "k", {"m": 2}).joins

    assert b.merge(a.take_delta()) == Diff(joins=new, leaves=[old])
    assert b.entries("t") == new


@pytest.mark.conformance("TR042", "TR048")
def test_what_is_hidden_leaves_and_what_is_merged_meanwhile_joins_when_it_is_shown() -> None:
    """To hide a hidden replica, or to show a shown replica, changes nothing."""
    a, b, c = states(A, B, C)
    old = track(a, "k")
    track(c, "c", actor=9)
    for one in (a, c):
        b.merge(tell(one))
    assert b.hide(A) == Diff(leaves=[old])
    assert not b.hide(A)
    assert keys(b) == ["c"]
    new = track(a, "l")
    assert not b.merge(tell(a))
    b.hide(C)
    assert keys(b) == []

    assert [e.key for e in dirty_entries(b, "t")] == ["k", "l", "c"]
    assert b.show(A) == Diff(joins=[old, new])
    assert not b.show(A)
    assert keys(b) == ["k", "l"]


@pytest.mark.conformance("TR043")
def test_what_a_hidden_replica_tracked_is_learned_through_a_third_one() -> None:
    """The entry is seen when the replica is shown again."""
    a, b, c = states(A, B, C)
    c.hide(A)
    joined = track(a, "k")
    b.merge(tell(a))
    assert not c.merge(tell(b))

    assert dirty_entries(c, "t") == [joined]
    assert c.show(A) == Diff(joins=[joined])


@pytest.mark.conformance("TR044")
def test_what_a_hidden_replica_untracked_is_learned_through_a_third_one() -> None:
    """The entry left when the replica was hidden, and does not join again."""
    a, b, c = states(A, B, C)
    track(a, "k")
    for state in (b, c):
        state.merge(tell(a))
    assert c.hide(A)
    a.untrack("t", 1, "k")
    b.merge(tell(a))

    assert not c.merge(tell(b))
    assert not c.show(A)


@pytest.mark.conformance("TR045")
def test_an_own_entry_is_found_by_what_it_is() -> None:
    """Entries of other replicas are not found, even with the same numbers."""
    a, b = states(A, B)
    track(a, "k")
    b.merge(tell(a))

    assert a.get("t", 1, "k") == {"of": "a"}
    assert a.get("t", 1, "l") is a.get("t", 2, "k") is a.get("u", 1, "k") is None
    assert b.get("t", 1, "k") is None
    assert not b.untrack("t", 1, "k")


@pytest.mark.conformance("TR047", "TR052")
def test_only_of_replicas_that_were_introduced_anything_is_learned() -> None:
    """An introduced replica begins with clock 0."""
    a, b = State(A), State(B)
    track(a, "k")
    assert not b.merge(tell(a))
    assert b.clocks() == {B: 0}

    b.introduce(A)
    assert b.clocks(hidden=True) == {A: 0, B: 0}
    assert b.clocks() == {B: 0}
    b.merge(tell(a))
    assert b.show(A)
    b.introduce(A)
    assert b.clocks() == {A: 1, B: 0}


@pytest.mark.conformance("TR049")
def test_what_is_forgotten_does_not_come_back_by_being_introduced() -> None:
    """The state has no part about it any more."""
    a, b = states(A, B)
    joined = track(a, "k")
    track(a, "l")
    b.merge(tell(a))
    a.untrack("t", 1, "l")
    b.merge(tell(a))

    assert b.forget(A) == Diff(leaves=[joined])
    assert dirty_entries(b, "t") == []
    assert b.take_delta() == {}
    b.introduce(A)
    assert not b.show(A)
    assert b.clocks() == {A: 0, B: 0}


def test_what_was_hidden_does_not_leave_again_when_it_is_forgotten() -> None:
    """Its entries left when it was hidden."""
    a, b = states(A, B)
    track(a, "k")
    b.merge(tell(a))
    b.hide(A)

    assert not b.forget(A)


@pytest.mark.conformance("TR050")
def test_deltas_are_merged_and_leave_no_cloud_when_there_is_no_gap() -> None:
    """A join, its leave, and another join take one clock each. The clock of the leave keeps no entry."""
    a, b = states(A, B)
    first = track(a, "k")
    assert b.merge(a.take_delta()) == Diff(joins=[first])
    a.untrack("t", 1, "k")
    assert b.merge(a.take_delta()) == Diff(leaves=[first])
    second = track(a, "k")
    assert b.merge(a.take_delta()) == Diff(joins=[second])

    assert b.extract(A) == Part(0, 3, set(), {3: second})
    assert a.take_delta() == {}


def test_a_gap_stays_a_gap_until_it_is_filled() -> None:
    """Entries after the gap are seen at once. The clocks before them do not count as known."""
    a, b = states(A, B)
    missed, late = track(a, "k"), a.take_delta()
    seen = track(a, "l")
    assert b.merge(a.take_delta()) == Diff(joins=[seen])
    assert b.extract(A) == Part(0, 0, {2}, {2: seen})

    assert b.merge(late) == Diff(joins=[missed])
    assert b.extract(A) == Part(0, 2, set(), {1: missed, 2: seen})


def test_a_removal_that_comes_before_what_it_removed_is_not_forgotten() -> None:
    """Otherwise the removed entry would join late, and never leave."""
    a, b = states(A, B)
    track(a, "k")
    late = a.take_delta()
    a.untrack("t", 1, "k")
    assert not b.merge(a.take_delta())

    assert not b.merge(late)
    assert keys(b) == []
    assert b.extract(A) == Part(0, 2)


@pytest.mark.conformance("TR054")
def test_a_remove_beats_only_what_it_has_seen() -> None:
    """An entry that another replica added at the same time under the same key stays: add wins."""
    a, b = states(A, B)
    added = track(a, "k")
    track(b, "k")
    b.untrack("t", 1, "k")
    assert not a.merge(tell(b))
    assert b.merge(tell(a)) == Diff(joins=[added])

    assert a.entries("t") == b.entries("t") == [added]
    assert not a.merge(tell(b))
    assert not b.merge(tell(a))


def test_nobody_is_told_what_it_tracks_itself() -> None:
    """A state ignores parts about its own replica."""
    a, b = states(A, B)
    track(a, "k")
    b.merge(a.take_delta())

    assert not a.merge({A: Part(0, 9)})
    assert keys(a) == ["k"]
    assert a.clocks() == {A: 1, B: 0}


@pytest.mark.conformance("TR046", "TR021")
def test_a_topic_has_entries_as_long_as_there_is_one_of_any_replica() -> None:
    """The entries of one replica stay when the entries of another replica leave."""
    a, b = states(A, B)
    a.track("t", 1, "k", {})
    a.track("u", 1, "k", {})
    b.track("t", 1, "k", {})
    a.merge(tell(b))
    a.untrack("t", 1, "k")
    a.untrack("u", 1, "k")

    assert len(a.entries("t", "k")) == 1
    assert a.entries("u") == []


def test_a_delta_costs_what_is_there_not_what_has_happened() -> None:
    """Entries that came and went within a period are not sent, only the clock."""
    state = State(A)
    for _ in range(100):
        track(state, "k")
        state.untrack("t", 1, "k")

    assert state.take_delta() == {A: Part(0, 200)}


@property_test
@given(histories(A), histories(B), st.data())
def test_what_several_learn_of_each_other_ends_in_the_same(
    one: History, other: History, data: st.DataObject
) -> None:
    """The sender and the order have no effect: a merge is commutative, associative and idempotent."""
    replicas = [State(("x", number)) for number in range(3)]
    told = [*one.deltas, *other.deltas]
    for state in replicas:
        for ref in (A, B):
            state.introduce(ref)
            state.show(ref)
        for delta in data.draw(st.lists(st.sampled_from(told), max_size=6)):
            state.merge(delta)
    for delta in told:
        data.draw(st.sampled_from(replicas)).merge(delta)
    for giver, taker in [(0, 1), (1, 2), (2, 1), (1, 0)]:
        replicas[taker].merge(tell(replicas[giver]))
        before = tell(replicas[taker])
        assert not replicas[taker].merge(tell(replicas[giver]))
        assert tell(replicas[taker]) == before

    for state in replicas:
        assert state.extract(A) == one.whole
        assert state.extract(B) == other.whole
        assert state.entries("t") == replicas[0].entries("t")


def test_an_endless_span_beyond_a_gap_is_taken_for_lost() -> None:
    """A few bytes with a huge span cost nothing. A span without a gap is merged."""
    state = State(("a", 1))
    ref = ("b", 1)
    state.introduce(ref)
    entry = Entry("t", 1, "u1", {"phx_ref": "R1"})
    state.merge({ref: Part(1, 2**62, set(), {2: entry})})
    assert state.clocks(hidden=True)[ref] == 0
    assert dirty_entries(state, "t") == []
    state.merge({ref: Part(0, 2**62, set(), {2: entry})})
    assert state.clocks(hidden=True)[ref] == 2**62
    assert dirty_entries(state, "t") == [entry]
