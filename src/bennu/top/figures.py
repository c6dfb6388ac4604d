"""The figures of an endpoint, from two scrapes of its metrics. Pure.

``docs/top.md`` explains each figure. Rates are a second.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, to_builtins

from .scrape import MetricsScrape, ScrapeDifference, Spread
from .table_rows import EVENT_ORDERS, EventRow, TopicRow, TopSort, event_rows, topic_rows

__all__ = [
    "BusFigures",
    "Counted",
    "Queues",
    "StoreFigures",
    "TopFigures",
    "figures_json",
    "figures_of",
]

SENT: Final = (
    *("bennu_replies_total", "bennu_pushes_total", "bennu_entries_caught_up_total"),
    "bennu_deliveries_total",
)
"""The counters of messages to clients."""


class Counted(Struct, frozen=True):
    """A counter of one kind of trouble.

    Attributes:
        name: The reason or the limit.
        total: The number since the start.
        rate: The increase in a second.
    """

    name: str
    total: int
    rate: float


class Queues(Struct, frozen=True):
    """What waits.

    Attributes:
        mailbox_items: Items that wait for busy channels and raw handlers.
        mailbox_bytes: Bytes of the messages of clients among them.
        longest_mailbox: The same for the busiest.
        slow_clients: Clients that read too slowly.
        unsent_bytes: Bytes that wait for them.
        unsent_messages: Messages that wait for them, and can be dropped.
    """

    mailbox_items: int
    mailbox_bytes: int
    longest_mailbox: int
    slow_clients: int
    unsent_bytes: int
    unsent_messages: int


class BusFigures(Struct, frozen=True):
    """The bus, as the workers hear it.

    Attributes:
        up: Workers that hear it.
        down: Workers that do not.
        silence: The most seconds for which a worker has not heard it.
        losses: Losses by reason.
        lost: Lost messages, as far as their number is known, since the start.
    """

    up: int
    down: int
    silence: float
    losses: list[Counted]
    lost: int


class StoreFigures(Struct, frozen=True):
    """The store of the histories.

    Attributes:
        up: Workers that it answers.
        down: Workers that it does not answer.
        calls: Its calls.
        failed: Calls that failed, in a second.
    """

    up: int
    down: int
    calls: Spread
    failed: float


class TopFigures(Struct, frozen=True, kw_only=True):
    """All figures. Rates are a second, times are seconds.

    Attributes:
        seconds: The time between the two scrapes.
        workers: Processes that serve.
        draining: Those of them that drain.
        connections: Open connections.
        opened: Connections that were opened.
        closed: Connections that have ended.
        refused_connects: Connects that were refused.
        connect: The times of your ``connect``.
        channels: Joined channels.
        joins: Joins that were accepted.
        refused_joins: Joins that were refused, or have crashed.
        crashed: Channels that have failed.
        received: Messages of clients.
        received_bytes: Their bytes.
        refused: Messages that were answered with an error.
        sent: Messages to clients.
        sent_bytes: Their bytes.
        replies: Replies.
        pushes: Messages to one client.
        deliveries: Broadcasts, for each client that got one.
        broadcasts: Broadcasts.
        handled: The times of all handlers.
        queues: What waits.
        drops: Messages that were not delivered, by reason.
        limits: Limits that were exceeded.
        presences: Presences.
        bus: The bus; None without one.
        store: The store; None without one.
        lag: How late timers of the event loop run.
        held: How often a function has held the event loop, since the start.
        held_share: The share of the time in which it was held.
        cpu: CPU time in a second: 1 is a core.
        memory: Resident bytes of all workers.
        largest: Resident bytes of the largest worker.
        tasks: Tasks of channels, raw handlers and the server.
        events: The events with a handler, and those that were refused.
        topics: The topic patterns.
    """

    seconds: float
    workers: int
    draining: int
    connections: int
    opened: float
    closed: float
    refused_connects: float
    connect: Spread
    channels: int
    joins: float
    refused_joins: float
    crashed: float
    received: float
    received_bytes: float
    refused: float
    sent: float
    sent_bytes: float
    replies: float
    pushes: float
    deliveries: float
    broadcasts: float
    handled: Spread
    queues: Queues
    drops: list[Counted]
    limits: list[Counted]
    presences: int
    bus: BusFigures | None
    store: StoreFigures | None
    lag: Spread
    held: int
    held_share: float
    cpu: float
    memory: int
    largest: int
    tasks: int
    events: list[EventRow]
    topics: list[TopicRow]

    def sorted_events(self, order: TopSort) -> list[EventRow]:
        """Return the events in an order. Those with the same value are in the order of their names."""
        by_name = sorted(self.events, key=lambda one: (one.topic, one.event, one.channel))
        return by_name if order is TopSort.NAME else sorted(by_name, key=EVENT_ORDERS[order])

    def sorted_topics(self, order: TopSort) -> list[TopicRow]:
        """Return the topic patterns, by name or else by what is sent to them."""
        by_name = sorted(self.topics, key=lambda one: one.topic)
        if order is TopSort.NAME:
            return by_name
        return sorted(by_name, key=lambda one: (-one.deliveries, -one.broadcasts, -one.channels))


def figures_of(before: MetricsScrape, now: MetricsScrape) -> TopFigures:
    """Return the figures.

    Args:
        before: The first scrape.
        now: The second, of a later time.
    """
    change = ScrapeDifference(before, now)
    joins = change.rates("bennu_joins_total", "result")
    ended = change.rates("bennu_channels_ended_total", "end")
    memory = now.values("bennu_memory_bytes")
    return TopFigures(
        seconds=change.seconds,
        workers=int(now.sum("bennu_workers")),
        draining=int(now.sum("bennu_draining")),
        connections=int(now.sum("bennu_connections")),
        opened=change.rate("bennu_connections_opened_total"),
        closed=change.rate("bennu_connections_closed_total"),
        refused_connects=change.rate("bennu_connects_refused_total"),
        connect=change.spread("bennu_connect_seconds_bucket"),
        channels=int(now.sum("bennu_channels")),
        joins=joins.get(("ok",), 0.0),
        refused_joins=joins.get(("error",), 0.0),
        crashed=ended.get(("failed",), 0.0),
        received=change.rate("bennu_messages_received_total"),
        received_bytes=change.rate("bennu_received_bytes_total"),
        refused=change.rate("bennu_messages_refused_total"),
        sent=sum(change.rate(name) for name in SENT),
        sent_bytes=change.rate("bennu_sent_bytes_total")
        + change.rate("bennu_delivered_bytes_total"),
        replies=change.rate("bennu_replies_total"),
        pushes=change.rate("bennu_pushes_total"),
        deliveries=change.rate("bennu_deliveries_total"),
        broadcasts=change.rate("bennu_fanout_receivers_count"),
        handled=change.spread("bennu_handler_seconds_bucket"),
        queues=Queues(
            mailbox_items=int(now.sum("bennu_mailbox_items")),
            mailbox_bytes=int(now.sum("bennu_mailbox_bytes")),
            longest_mailbox=int(max(now.values("bennu_longest_mailbox"), default=0)),
            slow_clients=int(now.sum("bennu_slow_clients")),
            unsent_bytes=int(now.sum("bennu_unsent_bytes")),
            unsent_messages=int(now.sum("bennu_unsent_messages")),
        ),
        drops=_counted(change, "bennu_messages_dropped_total", "reason"),
        limits=_counted(change, "bennu_limits_exceeded_total", "limit"),
        presences=int(now.sum("bennu_presences")),
        bus=_bus(change),
        store=_store(change),
        lag=change.spread("bennu_loop_lag_seconds_bucket"),
        held=int(now.sum("bennu_loop_held_total")),
        held_share=change.rate("bennu_loop_held_seconds_total"),
        cpu=change.rate("bennu_cpu_seconds_total"),
        memory=int(sum(memory)),
        largest=int(max(memory, default=0)),
        tasks=int(now.sum("bennu_tasks")),
        events=event_rows(change),
        topics=topic_rows(change),
    )


def figures_json(figures: TopFigures) -> dict[str, Any]:
    """Return the figures for tools."""
    found: dict[str, Any] = to_builtins(figures)
    return found


def _counted(change: ScrapeDifference, name: str, label: str) -> list[Counted]:
    """Return the kinds of trouble that there were since the start."""
    rates = change.rates(name, label)
    totals = change.now.sums(name, label)
    return [Counted(kind, int(total), rates[(kind,)]) for (kind,), total in totals.items() if total]


def _bus(change: ScrapeDifference) -> BusFigures | None:
    up = change.now.values("bennu_bus_up")
    if not up:
        return None
    return BusFigures(
        up=int(sum(up)),
        down=len(up) - int(sum(up)),
        silence=max(change.now.values("bennu_bus_silence_seconds"), default=0.0),
        losses=_counted(change, "bennu_bus_losses_total", "reason"),
        lost=int(change.now.sum("bennu_bus_messages_lost_total")),
    )


def _store(change: ScrapeDifference) -> StoreFigures | None:
    up = change.now.values("bennu_store_up")
    if not up:
        return None
    by_result = change.rates("bennu_store_seconds_count", "result")
    return StoreFigures(
        up=int(sum(up)),
        down=len(up) - int(sum(up)),
        calls=change.spread("bennu_store_seconds_bucket"),
        failed=by_result.get(("error",), 0.0),
    )
