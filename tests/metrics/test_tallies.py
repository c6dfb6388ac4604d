"""Counts of messages, by additions to words."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.metrics.families import ChannelLabels, Labels, schema_of
from bennu.metrics.rows import new_block
from bennu.metrics.schema import MetricKind
from bennu.metrics.tallies import Tallies
from bennu.metrics.totals import Totals

DEFINITION = object()
ROOM = ChannelLabels("Room", "room:*", ("say", "*"))
HALL = ChannelLabels("Hall", "hall", ("say",))


class Counting:
    """Tallies, and what they have counted."""

    def __init__(self, *channels: ChannelLabels) -> None:
        labels = Labels((("/socket", "websocket"),), channels)
        schema = schema_of(labels)
        self.tallies = Tallies(
            schema,
            new_block(schema.words),
            {id(DEFINITION): one for one in channels},
            lambda topic: "room:*" if topic.startswith("room:") else None,
        )

    def counted(self) -> dict[str, Any]:
        """Return all values that are not zero, without the constant labels. A histogram is its buckets and its sum."""
        totals = Totals()
        totals.add(self.tallies.schema, self.tallies.block, worker=1)
        hidden = {"/socket", "websocket", "Room", "room:*", "Hall", "hall"}
        return {
            " ".join(
                [family.name.removeprefix("bennu_"), *(s for s in series if s not in hidden)]
            ): (words if family.kind is MetricKind.HISTOGRAM else words[0])
            for family, values in totals
            for series, words in values.items()
            if any(words)
        }


@pytest.fixture
def counting() -> Counting:
    return Counting(ROOM)


def test_messages_of_a_connection(counting: Counting) -> None:
    tally = counting.tallies.connection("/socket", "websocket", len)
    tally.opened()
    tally.received(10)
    tally.received(20)
    tally.replied("ok", b"123")
    tally.sent(b"1234")
    tally.sent(b"12", "error")
    tally.replied("maybe", b"1")
    tally.caught_up(3, b"12345")
    assert counting.counted() == {
        "connections": 1,
        "connections_opened": 1,
        "messages_received": 2,
        "received_bytes": 30,
        "replies ok": 1,
        "replies error": 1,
        "replies other": 1,
        "pushes": 1,
        "entries_caught_up": 3,
        "sent_bytes": 15,
    }


@pytest.mark.parametrize(("code", "label"), [(None, "none"), (1012, "1012"), (4999, "other")])
def test_the_end_of_a_connection(counting: Counting, code: int | None, label: str) -> None:
    tally = counting.tallies.connection("/socket", "websocket", len)
    tally.opened()
    tally.closed(code)
    assert counting.counted() == {"connections_opened": 1, f"connections_closed {label}": 1}


def test_connections_with_the_same_labels_share_a_tally(counting: Counting) -> None:
    tallies = counting.tallies
    one = tallies.connection("/socket", "websocket", len)
    assert tallies.connection("/socket", "websocket", len) is one
    assert tallies.connection("/socket", "websocket", lambda framed: framed[0]) is not one


def test_a_channel(counting: Counting) -> None:
    tally = counting.tallies.channel(DEFINITION)
    tally.not_joined()
    tally.joined()
    tally.join_took(0.0001)
    tally.joined()
    tally.ended("left")
    counted = counting.counted()
    assert counted.pop("join_seconds")[0] == 1
    assert counted == {"joins error": 1, "joins ok": 2, "channels": 1, "channels_ended left": 1}


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.00001, 0), (0.0001, 0), (0.0003, 1), (0.25, 9), (60, 14)]
)
def test_the_time_of_a_handler(counting: Counting, seconds: float, bucket: int) -> None:
    """A value that is equal to the bound of a bucket is in this bucket."""
    counting.tallies.channel(DEFINITION).handled("say", seconds)
    words = counting.counted()["handler_seconds say"]
    assert words[bucket] == sum(words[:-1]) == 1
    assert words[-1] == seconds


def test_events_of_a_client_have_the_labels_of_the_handlers(counting: Counting) -> None:
    tally = counting.tallies.channel(DEFINITION)
    tally.handled("any text", 0)
    tally.refused("say")
    tally.refused("any text")
    counted = counting.counted()
    assert counted.pop("handler_seconds *")[0] == 1
    assert counted == {"messages_refused say": 1, "messages_refused *": 1}


def test_a_channel_without_handlers_counts_what_it_refuses() -> None:
    counting = Counting(HALL._replace(events=()))
    counting.tallies.channel(DEFINITION).refused("say")
    assert counting.counted() == {"messages_refused *": 1}


def test_deliveries(counting: Counting) -> None:
    """Topics have the labels of their patterns."""
    room, other = counting.tallies.topic("room:1"), counting.tallies.topic("elsewhere")
    assert room is not None
    assert other is not None
    room.fanned_out(3, 300)
    room.delivered(1, 100)
    other.fanned_out(0, 0)
    counted = counting.counted()
    assert counted.pop("fanout_receivers")[3] == 1
    assert counted.pop("fanout_receivers *")[0] == 1
    assert counted == {"deliveries": 4, "delivered_bytes": 400}


def test_without_channels_there_are_no_deliveries() -> None:
    assert Counting().tallies.topic("room:1") is None


def test_what_is_rare(counting: Counting) -> None:
    tallies = counting.tallies
    tallies.refused("/socket", 403)
    tallies.refused("/socket", 418)
    tallies.observe("bennu_loop_lag_seconds", 9.0)
    tallies.add("bennu_loop_held", count=2)
    tallies.add_seconds("bennu_loop_held_seconds", 1.5)
    tallies.set("bennu_tasks", 7)
    counted = counting.counted()
    assert counted.pop("loop_lag_seconds")[-2:] == [1, 9.0]
    assert counted == {
        "connects_refused 403": 1,
        "connects_refused other": 1,
        "loop_held": 2,
        "loop_held_seconds": 1.5,
        "tasks": 7,
    }
