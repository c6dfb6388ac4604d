"""A histogram of times: 64 buckets for each power of two of microseconds, so that a percentile is exact to 1.6 %. Pure.

The buckets are those of wsload.c.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

__all__ = ["LatencyHistogram"]

STEPS: Final = 64
"""Buckets of a power of two."""

BUCKETS: Final = 4096


class LatencyHistogram:
    """Counts times.

    Args:
        buckets: The number of times in each bucket, for counts that were made elsewhere.
        most_us: The longest of these times, in microseconds.

    Attributes:
        most_us: The longest time in microseconds; 0 without any.
    """

    def __init__(self, buckets: Iterable[tuple[int, int]] = (), most_us: float = 0.0) -> None:
        self._buckets: Counter[int] = Counter(dict(buckets))
        self.most_us = most_us

    @property
    def count(self) -> int:
        """The number of times."""
        return self._buckets.total()

    def add(self, microseconds: float) -> None:
        """Count a time."""
        self._buckets[bucket_of(microseconds)] += 1
        self.most_us = max(self.most_us, microseconds)

    def percentile(self, share: float) -> float | None:
        """Return the time in microseconds below which a share of all times is; None without any.

        Args:
            share: 0.99 for the 99th percentile.
        """
        wanted = self.count * share
        seen = 0
        for bucket, count in sorted(self._buckets.items()):
            seen += count
            if seen >= wanted:
                return min(upper_edge(bucket), self.most_us)
        return None


def bucket_of(microseconds: float) -> int:
    """Return the bucket of a time."""
    exponent = 0
    value = max(microseconds, 1.0)
    while value >= 2:
        value /= 2
        exponent += 1
    return min(exponent * STEPS + int((value - 1) * STEPS), BUCKETS - 1)


def upper_edge(bucket: int) -> float:
    """Return the time in microseconds that no time of a bucket reaches."""
    exponent, step = divmod(bucket + 1, STEPS)
    return float(2**exponent) * (1 + step / STEPS)
