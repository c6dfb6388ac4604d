"""A PubSub whose broadcasts and fan-outs have spans. Without tracing an endpoint has a plain PubSub."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from msgspec import Raw

from ..bus.bus import BusAdapter
from ..loop.home import Home
from ..message import Broadcast, SocketId
from ..pubsub import MessageTypes, PubSub
from ..store.entry import LogEntry
from ..telemetry import BroadcastFannedOut, Telemetry
from .spans import Spans
from .traced_bus import GivenTracedBus

__all__ = ["KnownTopic", "TracedPubSub"]


class KnownTopic(NamedTuple):
    """What the sockets of an endpoint say of a topic.

    Attributes:
        template: The first pattern that matches it; None if there is none.
        is_traced: Whether it is traced: not if all its sockets have ``log=False``.
    """

    template: str | None
    is_traced: bool


class TracedPubSub(PubSub):
    """Makes a span for each broadcast, and for each fan-out on this node.

    Args:
        spans: Makes the spans.
        topic_of: Returns what is known of a topic.
        telemetry: As in :class:`~bennu.pubsub.PubSub`, and so the others.
        bus: The bus.
        home: The home of the endpoint.
        types: The types of messages.
    """

    def __init__(
        self,
        spans: Spans,
        topic_of: Callable[[str], KnownTopic],
        telemetry: Telemetry,
        bus: str | BusAdapter | None,
        home: Home,
        types: MessageTypes,
    ) -> None:
        self._spans = spans
        self._topic_of = topic_of
        super().__init__(telemetry, bus, home, types)
        spans.node = self.node
        if spans.wants("fan_out"):
            telemetry.attach(self._fanned_out, BroadcastFannedOut)

    def make_bus(self, bus: str | BusAdapter | None) -> GivenTracedBus:
        """Return the bus, which carries contexts."""
        return GivenTracedBus(bus, self._spans)

    async def start(self) -> None:
        """Connect to the bus."""
        await super().start()
        self._spans.node = self.node
        if self.logs is not None:
            self.logs.drafted = self._spans.drafted

    def broadcasting(self, topic: str, event: str) -> AbstractContextManager[None]:
        """Return what a broadcast of the HTTP API runs in."""
        super().broadcasting(topic, event)
        return self._broadcasting(topic, event)

    def local_broadcast(
        self, topic: str | SocketId, message: Any, *, sender: object = None
    ) -> bool:
        """Send a message to the subscribers in this process, in a span."""
        if not isinstance(message, Broadcast):
            return super().local_broadcast(topic, message, sender=sender)
        with self._broadcasting(str(topic), message.event):
            return super().local_broadcast(topic, message, sender=sender)

    async def direct_broadcast(self, node: str, topic: str, message: Any) -> None:
        """Send a message to the subscribers on one node, in a span."""
        if not isinstance(message, Broadcast):
            await super().direct_broadcast(node, topic, message)
            return
        with self._broadcasting(topic, message.event):
            await super().direct_broadcast(node, topic, message)

    async def send_everywhere(self, topic: str, message: Any, sender: object = None) -> None:
        """Send a message to all nodes, in a span."""
        if not isinstance(message, Broadcast):
            await super().send_everywhere(topic, message, sender)
            return
        with self._broadcasting(topic, message.event):
            await super().send_everywhere(topic, message, sender)

    def send_of_channel(
        self, topic: str | SocketId, message: Any, sender: object = None, text: Raw | None = None
    ) -> bool:
        """Send a broadcast of a channel to the subscribers in this process, in a span."""
        with self._broadcasting(str(topic), message.event):
            return self.send(topic, message, sender, text)

    def pass_on(self, topic: str, epoch: str, entry: LogEntry, sender: object) -> bool:
        """Send an entry to the subscribers in this process, within the broadcast of this node that it came from."""
        with self._spans.passing_entry(entry.id):
            return super().pass_on(topic, epoch, entry, sender)

    def _broadcasting(self, topic: str, event: str) -> AbstractContextManager[None]:
        template, is_traced = self._topic_of(topic)
        return self._spans.broadcasting(topic, event, template) if is_traced else nullcontext()

    def _fanned_out(self, event: BroadcastFannedOut) -> None:
        template, is_traced = self._topic_of(event.topic)
        if is_traced:
            self._spans.fanned_out(event, template)
