"""A run is clean if nothing failed."""

from __future__ import annotations

import pytest

from bennu.bench.result import BenchCounts, BenchResult


@pytest.mark.parametrize(
    ("counts", "hears", "is_clean"),
    [
        ({}, False, True),
        ({"replied": 9}, False, False),
        ({"replied": 0}, True, True),
        ({"replied": 9, "refused": 1}, True, False),
        ({"failed": 1}, False, False),
        ({"lost": 1}, False, False),
        ({"pushed": 9, "replied": 9}, False, False),
    ],
)
def test_a_clean_run(counts: dict[str, int], hears: bool, is_clean: bool) -> None:
    result = BenchResult("C", BenchCounts(**{"pushed": 10, "replied": 10, **counts}), 10)
    assert result.is_clean(hears=hears) is is_clean
    result.is_whole = False
    assert not result.is_clean(hears=hears)


@pytest.mark.parametrize(
    ("counts", "hears", "is_complete", "misses"),
    [
        ({"replied": 10}, False, True, False),
        ({"replied": 9, "refused": 1}, False, True, False),
        ({"replied": 9}, False, False, True),
        ({"replied": 0}, False, False, False),
        ({"replied": 10, "heard": 100}, True, True, False),
        ({"replied": 10, "heard": 99}, True, False, True),
        ({"replied": 10, "heard": 90}, True, False, False),  # to all but the sender
        ({"replied": 10, "heard": 0}, True, False, False),
        ({"replied": 0, "heard": 100}, True, False, False),
    ],
)
def test_what_is_waited_for(
    counts: dict[str, int], hears: bool, is_complete: bool, misses: bool
) -> None:
    made = BenchCounts(pushed=10, expected=100, **counts)
    assert made.is_complete(hears=hears) is is_complete
    assert made.misses(hears=hears) is misses
