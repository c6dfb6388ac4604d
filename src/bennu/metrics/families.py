"""All metrics of Bennu: their names, labels and buckets. Pure.

``docs/metrics.md`` explains each of them, and a test compares that page with this module.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ..reasons import CloseCode, DropReason, Limit, LossReason
from .schema import Family, MetricKind, Schema, Series

__all__ = [
    "ANY",
    "CODES",
    "ENDS",
    "OTHER",
    "REFUSALS",
    "STATUSES",
    "STORE_METHODS",
    "ChannelLabels",
    "Labels",
    "schema_of",
]

ANY: Final = "*"
"""The label of all events without a handler of their own, of topics without a pattern, and of raw handlers."""

OTHER: Final = "other"
"""The label of a value that is in none of our tables."""

NO_CODE: Final = "none"
"""The label of a connection that the server did not close."""

CODES: Final = tuple(dict.fromkeys((NO_CODE, *(str(one.code) for one in CloseCode), OTHER)))
REFUSALS: Final = ("400", "403", "429", "500", "503", OTHER)
STATUSES: Final = ("ok", "error", OTHER)
RESULTS: Final = ("ok", "error")
ENDS: Final = ("left", "stopped", "failed", "lost", "replaced")
STORE_METHODS: Final = (
    *("append", "read", "heads", "subscribe", "claim", "settle", "release"),
    OTHER,
)

# fmt: off
SECONDS: Final = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
LAGS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
RECEIVERS: Final = (0.0, 1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 10000.0, 50000.0)
# fmt: on


class ChannelLabels(NamedTuple):
    """The labels of a channel class under one topic pattern.

    Attributes:
        channel: The name of the class.
        topic: The topic pattern.
        events: The events of its handlers.
    """

    channel: str
    topic: str
    events: tuple[str, ...]


class Labels(NamedTuple):
    """The labels of one endpoint: all of them come from its definition.

    Attributes:
        sockets: The mount path and the transport of each way to connect.
        channels: The channel classes. No two have the same class and pattern.
        presences: The names of the presences.
        has_bus: Whether the endpoint has a bus.
        has_store: Whether a topic has history.
    """

    sockets: tuple[tuple[str, str], ...]
    channels: tuple[ChannelLabels, ...]
    presences: tuple[str, ...] = ()
    has_bus: bool = False
    has_store: bool = False


def schema_of(labels: Labels) -> Schema:
    """Return the schema of an endpoint.

    Args:
        labels: The labels of the endpoint.
    """
    families = [
        *_of_connections(labels),
        *_of_channels(labels),
        *_of_topics(labels),
        *_of_clients(labels),
        *_of_process(),
        *_of_presences(labels),
        *_of_bus(labels),
        *_of_store(labels),
    ]
    return Schema([one for one in families if one.series])


def _with(rows: tuple[Series, ...], values: tuple[str, ...]) -> tuple[Series, ...]:
    """Return each row with each value at its end."""
    return tuple((*row, value) for row in rows for value in values)


def _counter(
    name: str, help_text: str, labels: str = "", series: tuple[Series, ...] = ((),)
) -> Family:
    return Family(name, MetricKind.COUNTER, help_text, tuple(labels.split()), series)


def _gauge(
    name: str, help_text: str, labels: str = "", series: tuple[Series, ...] = ((),)
) -> Family:
    return Family(name, MetricKind.GAUGE, help_text, tuple(labels.split()), series)


def _of_worker(name: str, help_text: str) -> Family:
    return Family(name, MetricKind.OF_WORKER, help_text)


def _histogram(
    name: str,
    help_text: str,
    labels: str,
    series: tuple[Series, ...],
    buckets: tuple[float, ...] = SECONDS,
) -> Family:
    return Family(name, MetricKind.HISTOGRAM, help_text, tuple(labels.split()), series, buckets)


def _of_connections(labels: Labels) -> list[Family]:
    mounts = tuple((mount,) for mount in dict.fromkeys(mount for mount, _ in labels.sockets))
    rows, of = labels.sockets, "socket transport"
    return [
        _gauge("bennu_connections", "Open connections.", of, rows),
        _counter("bennu_connections_opened", "Connections that were opened.", of, rows),
        _counter(
            "bennu_connections_closed",
            "Connections that have ended, by the code with which the server has closed them.",
            f"{of} code",
            _with(rows, CODES),
        ),
        _counter(
            "bennu_connects_refused",
            "Connects that were refused, by HTTP status.",
            "socket status",
            _with(mounts, REFUSALS),
        ),
        _histogram("bennu_connect_seconds", "Seconds that connect took.", "socket", mounts),
        _counter("bennu_messages_received", "Messages of clients.", of, rows),
        _counter("bennu_received_bytes", "Bytes of the messages of clients.", of, rows),
        _counter("bennu_replies", "Replies to clients.", f"{of} status", _with(rows, STATUSES)),
        _counter("bennu_pushes", "Messages to one client that are no replies.", of, rows),
        _counter(
            "bennu_entries_caught_up",
            "Entries of histories for clients that catch up.",
            of,
            rows,
        ),
        _counter("bennu_sent_bytes", "Bytes to one client, without broadcasts.", of, rows),
    ]


def _of_channels(labels: Labels) -> list[Family]:
    rows = tuple((one.channel, one.topic) for one in labels.channels)
    of = "channel topic"
    handled = tuple(
        (one.channel, one.topic, event) for one in labels.channels for event in one.events
    )
    refused = dict.fromkeys((*handled, *((*row, ANY) for row in rows)))
    return [
        _gauge("bennu_channels", "Joined channels.", of, rows),
        _counter("bennu_joins", "Joins, by result.", f"{of} result", _with(rows, RESULTS)),
        _histogram("bennu_join_seconds", "Seconds that a join took.", of, rows),
        _counter(
            "bennu_channels_ended", "Channels that have ended.", f"{of} end", _with(rows, ENDS)
        ),
        _histogram(
            "bennu_handler_seconds",
            "Seconds that a handler of a client's event took, if it did not raise.",
            f"{of} event",
            handled,
        ),
        _counter(
            "bennu_messages_refused",
            "Messages that were answered with an error because they were refused.",
            f"{of} event",
            tuple(refused),
        ),
    ]


def _of_topics(labels: Labels) -> list[Family]:
    topics = dict.fromkeys((*(one.topic for one in labels.channels), ANY))
    rows: tuple[Series, ...] = tuple((topic,) for topic in topics) if labels.channels else ()
    return [
        _histogram(
            "bennu_fanout_receivers",
            "Clients that got a broadcast at once.",
            "topic",
            rows,
            RECEIVERS,
        ),
        _counter("bennu_deliveries", "Broadcasts that were delivered to a client.", "topic", rows),
        _counter("bennu_delivered_bytes", "Bytes of delivered broadcasts.", "topic", rows),
    ]


def _of_clients(labels: Labels) -> list[Family]:
    boxes = ((ANY, ANY), *((one.channel, one.topic) for one in labels.channels))
    return [
        _counter(
            "bennu_messages_dropped",
            "Messages that were not delivered.",
            "reason",
            tuple((one.text,) for one in DropReason),
        ),
        _counter(
            "bennu_limits_exceeded",
            "How often clients have exceeded a limit.",
            "limit",
            tuple((one.text,) for one in Limit),
        ),
        _gauge("bennu_slow_clients", "Clients that read too slowly."),
        _gauge("bennu_unsent_bytes", "Bytes that wait for slow clients."),
        _gauge("bennu_unsent_messages", "Messages that wait for slow clients, and can be dropped."),
        _gauge("bennu_mailbox_items", "Items that wait for busy channels.", "channel topic", boxes),
        _gauge(
            "bennu_mailbox_bytes",
            "Bytes of messages of clients that wait for busy channels.",
            "channel topic",
            boxes,
        ),
        _of_worker("bennu_longest_mailbox", "Items that wait for the busiest channel."),
    ]


def _of_process() -> list[Family]:
    return [
        _gauge("bennu_workers", "Processes that serve."),
        _of_worker("bennu_draining", "1 while the process closes its connections, else 0."),
        _of_worker("bennu_memory_bytes", "Resident memory of the process."),
        Family(
            "bennu_cpu_seconds", MetricKind.SECONDS, "CPU time of the process, user and system."
        ),
        _gauge("bennu_tasks", "Tasks of channels, raw handlers and the server."),
        _histogram(
            "bennu_loop_lag_seconds", "How late timers of the event loop run.", "", ((),), LAGS
        ),
        _counter("bennu_loop_held", "How often a function has held the event loop for 0.1 s."),
        Family(
            "bennu_loop_held_seconds", MetricKind.SECONDS, "Seconds for which functions held it."
        ),
    ]


def _of_presences(labels: Labels) -> list[Family]:
    rows: tuple[Series, ...] = tuple((name,) for name in labels.presences)
    return [
        _gauge("bennu_presences", "Presences of clients of this process.", "presence", rows),
        _counter("bennu_presence_diffs", "Diffs of presences to clients.", "presence", rows),
    ]


def _of_bus(labels: Labels) -> list[Family]:
    if not labels.has_bus:
        return []
    reasons = tuple((one.text,) for one in LossReason)
    return [
        _of_worker("bennu_bus_up", "1 while the node hears the bus, else 0."),
        _of_worker("bennu_bus_silence_seconds", "Seconds since the bus was heard."),
        _counter("bennu_bus_cut_off", "How often the node was cut off from the bus."),
        _counter("bennu_bus_messages_lost", "Messages lost on the bus.", "reason", reasons),
        _counter("bennu_bus_losses", "Losses on the bus, of any size.", "reason", reasons),
    ]


def _of_store(labels: Labels) -> list[Family]:
    if not labels.has_store:
        return []
    rows = _with(tuple((method,) for method in STORE_METHODS), RESULTS)
    return [
        _of_worker("bennu_store_up", "1 while the store answers, else 0."),
        _histogram("bennu_store_seconds", "Seconds of a call of the store.", "method result", rows),
    ]
