"""Vector clocks: comparison, upper bounds, and the fewest that together know everything."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given, strategies as st

from bennu.presence.crdt.clocks import (
    Clocks,
    Ref,
    append_clocks,
    dominates,
    restrict,
    upper_bound,
)

from ...support.properties import property_test

A, B, C = ("a", 1), ("b", 1), ("c", 1)

refs = st.sampled_from([A, B, C])
clocks = st.dictionaries(refs, st.integers(0, 4))


@pytest.mark.conformance("TR066")
@pytest.mark.parametrize(
    ("one", "other", "more"),
    [
        ({A: 1, B: 2, C: 3}, {B: 2, C: 3}, True),
        ({A: 1, B: 2, C: 3}, {A: 1, B: 3}, False),
        ({A: 1}, {A: 1, B: 0}, False),
        ({A: 1, B: 2}, {A: 1, B: 2}, True),
        ({A: 1}, {}, True),
        ({}, {A: 1}, False),
    ],
)
def test_clocks_dominate_if_they_have_each_replica_at_least_as_far(
    one: Clocks, other: Clocks, more: bool
) -> None:
    """A missing replica is unknown, which is less than clock 0."""
    assert dominates(one, other) is more


@pytest.mark.conformance("TR068")
def test_the_upper_bound_has_the_later_clock_of_each() -> None:
    """Replicas that only one of the two knows are included."""
    assert upper_bound({A: 1, B: 2}, {A: 2, C: 3}) == {A: 2, B: 2, C: 3}


@pytest.mark.conformance("TR070")
def test_clocks_can_be_restricted_to_some_replicas() -> None:
    """Replicas without a clock stay missing."""
    assert restrict({A: 1, B: 2}, {A, C}) == {A: 1}


@pytest.mark.conformance("TR067")
@pytest.mark.parametrize(
    ("added", "owners"),
    [
        ({}, [A, B]),  # nothing
        ({A: 2, B: 2, C: 1}, [C]),  # more than all together
        ({A: 2, B: 2}, [C]),  # as much as all together
        ({A: 1, B: 1}, [A, B]),  # no more than one of them
        ({A: 2, B: 1, C: 1}, [B, C]),  # more than one of them
        ({A: 1, C: 1}, [A, B, C]),  # something else
    ],
)
def test_only_clocks_that_add_something_are_kept(added: Clocks, owners: list[Ref]) -> None:
    """Clocks that the added clocks make needless are removed."""
    dominant = [(A, {A: 2, B: 1}), (B, {A: 1, B: 2})]

    assert [owner for owner, _ in append_clocks(dominant, C, added)] == owners


def together(owned: list[tuple[Ref, Clocks]]) -> Clocks:
    """Return the upper bound of all clocks."""
    return reduce(upper_bound, (known for _, known in owned), Clocks())


@property_test
@given(st.lists(st.tuples(refs, clocks)))
def test_who_is_kept_knows_together_what_all_know(all_clocks: list[tuple[Ref, Clocks]]) -> None:
    """No kept clock is dominated by another kept clock."""
    kept: list[tuple[Ref, Clocks]] = []
    for owner, known in all_clocks:
        kept = append_clocks(kept, owner, known)

    assert together(kept) == together(all_clocks)
    for index, (_, known) in enumerate(kept):
        assert not any(dominates(known, other) for _, other in kept[:index] + kept[index + 1 :])
