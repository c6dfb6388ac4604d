"""A run is clean if nothing failed."""

from __future__ import annotations

import pytest

from bennu.bench import BenchResult
from bennu.bench.result import BenchCounts


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
