"""A run is shown as a line, a table and JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bennu.bench.histogram import LatencyHistogram
from bennu.bench.result import BenchCounts, BenchProgress, BenchResult
from bennu.bench.table import progress_line, result_json, result_table

from .plans import plan


def times(*microseconds: float) -> LatencyHistogram:
    histogram = LatencyHistogram()
    for one in microseconds:
        histogram.add(one)
    return histogram


def result(**counts: int) -> BenchResult:
    made = BenchCounts(opened=10, joined=10, **{"pushed": 10, "replied": 10, **counts})
    return BenchResult(
        "C",
        made,
        10,
        0.1,
        0.5,
        connect=times(1500, 3000),
        join=times(900),
        reply=times(*[640.0] * 10),
    )


def test_the_table() -> None:
    assert result_table(result(), plan()).splitlines() == [
        "10 clients in room:1, 2 a second each for 0.5 s, by the C engine",
        "",
        "               count  a second      p50      p90      p99      max",
        "connect            2        20  1.50 ms  3.00 ms  3.00 ms  3.00 ms",
        "join               1        10  0.90 ms  0.90 ms  0.90 ms  0.90 ms",
        "push to reply     10        20  0.64 ms  0.64 ms  0.64 ms  0.64 ms",
        "",
        "10 of 10 pushes sent: 10 answered with ok, 0 refused, 0 not answered.",
    ]


def test_the_table_of_heartbeats_has_no_joins() -> None:
    table = result_table(result(), plan(topic=None, clients=1)).splitlines()
    assert table[0].startswith("1 client without a topic, 2 a second each")
    assert [line.split("  ")[0] for line in table[3:5]] == ["connect", "heartbeat to reply"]
    assert "10 of 10 heartbeats sent" in table[-1]


@pytest.mark.parametrize(
    ("changes", "counts", "plans", "text"),
    [
        ({"refusal": "never"}, {"refused": 2, "replied": 8}, {}, "The first refusal: never"),
        (
            {},
            {"replied": 0},
            {},
            "No push was answered: a handler that returns None sends no reply.",
        ),
        (
            {},
            {"heard": 95, "expected": 100},
            {"hears": True},
            "95 of 100 deliveries, if each push goes to all clients of its topic: 9.5 a push.",
        ),
        ({}, {"heard": 0}, {"hears": True}, "does the handler of echo broadcast the field body?"),
        (
            {"failure": "no route"},
            {"failed": 1, "lost": 2},
            {},
            "1 of 10 clients could not connect or join, 2 were lost.\nThe first one: no route",
        ),
        ({"seconds": 0.9}, {}, {}, "The pushes took 0.4 s longer than planned"),
        ({"is_whole": False}, {}, {}, "The run was interrupted"),
        ({}, {}, {"topics": 3, "topic": "room:{n}"}, "10 clients in 3 topics, room:{n}, "),
    ],
)
def test_what_was_not_as_planned_is_said(
    changes: dict[str, Any], counts: dict[str, int], plans: dict[str, Any], text: str
) -> None:
    made = result(**counts)
    for name, value in changes.items():
        setattr(made, name, value)
    assert text in result_table(made, plan(**plans))


def test_a_run_without_a_push() -> None:
    table = result_table(BenchResult("Python"), plan(hears=True))
    assert "push to delivery      0" in table
    assert "0 of 0 pushes sent" in table


@pytest.mark.parametrize(
    ("phase", "counts", "plans", "line"),
    [
        ("opening", {"joined": 5, "opened": 7}, {}, "connecting: 5 of 10 clients"),
        (
            "opening",
            {"opened": 7, "failed": 1},
            {"topic": None},
            "connecting: 7 of 10 clients, 1 failed",
        ),
        ("load", {"pushed": 1200, "replied": 3}, {}, "0.2 of 0.5 s: 1,200 pushes, 3 replies"),
        (
            "draining",
            {"heard": 1, "refused": 2, "lost": 3},
            {"hears": True},
            "waiting for replies: 0 pushes, 0 replies, 1 deliveries, 2 refused, 3 clients lost",
        ),
    ],
)
def test_the_progress(phase: str, counts: dict[str, int], plans: dict[str, Any], line: str) -> None:
    assert progress_line(BenchProgress(phase, 0.2, BenchCounts(**counts)), plan(**plans)) == line


def test_json() -> None:
    made = json.loads(json.dumps(result_json(result(), plan())))
    assert made["engine"] == "C"
    assert made["pushed"] == made["replied"] == 10
    assert made["times_us"]["reply"] == {
        "count": 10,
        "p50": 640,
        "p90": 640,
        "p99": 640,
        "max": 640,
    }
    assert made["times_us"]["delivery"]["p50"] is None


@pytest.mark.parametrize(("times_us", "text"), [(98_765, "98.8 ms"), (2_345_678, "2.35 s")])
def test_long_times(times_us: float, text: str) -> None:
    made = result()
    made.reply = times(times_us)
    assert text in result_table(made, plan())
