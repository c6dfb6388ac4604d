"""The rows of ``bennu top``: events and topic patterns. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from msgspec import Struct

from .scrape import ScrapeDifference, Spread

__all__ = ["EVENT_ORDERS", "EventRow", "TopSort", "TopicRow", "event_rows", "topic_rows"]

ANY: Final = "*"
"""The label of what has no name in the endpoint's definition."""


class EventRow(Struct, frozen=True):
    """One event of one channel class under one topic pattern.

    Attributes:
        event: The event; ``*`` for all without a handler.
        topic: The topic pattern.
        channel: The name of the class.
        handled: The handler's times.
        refused: Messages that were answered with an error, in a second.
    """

    event: str
    topic: str
    channel: str
    handled: Spread
    refused: float

    @property
    def rate(self) -> float:
        """Messages in a second."""
        return self.handled.rate + self.refused


class TopicRow(Struct, frozen=True):
    """One topic pattern.

    Attributes:
        topic: The pattern; ``*`` for topics that no client can join, and for what waits for raw handlers.
        channels: Joined channels.
        joins: Joins in a second.
        crashed: Channels that have failed, in a second.
        waiting: Items that wait for busy channels.
        waiting_bytes: Bytes of the messages of clients among them.
        broadcasts: Broadcasts in a second.
        deliveries: Deliveries to clients in a second.
        bytes: Their bytes in a second.
    """

    topic: str
    channels: int
    joins: float
    crashed: float
    waiting: int
    waiting_bytes: int
    broadcasts: float
    deliveries: float
    bytes: float


class TopSort(Enum):
    """The orders of the rows."""

    RATE = "rate"
    P99 = "p99"
    REFUSED = "refused"
    NAME = "name"

    @property
    def next(self) -> TopSort:
        """The order after this one."""
        orders = list(TopSort)
        return orders[(orders.index(self) + 1) % len(orders)]


EVENT_ORDERS: Final[Mapping[TopSort, Callable[[EventRow], float]]] = {
    TopSort.RATE: lambda one: -one.rate,
    TopSort.P99: lambda one: -(one.handled.p99 or 0.0),
    TopSort.REFUSED: lambda one: -one.refused,
}


def event_rows(change: ScrapeDifference) -> list[EventRow]:
    """Return the events with a handler, and those that were refused."""
    labels = ("event", "topic", "channel")
    handled = change.spreads("bennu_handler_seconds_bucket", *labels)
    refused = change.rates("bennu_messages_refused_total", *labels)
    rows = [
        EventRow(key[0], key[1], key[2], handled.get(key, Spread()), refused.get(key, 0.0))
        for key in dict.fromkeys((*handled, *refused))
    ]
    return [one for one in rows if one.event != ANY or one.rate]


def topic_rows(change: ScrapeDifference) -> list[TopicRow]:
    """Return the topic patterns."""
    channels = change.now.sums("bennu_channels", "topic")
    joins = change.rates("bennu_joins_total", "topic")
    ended = change.rates("bennu_channels_ended_total", "topic", "end")
    waiting = change.now.sums("bennu_mailbox_items", "topic")
    waiting_bytes = change.now.sums("bennu_mailbox_bytes", "topic")
    broadcasts = change.rates("bennu_fanout_receivers_count", "topic")
    deliveries = change.rates("bennu_deliveries_total", "topic")
    sizes = change.rates("bennu_delivered_bytes_total", "topic")
    rows = [
        TopicRow(
            topic=key[0],
            channels=int(channels.get(key, 0.0)),
            joins=joins.get(key, 0.0),
            crashed=ended.get((*key, "failed"), 0.0),
            waiting=int(waiting.get(key, 0.0)),
            waiting_bytes=int(waiting_bytes.get(key, 0.0)),
            broadcasts=count,
            deliveries=deliveries.get(key, 0.0),
            bytes=sizes.get(key, 0.0),
        )
        for key, count in broadcasts.items()
    ]
    return [one for one in rows if one.topic != ANY or one.broadcasts or one.waiting]
