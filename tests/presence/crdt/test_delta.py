"""Deltas: their content, their merges, and the properties that make replicas converge."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bennu.presence.crdt.delta import (
    Delta,
    Part,
    copy_delta,
    delta_size,
    drop_span,
    gone,
    merge_deltas,
    split_delta,
)
from bennu.presence.crdt.state import State

from ...support.properties import property_test
from .histories import A, B, History, entry, histories


def part(start: int, end: int, *values: int, cloud: set[int] | None = None) -> Part:
    """Return a part with entries of these clocks."""
    return Part(start, end, cloud or set(), {clock: entry(clock) for clock in values})


def test_a_part_knows_its_span_and_its_cloud() -> None:
    """A known clock without an entry is gone."""
    told = part(2, 4, 4, cloud={1, 7})

    assert [clock for clock in range(9) if told.knows(clock)] == [1, 3, 4, 7]
    assert told.size == 3


def test_a_span_does_not_end_before_it_begins() -> None:
    """The error names both ends."""
    with pytest.raises(ValueError, match=r"ends at 1 and begins after that, at 2"):
        Part(2, 1)


def test_an_entry_of_a_part_is_known_to_it() -> None:
    """Otherwise the entry would join again with each merge."""
    with pytest.raises(ValueError, match=r"an entry has clock 3, which is not"):
        part(0, 2, 3)


@pytest.mark.parametrize("values", [[1, 2, 3, 4, 5, 9], [2, 5, 9], [9], []])
def test_what_is_gone_is_what_a_part_knows_and_has_not(values: list[int]) -> None:
    """This holds if there are more values than clocks in the span, or fewer."""
    told = part(1, 4, 3, cloud={9, 8})
    known = {clock: entry(clock) for clock in values}

    assert sorted(gone(known, told)) == [clock for clock in values if clock in (2, 4, 9)]


@pytest.mark.parametrize("cloud", [{2}, {1, 2, 3, 4, 5}])
def test_a_span_is_dropped_from_a_cloud(cloud: set[int]) -> None:
    """This holds if the span is smaller than the cloud, or larger."""
    drop_span(cloud, 1, 3)
    assert cloud in (set(), {1, 4, 5})


@pytest.mark.conformance("TR051")
def test_deltas_with_a_gap_between_them_can_not_be_merged() -> None:
    """This holds in either order. The delta is unchanged."""
    early, late = {A: part(0, 1, 1)}, {B: part(0, 1), A: part(2, 3, 3)}
    for delta, news in [(early, late), (late, early)]:
        before = copy_delta(delta)
        assert not merge_deltas(delta, news)
        assert delta == before


@pytest.mark.conformance("TR053")
def test_deltas_of_two_replicas_are_both_in_the_merged_one() -> None:
    """The clouds are kept too."""
    delta = {A: part(0, 1, 1)}
    assert merge_deltas(delta, {B: part(3, 4, 4, cloud={2})})

    assert delta == {A: part(0, 1, 1), B: part(3, 4, 4, cloud={2})}
    assert delta_size(delta) == 3


@pytest.mark.conformance("TR068", "TR069")
def test_a_merged_span_begins_with_the_earlier_and_ends_with_the_later_one() -> None:
    """A replica in only one of the deltas keeps its span."""
    delta = {A: part(2, 4, 3)}
    merge_deltas(delta, {A: part(3, 6, 6), B: part(5, 7)})
    merge_deltas(delta, {A: part(1, 3, 2, 3)})

    assert delta == {A: part(1, 6, 2, 3, 6), B: part(5, 7)}


def test_what_a_merged_delta_does_not_keep_is_what_either_knows_to_be_gone() -> None:
    """This also holds if the removal is merged before the entry."""
    for order in (1, -1):
        delta: Delta = {}
        for news in [part(0, 2, 1, 2), part(2, 3, cloud={1})][::order]:
            assert merge_deltas(delta, {A: news})
        assert delta == {A: part(0, 3, 2)}


def test_tombstones_alone_touch_any_span() -> None:
    """A part without a span makes no statement about the clocks between."""
    tombs = part(0, 0, cloud={1, 6})
    for one, other in [(tombs, part(4, 6, 5, 6)), (part(4, 6, 5, 6), tombs)]:
        delta = {A: one.copy()}
        assert merge_deltas(delta, {A: other})
        assert delta == {A: part(4, 6, 5, cloud={1})}


def test_nothing_that_can_change_is_shared_with_the_news() -> None:
    """Otherwise the next merge would change a message that was sent."""
    news = {A: part(0, 1, 1, cloud={5})}
    delta: Delta = {}
    merge_deltas(delta, news)
    merge_deltas(delta, {A: part(1, 2, 2, cloud={1, 7})})

    assert news == {A: part(0, 1, 1, cloud={5})}


# Laws.


@property_test
@given(histories())
def test_all_deltas_of_a_replica_merged_are_all_that_it_knows(history: History) -> None:
    """Entries that were added and removed in between are not in it."""
    delta: Delta = {}
    for news in history.deltas:
        assert merge_deltas(delta, news)

    assert delta == {history.ref: history.whole}


@property_test
@given(histories(), st.data())
def test_deltas_can_be_merged_in_any_groups(history: History, data: st.DataObject) -> None:
    """This is associativity, and idempotence, since each delta is merged twice."""
    deltas = [copy_delta(delta) for delta in history.deltas]
    while len(deltas) > 1:
        index = data.draw(st.integers(0, len(deltas) - 2))
        later = deltas.pop(index + 1)
        assert merge_deltas(deltas[index], later)
        assert merge_deltas(deltas[index], later)

    assert deltas == [{history.ref: history.whole}]


@property_test
@given(histories(), st.data())
def test_what_a_state_learned_does_not_depend_on_the_order(
    history: History, data: st.DataObject
) -> None:
    """Deltas, merged deltas and whole states come in any order, some twice.

    A state that got all has each entry once.
    """
    told = [*history.deltas, *history.wholes]
    drawn = data.draw(st.lists(st.sampled_from(told), max_size=8))
    state = State(B)
    state.introduce(history.ref)
    state.show(history.ref)
    listed: set[str] = set()
    for delta in [*drawn, *data.draw(st.permutations(history.deltas))]:
        before = copy_delta(delta)
        diff = state.merge(delta)
        assert delta == before
        for left in diff.leaves:
            listed.remove(left.meta["phx_ref"])
        for joined in diff.joins:
            assert joined.meta["phx_ref"] not in listed
            listed.add(joined.meta["phx_ref"])

    assert state.extract(history.ref) == history.whole
    assert state.entries("t") == history.state.entries("t")
    assert listed == {entry.meta["phx_ref"] for entry in history.whole.values.values()}


def test_a_delta_that_is_short_enough_stays_whole() -> None:
    delta: Delta = {A: part(0, 3, 1, 3), B: part(2, 2, cloud={1})}
    assert [*split_delta(delta, 3)] == [delta]
    assert [*split_delta({}, 3)] == [{}]


def test_the_last_piece_of_a_span_ends_where_the_span_ends() -> None:
    delta: Delta = {A: part(0, 9, 2, 4, 6, 20, cloud={20, 30})}
    assert [*split_delta(delta, 2)] == [
        {A: part(0, 4, 2, 4)},
        {A: part(4, 9, 6)},
        {A: part(9, 9, 20, cloud={20, 30})},
    ]
    assert [*split_delta({A: part(0, 9, cloud={20, 30, 40})}, 2)] == [
        {A: part(0, 9)},
        {A: part(9, 9, cloud={20, 30})},
        {A: part(9, 9, cloud={40})},
    ]


@property_test
@given(histories(), histories(B), st.integers(1, 4))
def test_the_pieces_of_a_delta_say_what_the_delta_says(
    one: History, other: History, most: int
) -> None:
    """A state that merges the pieces knows what a state knows that merges the whole."""
    delta: Delta = {}
    for history in (one, other):
        for told in history.deltas:
            assert merge_deltas(delta, told)
    pieces = [*split_delta(delta, most)]
    assert all(delta_size(piece) <= most for piece in pieces)
    whole, split = State(("c", 1)), State(("c", 1))
    for state in (whole, split):
        for ref in (A, B):
            state.introduce(ref)
            state.show(ref)
    whole.merge(delta)
    for piece in pieces:
        split.merge(piece)
    for ref in (A, B):
        assert split.extract(ref) == whole.extract(ref)
