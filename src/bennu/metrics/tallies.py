"""Counts what happens, by additions to the words of a block. Pure.

A tally has the places of its series, and is shared by all connections, channels or topics with the same labels. Each method is
called for a message or more often than that, so it only adds. An addition to a word takes some 70 ns.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from ..message import ERROR, OK
from .families import ANY, CODES, OTHER, REFUSALS
from .rows import Block
from .schema import Schema

__all__ = ["ChannelTally", "ConnectionTally", "HistogramPlace", "Tallies", "TopicTally"]

NOBODY_CLOSED: Final = CODES[0]


class HistogramPlace(NamedTuple):
    """The place of a histogram.

    Attributes:
        block: The words.
        first: The number of the first bucket's word.
        bounds: The upper bounds of the buckets.
    """

    block: Block
    first: int
    bounds: tuple[float, ...]

    def observe(self, value: float) -> None:
        """Count a value."""
        counts, numbers = self.block
        counts[self.first + bisect_left(self.bounds, value)] += 1
        numbers[self.first + len(self.bounds) + 1] += value


class ConnectionTally:
    """Counts the messages of the connections to one socket over one transport.

    Args:
        schema: The schema.
        block: The words.
        mount: The mount path of the socket.
        transport: The name of the transport.
        size: Returns the bytes of what is written to the transport.
    """

    __slots__ = (
        "_caught_up",
        "_closed",
        "_connections",
        "_counts",
        "_messages",
        "_numbers",
        "_opened",
        "_other",
        "_pushes",
        "_received",
        "_replies",
        "_sent",
        "_size",
    )

    def __init__(
        self,
        schema: Schema,
        block: Block,
        mount: str,
        transport: str,
        size: Callable[[Any], int],
    ) -> None:
        def place(name: str, *more: str) -> int:
            return schema.place(f"bennu_{name}", mount, transport, *more)

        self._counts, self._numbers = block
        self._size = size
        self._connections = place("connections")
        self._opened = place("connections_opened")
        self._closed = {code: place("connections_closed", code) for code in CODES}
        self._messages = place("messages_received")
        self._received = place("received_bytes")
        self._replies = {status: place("replies", status) for status in (OK, ERROR)}
        self._other = place("replies", OTHER)
        self._pushes = place("pushes")
        self._caught_up = place("entries_caught_up")
        self._sent = place("sent_bytes")

    def opened(self) -> None:
        """Count a connection that has opened."""
        self._counts[self._opened] += 1
        self._numbers[self._connections] += 1

    def closed(self, code: int | None) -> None:
        """Count a connection that has ended.

        Args:
            code: The code with which the server has closed it; None if the server did not.
        """
        text = NOBODY_CLOSED if code is None else str(code)
        self._counts[self._closed.get(text, self._closed[OTHER])] += 1
        self._numbers[self._connections] -= 1

    def received(self, size: int) -> None:
        """Count a message of the client.

        Args:
            size: Bytes of the message.
        """
        counts = self._counts
        counts[self._messages] += 1
        counts[self._received] += size

    def replied(self, status: str, framed: Any) -> None:
        """Count a reply.

        Args:
            status: Its status.
            framed: The reply as it is written to the transport.
        """
        counts = self._counts
        counts[self._replies.get(status, self._other)] += 1
        counts[self._sent] += self._size(framed)

    def sent(self, framed: Any, status: str | None = None) -> None:
        """Count a message to the client.

        Args:
            framed: The message as it is written to the transport.
            status: The status of a reply; None for any other message.
        """
        if status is not None:
            self.replied(status, framed)
            return
        counts = self._counts
        counts[self._pushes] += 1
        counts[self._sent] += self._size(framed)

    def caught_up(self, messages: int, framed: Any) -> None:
        """Count entries of a history that are written to a client.

        Args:
            messages: Their number.
            framed: The entries as they are written to the transport.
        """
        self._counts[self._caught_up] += messages
        self._counts[self._sent] += self._size(framed)


class ChannelTally:
    """Counts the channels of one class under one topic pattern.

    Args:
        schema: The schema.
        block: The words.
        channel: The name of the class.
        topic: The topic pattern.
        events: The events of its handlers.
    """

    __slots__ = (
        "_any",
        "_bounds",
        "_channels",
        "_counts",
        "_ended",
        "_fastest",
        "_handled",
        "_join",
        "_joins",
        "_numbers",
        "_refused",
        "_sum",
    )

    def __init__(
        self, schema: Schema, block: Block, channel: str, topic: str, events: tuple[str, ...]
    ) -> None:
        def place(name: str, *more: str) -> int:
            return schema.place(f"bennu_{name}", channel, topic, *more)

        self._counts, self._numbers = block
        self._bounds = schema.buckets("bennu_handler_seconds")
        self._fastest = self._bounds[0] if self._bounds else 0.0
        self._sum = len(self._bounds) + 1
        self._channels = place("channels")
        self._joins = {result: place("joins", result) for result in (OK, ERROR)}
        self._join = HistogramPlace(
            block, place("join_seconds"), schema.buckets("bennu_join_seconds")
        )
        self._ended = {
            series[2]: first
            for family, series, first in schema
            if family.name == "bennu_channels_ended" and series[:2] == (channel, topic)
        }
        self._handled = {event: place("handler_seconds", event) for event in events}
        self._refused = {event: place("messages_refused", event) for event in (*events, ANY)}
        self._any = self._handled.get(ANY, 0)

    def joined(self) -> None:
        """Count a join that has succeeded."""
        self._counts[self._joins[OK]] += 1
        self._numbers[self._channels] += 1

    def not_joined(self) -> None:
        """Count a join that was refused or crashed."""
        self._counts[self._joins[ERROR]] += 1

    def join_took(self, seconds: float) -> None:
        """Count the time of a join."""
        self._join.observe(seconds)

    def ended(self, end: str) -> None:
        """Count a joined channel that begins to end.

        Args:
            end: As in :class:`~bennu.telemetry.ChannelEnded`.
        """
        self._counts[self._ended[end]] += 1
        self._numbers[self._channels] -= 1

    def handled(self, event: str, seconds: float) -> None:
        """Count a message that a handler has handled.

        Args:
            event: The event. One without a handler of its own was handled by ``handle_in``.
            seconds: The time of the handler.
        """
        first = self._handled.get(event, self._any)
        self._numbers[first + self._sum] += seconds
        if seconds > self._fastest:  # else it is the first bucket: most handlers are that fast
            first += bisect_left(self._bounds, seconds)
        self._counts[first] += 1

    def refused(self, event: str) -> None:
        """Count a message that was refused.

        Args:
            event: The event, any text.
        """
        self._counts[self._refused.get(event, self._refused[ANY])] += 1


class TopicTally:
    """Counts the deliveries of the topics of one pattern.

    Args:
        schema: The schema.
        block: The words.
        topic: The pattern.
    """

    __slots__ = ("_bytes", "_counts", "_deliveries", "_receivers")

    def __init__(self, schema: Schema, block: Block, topic: str) -> None:
        name = "bennu_fanout_receivers"
        self._counts = block.counts
        self._receivers = HistogramPlace(block, schema.place(name, topic), schema.buckets(name))
        self._deliveries = schema.place("bennu_deliveries", topic)
        self._bytes = schema.place("bennu_delivered_bytes", topic)

    def fanned_out(self, receivers: int, size: int) -> None:
        """Count a broadcast that was passed on.

        Args:
            receivers: The clients that got it at once.
            size: Its bytes for all of them.
        """
        self._receivers.observe(receivers)
        self.delivered(receivers, size)

    def delivered(self, count: int, size: int) -> None:
        """Count deliveries.

        Args:
            count: Their number.
            size: Their bytes.
        """
        self._counts[self._deliveries] += count
        self._counts[self._bytes] += size


class Tallies:
    """The tallies of one endpoint.

    Args:
        schema: The schema.
        block: The words.
        channels: The names, patterns and events of the channel classes, by the identity of their definition.
        topic_of: Returns the pattern of a topic; None if it has none.

    Attributes:
        schema: As given.
        block: As given.
    """

    def __init__(
        self,
        schema: Schema,
        block: Block,
        channels: Mapping[int, tuple[str, str, tuple[str, ...]]],
        topic_of: Callable[[str], str | None],
    ) -> None:
        self.schema = schema
        self.block = block
        self._topic_of = topic_of
        self._channels = {
            key: ChannelTally(schema, block, *labels) for key, labels in channels.items()
        }
        self._connections: dict[tuple[str, str, object], ConnectionTally] = {}
        self._topics: dict[str, TopicTally] = {
            series[0]: TopicTally(schema, block, series[0])
            for family, series, _ in schema
            if family.name == "bennu_deliveries"
        }

    def connection(self, mount: str, transport: str, size: Callable[[Any], int]) -> ConnectionTally:
        """Return the tally of a connection.

        Args:
            mount: The mount path of its socket.
            transport: The name of its transport.
            size: Returns the bytes of what is written to it.
        """
        key = (mount, transport, size)
        tally = self._connections.get(key)
        if tally is None:
            tally = ConnectionTally(self.schema, self.block, mount, transport, size)
            self._connections[key] = tally
        return tally

    def channel(self, definition: object) -> ChannelTally:
        """Return the tally of the channels with a definition."""
        return self._channels[id(definition)]

    def topic(self, topic: str) -> TopicTally | None:
        """Return the tally of a topic; None if no channel can join any topic."""
        pattern = self._topic_of(topic)
        return self._topics.get(ANY if pattern is None else pattern)

    # What is rare.

    def refused(self, mount: str, status: int) -> None:
        """Count a connect that was refused.

        Args:
            mount: The mount path of the socket.
            status: The HTTP status of the answer.
        """
        text = str(status)
        self.add("bennu_connects_refused", mount, text if text in REFUSALS else OTHER)

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Count a value in a histogram.

        Args:
            name: The name of the family.
            value: The value.
            labels: The values of its labels.
        """
        schema = self.schema
        HistogramPlace(self.block, schema.place(name, *labels), schema.buckets(name)).observe(value)

    def add(self, name: str, *labels: str, count: int = 1) -> None:
        """Add to a counter.

        Args:
            name: The name of the family.
            labels: The values of its labels.
            count: The number to add.
        """
        self.block.counts[self.schema.place(name, *labels)] += count

    def add_seconds(self, name: str, seconds: float) -> None:
        """Add to a counter of seconds."""
        self.block.numbers[self.schema.place(name)] += seconds

    def set(self, name: str, value: float, *labels: str) -> None:
        """Write a gauge, or a counter that somebody else counts.

        Args:
            name: The name of the family.
            value: The value.
            labels: The values of its labels.
        """
        self.block.numbers[self.schema.place(name, *labels)] = value
