"""Percentiles of times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import floats, lists

from bennu.bench.histogram import LatencyHistogram


def of(times: list[float]) -> LatencyHistogram:
    histogram = LatencyHistogram()
    for time in times:
        histogram.add(time)
    return histogram


def test_without_a_time_there_is_no_percentile() -> None:
    assert LatencyHistogram().percentile(0.5) is None
    assert LatencyHistogram().count == 0


@pytest.mark.parametrize(("share", "expected"), [(0.5, 500), (0.9, 900), (0.99, 990)])
def test_percentiles_of_a_thousand_times(share: float, expected: float) -> None:
    assert of([*map(float, range(1, 1001))]).percentile(share) == pytest.approx(expected, rel=0.017)


@given(lists(floats(1, 1e8), min_size=1))
def test_a_percentile_is_exact_to_a_bucket(times: list[float]) -> None:
    """No time that a percentile names is shorter than the true one, nor 1.6 % longer."""
    histogram = of(times)
    assert histogram.count == len(times)
    assert histogram.percentile(1) == histogram.most_us == max(times)
    middle = sorted(times)[(len(times) - 1) // 2]
    found = histogram.percentile(0.5)
    assert found is not None
    assert middle <= found <= middle * (1 + 1 / 64) + 1e-6


def test_counts_of_another_program_are_taken() -> None:
    """The C engine sends buckets: 0 is 1 µs, 64 is 2 µs."""
    histogram = LatencyHistogram([(0, 1), (64, 1)], 2.01)
    assert histogram.count == 2
    assert histogram.percentile(0.5) == pytest.approx(1.016, abs=0.001)
    assert histogram.percentile(1) == 2.01


def test_a_time_beyond_all_buckets_is_in_the_last_one() -> None:
    assert of([1e30]).percentile(1) is not None
    assert of([0.0]).percentile(1) == 0.0
