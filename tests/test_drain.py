"""The plan of a drain: the time at which each connection is closed."""

from __future__ import annotations

from bisect import bisect_left
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bennu import DefinitionError, Drain
from bennu.drain import DrainBatch, plan_drain

from .support.properties import property_test

drains = st.builds(
    Drain,
    batch_size=st.integers(1, 50),
    batch_interval=st.floats(0.001, 10.0),
    timeout=st.just(30.0),
)
totals = st.integers(0, 200)
seeds = st.integers()


def times(batches: list[DrainBatch]) -> list[float]:
    """Return the time of each close, in seconds from the start of the drain."""
    found: list[float] = []
    begin = 0.0
    for batch in batches:
        found += [begin + delay for delay in batch.delays]
        begin += batch.span
    return found


def test_connections_leave_in_batches_that_begin_an_interval_apart() -> None:
    """Each connection is closed in its slot. A smaller batch takes its share of the interval."""
    batches = list(plan_drain(Drain(batch_size=2, batch_interval=4.0), 5, 30.0, lambda: 0.5))
    assert batches == [
        DrainBatch(1, 3, (1.0, 3.0), 4.0),
        DrainBatch(2, 3, (1.0, 3.0), 4.0),
        DrainBatch(3, 3, (1.0,), 2.0),
    ]
    assert [batch.count for batch in batches] == [2, 2, 1]


def test_what_fills_its_batches_has_no_empty_one() -> None:
    """If the last batch is full, no empty batch follows. Phoenix waits one more interval then."""
    batches = list(plan_drain(Drain(batch_size=2), 4, 30.0, lambda: 0.0))
    assert [(batch.index, batch.rounds, batch.count) for batch in batches] == [(1, 2, 2), (2, 2, 2)]


def test_without_connections_there_is_no_batch() -> None:
    """Without connections there is no batch."""
    assert list(plan_drain(Drain(), 0, 30.0, lambda: 0.0)) == []


def test_too_many_for_the_time_leave_faster() -> None:
    """If there are too many connections for the time, they are closed faster, and evenly."""
    batches = list(plan_drain(Drain(batch_size=2, batch_interval=4.0), 6, 6.0, lambda: 0.0))
    assert times(batches) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert sum(batch.span for batch in batches) == 6.0


def test_in_no_time_all_leave_at_once() -> None:
    """With a time of 0 all connections are closed at once."""
    batches = list(plan_drain(Drain(batch_size=2), 5, 0.0, lambda: 0.5))
    assert times(batches) == [0.0] * 5


@property_test
@given(drains, totals, seeds)
def test_everybody_leaves_once(drain: Drain, total: int, seed: int) -> None:
    """Each connection is in one batch. The batches are numbered, and all but the last are full."""
    batches = list(plan_drain(drain, total, 1e9, Random(seed).random))
    assert sum(batch.count for batch in batches) == total
    assert [batch.index for batch in batches] == list(range(1, len(batches) + 1))
    assert {batch.rounds for batch in batches} <= {len(batches)}
    assert all(batch.count == drain.batch_size for batch in batches[:-1])
    assert all(0 < batch.count <= drain.batch_size for batch in batches)


@property_test
@given(drains, totals, seeds)
def test_they_leave_in_order_and_within_their_batch(drain: Drain, total: int, seed: int) -> None:
    """The times of a batch are in order, and end before the next batch."""
    for batch in plan_drain(drain, total, 1e9, Random(seed).random):
        assert list(batch.delays) == sorted(batch.delays)
        assert all(0 <= delay <= batch.span for delay in batch.delays)


@property_test
@given(drains, totals, seeds)
def test_no_interval_sees_more_than_a_batch_and_one(drain: Drain, total: int, seed: int) -> None:
    """Any interval of the drain, also across batches, has at most one batch of closes, plus one."""
    leaving = times(list(plan_drain(drain, total, 1e9, Random(seed).random)))
    for place, begin in enumerate(leaving):
        end = begin + drain.batch_interval * (1 - 1e-6)
        assert bisect_left(leaving, end) - place <= drain.batch_size + 1


@property_test
@given(drains, totals, st.floats(0.0, 60.0), seeds)
def test_all_have_left_in_time(drain: Drain, total: int, within: float, seed: int) -> None:
    """All connections are closed within the time, and never more slowly than the policy says."""
    batches = list(plan_drain(drain, total, within, Random(seed).random))
    spans = sum(batch.span for batch in batches)
    assert spans <= min(within, total * drain.batch_interval / drain.batch_size) * (1 + 1e-9)
    assert times(batches) == sorted(times(batches)) or spans < 1e-6


def test_chance_is_asked_once_a_connection() -> None:
    """The random numbers are an argument, so a plan can be repeated. One is drawn for each connection."""
    numbers = count()
    list(plan_drain(Drain(batch_size=3), 7, 30.0, lambda: next(numbers) / 7))
    assert next(numbers) == 7


@pytest.mark.parametrize(
    ("options", "got"),
    [
        ({"batch_size": 0}, "0"),
        ({"batch_interval": -1.0}, "-1.0"),
        ({"timeout": -0.5}, "-0.5"),
    ],
    ids=repr,
)
def test_numbers_that_cannot_be(options: dict[str, Any], got: str) -> None:
    """The error names the option and what to write."""
    (name,) = options
    with pytest.raises(DefinitionError) as caught:
        Drain(**options)
    assert f"Drain({name}=...)" in str(caught.value)
    assert got in str(caught.value)
    assert f"write:    {name}=" in str(caught.value)
