"""The layout of metrics in memory."""

from __future__ import annotations

import msgspec
import pytest

from bennu.metrics.schema import Family, MetricKind, Schema

JOINS = Family("joins", MetricKind.COUNTER, "Joins.", ("channel",), (("Room",), ("Hall",)))
TIMES = Family("times", MetricKind.HISTOGRAM, "Times.", (), ((),), (0.1, 1.0))
MEMORY = Family("memory", MetricKind.OF_WORKER, "Memory.")


def test_the_words_of_the_series_follow_each_other() -> None:
    """A histogram has a word for each bucket, for all that exceeds the buckets, and for the sum."""
    schema = Schema([JOINS, TIMES, MEMORY])
    assert schema.place("joins", "Room") == 0
    assert schema.place("joins", "Hall") == 1
    assert schema.place("times") == 2
    assert schema.place("memory") == 6
    assert schema.words == 7
    assert [(family.name, series, place) for family, series, place in schema] == [
        ("joins", ("Room",), 0),
        ("joins", ("Hall",), 1),
        ("times", (), 2),
        ("memory", (), 6),
    ]


def test_a_schema_travels_as_json() -> None:
    schema = Schema([JOINS, TIMES, MEMORY])
    read = Schema.read(schema.text)
    assert read.families == schema.families
    assert read.text == schema.text
    with pytest.raises(msgspec.MsgspecError):
        Schema.read(b"{}")


def test_what_is_in_a_schema() -> None:
    schema = Schema([JOINS, TIMES])
    assert schema.has("joins", "Hall")
    assert not schema.has("joins", "Lobby")
    with pytest.raises(KeyError):
        schema.place("joins")
    assert schema.buckets("times") == (0.1, 1.0)
    assert schema.buckets("joins") == schema.buckets("nothing") == ()


@pytest.mark.parametrize("kind", MetricKind)
def test_counters_and_histograms_outlive_their_process(kind: MetricKind) -> None:
    assert kind.outlives == (kind not in (MetricKind.GAUGE, MetricKind.OF_WORKER))


def test_families_of_one_shape_can_be_added() -> None:
    same = Family("joins", MetricKind.COUNTER, "Other words.", ("channel",), (("Lobby",),))
    assert same.shape == JOINS.shape
    assert TIMES.shape != Family("times", MetricKind.HISTOGRAM, "", (), ((),), (0.1, 2.0)).shape
