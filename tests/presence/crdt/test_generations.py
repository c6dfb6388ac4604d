"""Generations: where each begins, and which of them fills a gap."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bennu.presence.crdt.delta import Part, copy_delta, delta_size
from bennu.presence.crdt.generations import Generations
from bennu.presence.crdt.state import State

from ...support.properties import property_test
from .histories import A, B, History, entry, histories


def told(start: int, *values: int, end: int = 0, cloud: set[int] | None = None) -> Part:
    """Return a part that begins after a clock, and ends at its last entry or at another clock."""
    last = end or max(values)
    return Part(start, last, cloud or set(), {clock: entry(clock) for clock in values})


@pytest.mark.conformance("TR056")
def test_the_first_delta_is_in_all_generations_and_again_it_changes_nothing() -> None:
    """Each generation has a separate copy."""
    generations = Generations((2, 5, 6))
    for _ in range(2):
        generations.push({A: told(0, 1, 2)})
        assert generations.deltas == [{A: told(0, 1, 2)}] * 3

    generations.deltas[0][A].values.clear()
    assert generations.deltas[1:] == [{A: told(0, 1, 2)}] * 2


@pytest.mark.conformance("TR057", "TR058")
def test_each_generation_reaches_as_far_back_as_its_size_allows() -> None:
    """A generation that grows beyond its size becomes a copy of the next smaller generation."""
    generations = Generations((2, 5, 6))
    for clock in range(6):
        generations.push({A: told(clock, clock + 1)})

    assert generations.deltas == [
        {A: told(4, 5, 6)},
        {A: told(4, 5, 6)},
        {A: told(0, 1, 2, 3, 4, 5, 6)},
    ]
    generations.push({A: told(6, 7)})
    assert generations.deltas == [{A: told(6, 7)}, {A: told(4, 5, 6, 7)}, {A: told(4, 5, 6, 7)}]


def test_a_delta_beyond_all_sizes_is_kept_until_the_next() -> None:
    """It is kept as a copy, since the delta can be a message."""
    generations = Generations((1,))
    delta = {A: told(0, 1, 2)}
    generations.push(delta)
    generations.push({A: told(2, end=3)})

    assert delta == {A: told(0, 1, 2)}
    assert generations.deltas == [{A: told(2, end=3)}]


@pytest.mark.conformance("TR059")
def test_tombstones_from_before_a_generation_count_and_those_within_cost_nothing() -> None:
    """An entry that came and went within the span is only missing."""
    generations = Generations((2,))
    generations.push({A: told(5, 6)})
    generations.push({A: told(6, end=7, cloud={6})})
    assert generations.deltas == [{A: told(5, end=7)}]

    generations.push({A: told(7, end=9, cloud={3, 4})})
    assert delta_size(generations.deltas[0]) == 2
    generations.push({A: told(9, end=10, cloud={2})})
    assert generations.deltas == [{A: told(9, end=10, cloud={2})}]


@pytest.mark.conformance("TR060")
def test_a_delta_that_does_not_follow_is_left_out() -> None:
    """The clocks between are unknown, and must not count as known."""
    generations = Generations((5, 9))
    generations.push({A: told(0, 1)})
    generations.push({A: told(2, 3)})

    assert generations.deltas == [{A: told(0, 1)}] * 2


@pytest.mark.conformance("TR061")
def test_a_replica_can_be_forgotten() -> None:
    """Other replicas stay. An unknown replica can be forgotten too."""
    generations = Generations((5, 9))
    generations.push({A: told(0, 1), B: told(0, 2)})
    generations.forget(A)
    generations.forget(A)

    assert generations.deltas == [{B: told(0, 2)}] * 2


@pytest.mark.conformance("TR063", "TR064", "TR065")
def test_the_smallest_generation_that_is_enough_is_found() -> None:
    """It begins at or before the known clock, and ends at or after the requested clock.

    Otherwise the result is None.
    """
    generations = Generations((1, 3))
    assert generations.find(A, 0, 1) is None
    for clock in (1, 2, 3):
        generations.push({A: told(clock, clock + 1)})

    assert generations.find(A, 3, 4) == told(3, 4)
    assert generations.find(A, 2, 4) == generations.find(A, 1, 4) == told(1, 2, 3, 4)
    assert generations.find(A, 0, 4) is None
    assert generations.find(A, 3, 5) is None
    assert generations.find(B, 0, 1) is None


def test_what_is_found_is_a_copy() -> None:
    """The copy is sent in a message while the generation changes."""
    generations = Generations((9,))
    generations.push({A: told(0, 1)})
    found = generations.find(A, 0, 1)
    generations.push({A: told(1, 2, cloud={1})})

    assert found == told(0, 1)


@property_test
@given(histories(), st.integers(0, 5), st.data())
def test_whoever_missed_deltas_gets_all_by_what_is_found(
    history: History, limit: int, data: st.DataObject
) -> None:
    """This holds from any clock, for any sizes. A push does not change the delta."""
    generations = Generations((limit, limit * 2, 1_000))
    before = [copy_delta(delta) for delta in history.deltas]
    for delta in history.deltas:
        generations.push(delta)
    assert history.deltas == before

    state = State(B)
    state.introduce(history.ref)
    for delta in history.deltas[: data.draw(st.integers(0, len(history.deltas) - 1))]:
        state.merge(delta)
    clock = state.clocks(hidden=True)[history.ref]
    found = generations.find(history.ref, clock, history.whole.end)
    assert found is not None  # the last generation is big enough for all
    state.merge({history.ref: found})
    assert state.extract(history.ref) == history.whole
