"""Sort keys, without a database."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bennu_demos.board.keys import first_keys, index_of, key_at, spread
from bennu_demos.board.wire import Spot


@given(indexes=st.lists(st.integers(0, 60), max_size=60))
def test_a_key_is_between_its_neighbours(indexes: list[int]) -> None:
    keys = first_keys(3)
    for wanted in indexes:
        index = min(wanted, len(keys))
        keys.insert(index, key_at(index, keys))
        assert keys == sorted(set(keys))
    new = spread(keys)
    assert new == sorted(set(new))
    assert max(keys) < min(new), (
        "no new key is a present key, so the rows can change one after another"
    )
    assert len(max(new, key=len)) < 10


@pytest.mark.parametrize(
    ("after", "before", "index"),
    [
        (None, "a", 0),
        ("a", "b", 1),
        ("c", None, 3),
        ("gone", "b", 1),
        ("b", "gone", 2),
        ("gone", "gone", 3),
        ("gone", None, 3),
        (None, "gone", 0),
        (None, None, 3),
    ],
)
def test_a_place_is_found_by_the_neighbours_that_are_still_there(
    after: str | None, before: str | None, index: int
) -> None:
    assert index_of(Spot(after, before), ["a", "b", "c"]) == index
