"""The values as Prometheus reads them."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from bennu.metrics.exposition import exposition_of
from bennu.metrics.rows import new_block
from bennu.metrics.schema import Family, MetricKind, Schema
from bennu.metrics.totals import Totals

SCHEMA = Schema(
    [
        Family(
            "b_joins", MetricKind.COUNTER, "Joins.", ("topic",), (('room:"{id}"\n',), ("hall",))
        ),
        Family("b_seconds", MetricKind.HISTOGRAM, "Times.", ("event",), (("say",),), (0.001, 1.0)),
        Family("b_cpu_seconds", MetricKind.SECONDS, "CPU."),
        Family("b_open", MetricKind.GAUGE, "Open."),
        Family("b_memory_bytes", MetricKind.OF_WORKER, "Memory."),
    ]
)


def totals() -> Totals:
    block, totals = new_block(SCHEMA.words), Totals()
    block.counts[0], block.counts[1] = 3, 4
    block.counts[2], block.counts[3], block.counts[4], block.numbers[5] = 1, 2, 5, 7.5
    block.numbers[6], block.numbers[7], block.numbers[8] = 0.25, 2, 1024
    totals.add(SCHEMA, block, worker=1)
    return totals


SAMPLES = {
    ("b_joins_total", 'room:"{id}"\n'): 3,
    ("b_joins_total", "hall"): 4,
    ("b_seconds_bucket", "say", "0.001"): 1,
    ("b_seconds_bucket", "say", "1.0"): 3,
    ("b_seconds_bucket", "say", "+Inf"): 8,
    ("b_seconds_count", "say"): 8,
    ("b_seconds_sum", "say"): 7.5,
    ("b_cpu_seconds_total",): 0.25,
    ("b_open",): 2,
    ("b_memory_bytes", "1"): 1024,
}


@pytest.mark.parametrize(
    "accept", ["", "text/plain", "application/openmetrics-text; version=1.0.0"]
)
def test_parsers_read_what_is_written(accept: str) -> None:
    """By default in the text format, and in OpenMetrics for a reader that asks for it."""
    body, content_type = exposition_of(totals(), accept)
    is_open = "openmetrics" in accept
    assert content_type.startswith("application/openmetrics-text" if is_open else "text/plain")
    parse = (
        openmetrics.text_string_to_metric_families if is_open else text_string_to_metric_families
    )
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in parse(body.decode())
        for sample in family.samples
    }
    assert samples == SAMPLES
