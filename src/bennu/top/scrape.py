"""Reads the text of ``/metrics``, and compares two scrapes. Pure.

A counter that is smaller than before has begun again at zero, because the command was restarted: then it has increased by all that it
has now. Each series is compared by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import isinf
from typing import Final, NamedTuple

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from ..errors import BennuError

__all__ = ["MetricsScrape", "NoMetrics", "ScrapeDifference", "Spread"]

SIGN: Final = "bennu_workers"
"""The metric that each endpoint has."""

Key = tuple[str, ...]
"""The values of some labels."""


class NoMetrics(BennuError):
    """The metrics could not be read. The text says why, and what to do."""


class Spread(Struct, frozen=True):
    """The times of a histogram, between two scrapes.

    Attributes:
        rate: Observations in a second.
        p50: Seconds; None without an observation.
        p99: Seconds; None without an observation.
    """

    rate: float = 0.0
    p50: float | None = None
    p99: float | None = None


class Sampled(NamedTuple):
    """One line of the text."""

    labels: Mapping[str, str]
    value: float


class MetricsScrape:
    """One answer of ``/metrics``.

    Args:
        text: The text format of Prometheus.
        at: When it came, in seconds of any clock.

    Raises:
        NoMetrics: The text has no metrics of Bennu.
    """

    def __init__(self, text: str, at: float) -> None:
        self.at = at
        self._samples: dict[str, dict[Key, Sampled]] = {}
        try:
            for family in text_string_to_metric_families(text):
                for one in family.samples:
                    key = tuple(text for pair in sorted(one.labels.items()) for text in pair)
                    series = self._samples.setdefault(one.name, {})
                    series[key] = Sampled(one.labels, one.value)
        except ValueError:
            self._samples.clear()
        if SIGN not in self._samples:
            raise NoMetrics(
                f"expected metrics of Bennu, got {text[:60]!r}: is this the path of Endpoint(metrics=...)?"
            )

    def has(self, name: str) -> bool:
        """Return whether there is a metric."""
        return name in self._samples

    def series(self, name: str) -> Mapping[Key, Sampled]:
        """Return all series of a metric, by all their labels."""
        return self._samples.get(name, {})

    def values(self, name: str) -> list[float]:
        """Return the values of all series of a metric."""
        return [one.value for one in self.series(name).values()]

    def sum(self, name: str) -> float:
        """Return the sum of all series of a metric; 0 if there is none."""
        return sum(self.values(name))

    def sums(self, name: str, *labels: str) -> dict[Key, float]:
        """Return the sums of a metric by the values of some labels."""
        return _summed(self.series(name).values(), labels)


class ScrapeDifference:
    """What has changed between two scrapes.

    Args:
        before: The first scrape.
        now: The second.

    Attributes:
        now: The second scrape.
        seconds: The time between them.
    """

    def __init__(self, before: MetricsScrape, now: MetricsScrape) -> None:
        self._before = before
        self.now = now
        self.seconds = now.at - before.at

    def rate(self, name: str) -> float:
        """Return by how much all series of a counter have increased in a second."""
        return sum(self.rates(name).values())

    def rates(self, name: str, *labels: str) -> dict[Key, float]:
        """Return by how much a counter has increased in a second, by the values of some labels."""
        return {
            key: count / self.seconds for key, count in _summed(self._grown(name), labels).items()
        }

    def spread(self, name: str) -> Spread:
        """Return the times of all series of a histogram, by the name of its buckets."""
        return self.spreads(name).get((), Spread())

    def spreads(self, name: str, *labels: str) -> dict[Key, Spread]:
        """Return the times of a histogram, by the name of its buckets, by the values of some labels."""
        found: dict[Key, dict[float, float]] = {}
        for (bound, *key), count in _summed(self._grown(name), ("le", *labels)).items():
            found.setdefault(tuple(key), {})[float(bound)] = count
        return {key: self._spread(buckets) for key, buckets in found.items()}

    def _spread(self, buckets: Mapping[float, float]) -> Spread:
        rows = sorted(buckets.items())
        count = rows[-1][1]
        return Spread(count / self.seconds, _quantile(rows, 0.5), _quantile(rows, 0.99))

    def _grown(self, name: str) -> list[Sampled]:
        """Return the increase of each series."""
        before = self._before.series(name)
        grown: list[Sampled] = []
        for key, (labels, value) in self.now.series(name).items():
            old = before[key].value if key in before else 0.0
            grown.append(Sampled(labels, value - old if value >= old else value))
        return grown


def _summed(samples: Iterable[Sampled], labels: tuple[str, ...]) -> dict[Key, float]:
    """Return the sums by the values of some labels. A label that a series does not have is empty."""
    sums: dict[Key, float] = {}
    for one in samples:
        key = tuple(one.labels.get(label, "") for label in labels)
        sums[key] = sums.get(key, 0.0) + one.value
    return sums


def _quantile(rows: Sequence[tuple[float, float]], share: float) -> float | None:
    """Return the value below which a share of the observations is, as Prometheus estimates it.

    Within a bucket the values are taken as spread evenly. Beyond the last bound, the bound is returned.

    Args:
        rows: The bounds of the buckets in order, the last one infinite, and how many observations each bound is above.
        share: From 0 to 1.

    Example:
        >>> _quantile([(1.0, 10.0), (2.0, 20.0), (float("inf"), 20.0)], 0.75)
        1.5
    """
    wanted = rows[-1][1] * share
    if not wanted:
        return None
    for (low, below), (high, count) in pairwise([(0.0, 0.0), *rows]):
        if count >= wanted:
            return low if isinf(high) else low + (high - low) * (wanted - below) / (count - below)
    raise AssertionError  # pragma: no cover - the last row has all observations
