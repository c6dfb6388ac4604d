"""Who pushes what, and when."""

from __future__ import annotations

import json

import pytest

from bennu.bench.plan import STAMP_SIZE, stamp_time

from .plans import plan


def test_topics() -> None:
    one, many = plan(), plan(topic="room:{n}:x", topics=3)
    assert {one.topic_of(client) for client in range(5)} == {"room:1"}
    assert [many.topic_of(client) for client in range(5)] == [
        "room:0:x",
        "room:1:x",
        "room:2:x",
        "room:0:x",
        "room:1:x",
    ]
    assert plan(topic=None).topic_of(1) == ""


@pytest.mark.parametrize(
    ("rate", "ready", "seconds", "pushes"),
    [(1, 10, 2, 20), (0.5, 3, 1, 2), (0.1, 10, 1, 1), (1, 0, 5, 0), (0.3, 10, 1, 3)],
)
def test_the_number_of_pushes(rate: float, ready: int, seconds: float, pushes: int) -> None:
    """Those before the end are sent. A rate that no float has exactly adds none."""
    assert plan(rate=rate, seconds=seconds).planned(ready) == pushes


@pytest.mark.parametrize("size", [STAMP_SIZE, 60, 1000])
def test_a_payload_has_its_stamp_and_its_size(size: int) -> None:
    made = plan(size=size, name="text", payload={"kind": 'a"b', "n": 1})
    before, after = made.around_stamp()
    stamp = made.stamp(7, 123_456)
    payload = json.loads(before + stamp + after)
    assert payload["kind"] == 'a"b'
    assert len(payload["text"]) == size
    assert payload["text"].startswith("bench-0123abcd-0000007-0000000000000123456")
    assert stamp_time(made.mark.encode(), (before + stamp + after).encode()) == 123_456


@pytest.mark.parametrize(
    "data", [b"", b"bench-0123abcd", b"bench-0123abcd-0000007-00000000000001234xx"]
)
def test_what_has_no_whole_stamp_has_no_time(data: bytes) -> None:
    assert stamp_time(b"bench-0123abcd", data) is None
