"""Buckets of many clients are bounded, and forgotten when they are full again."""

from __future__ import annotations

from bennu.limits.buckets import Buckets
from bennu.limits.rate import Rate


def test_each_client_has_a_bucket_of_its_own() -> None:
    buckets = Buckets(Rate.parse("1/second"))
    assert buckets.of("a", 0.0).take(0.0) == 0.0
    assert buckets.of("a", 0.0).take(0.0) == 1.0
    assert buckets.of("b", 0.0).take(0.0) == 0.0
    assert len(buckets) == 2


def test_full_buckets_are_forgotten() -> None:
    buckets = Buckets(Rate.parse("1/second"))
    for name in "abc":
        buckets.of(name, 0.0).take(0.0)
    buckets.of("d", 5.0)
    assert len(buckets) == 1
    buckets.clear()
    assert len(buckets) == 0


def test_the_oldest_of_too_many_is_forgotten() -> None:
    buckets = Buckets(Rate.parse("1/second"), most=2)
    for name in ("a", "b", "a", "c"):
        buckets.of(name, 0.0).take(0.0)
    assert len(buckets) == 2
    assert buckets.of("a", 0.0).take(0.0) > 0
    assert buckets.of("b", 0.0).take(0.0) == 0.0
