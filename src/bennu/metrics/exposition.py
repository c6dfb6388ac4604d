"""The values as Prometheus reads them, written by prometheus-client: ``pip install 'bennu[metrics]'``."""

from __future__ import annotations

from collections.abc import Iterator

from .schema import MetricKind, Series
from .totals import Totals

try:
    from prometheus_client import CollectorRegistry, Metric
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )
    from prometheus_client.exposition import choose_encoder
except ImportError as error:  # pragma: no cover - the tests have it
    raise ImportError("Metrics need prometheus-client: pip install 'bennu[metrics]'") from error

__all__ = ["exposition_of"]


class _TotalsCollector:
    """Gives the values to prometheus-client.

    Args:
        totals: The values.
    """

    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        """Yield all families."""
        for family, values in self._totals:
            name, text, labels = family.name, family.help, family.labels
            if family.kind is MetricKind.HISTOGRAM:
                histogram = HistogramMetricFamily(name, text, labels=labels)
                for series, words in sorted(values.items()):
                    histogram.add_metric(series, *_histogram(family.buckets, words))
                yield histogram
            elif family.kind.outlives:
                counter = CounterMetricFamily(name, text, labels=labels)
                _add(counter, values)
                yield counter
            else:
                own = (*labels, "worker") if family.kind is MetricKind.OF_WORKER else labels
                gauge = GaugeMetricFamily(name, text, labels=own)
                _add(gauge, values)
                yield gauge


def _add(
    metric: CounterMetricFamily | GaugeMetricFamily, values: dict[Series, list[float]]
) -> None:
    for series, words in sorted(values.items()):
        metric.add_metric(series, words[0])


def _histogram(
    buckets: tuple[float, ...], words: list[float]
) -> tuple[list[tuple[str, float]], float]:
    """Return the cumulative buckets and the sum of a histogram."""
    bounds = [*map(str, buckets), "+Inf"]
    total = 0.0
    cumulative: list[tuple[str, float]] = []
    for bound, count in zip(bounds, words[:-1], strict=True):
        total += count
        cumulative.append((bound, total))
    return cumulative, words[-1]


def exposition_of(totals: Totals, accept: str) -> tuple[bytes, str]:
    """Return the text for Prometheus, and its content type.

    Args:
        totals: The values.
        accept: The header ``Accept`` of the request: it can ask for OpenMetrics.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_TotalsCollector(totals))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
