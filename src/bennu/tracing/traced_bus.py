"""A bus on which trace contexts travel: an adapter around any other adapter."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ..bus.bus import BusAdapter, Lost, Receive
from ..errors import EncodeError
from ..logs.log import Log
from ..pubsub.envelope import TOPICS, EnvelopeKind
from ..pubsub.given_bus import GivenBus
from .blanks import put_blanks, take_blanks
from .spans import Spans

__all__ = ["GivenTracedBus", "TracedBus"]

_BROADCASTS: Final = (bytes((EnvelopeKind.JSON,)), bytes((EnvelopeKind.BINARY,)))


class TracedBus(BusAdapter):
    """Adds the context of a broadcast to what is published, and takes it out of what is received.

    Args:
        adapter: The adapter that carries the bytes.
        spans: Knows the current span.
    """

    __slots__ = ("_adapter", "_receive", "_spans")

    def __init__(self, adapter: BusAdapter, spans: Spans) -> None:
        self._adapter = adapter
        self._spans = spans
        self._receive: Receive | None = None

    @property
    def node(self) -> str:
        """The name of this node."""
        return self._adapter.node

    async def start(self, receive: Receive, lost: Lost) -> None:
        """Connect to the bus."""
        self._receive = receive
        await self._adapter.start(self._take, lost)

    async def stop(self) -> None:
        """Disconnect from the bus."""
        await self._adapter.stop()

    async def publish(self, topic: str, data: bytes, node: str | None = None) -> int | None:
        """Publish, with the context of the broadcast that is being passed on. Without one the bytes are the same."""
        carried = self._spans.carried() if topic[:1] == TOPICS else None
        if carried is None:
            return await self._adapter.publish(topic, data, node)
        traced = put_blanks(data, carried)
        try:
            return await self._adapter.publish(topic, traced, node)
        except EncodeError:
            if traced is data:
                raise
            return await self._adapter.publish(topic, data, node)  # it was too large by the context

    async def subscribe(self, topics: Collection[str]) -> None:
        """Receive the messages under these topics."""
        await self._adapter.subscribe(topics)

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Receive nothing more under these topics."""
        self._adapter.unsubscribe(topics)

    async def confirm(self) -> None:
        """Wait until the bus has taken all that this node has published."""
        await self._adapter.confirm()

    def nodes(self) -> frozenset[str]:
        """Return the names of the other nodes."""
        return self._adapter.nodes()

    def _take(self, node: str, topic: str, data: bytes) -> None:
        receive = self._receive
        if receive is None:
            return
        if topic[:1] != TOPICS or data[:1] not in _BROADCASTS:
            receive(node, topic, data)
            return
        data, carried = take_blanks(data)
        with self._spans.receiving(topic[1:], carried):
            receive(node, topic, data)


class GivenTracedBus(GivenBus):
    """The bus of a traced PubSub.

    Args:
        bus: As in :class:`~bennu.pubsub.given_bus.GivenBus`.
        spans: Knows the current span.
    """

    def __init__(self, bus: str | BusAdapter | None, spans: Spans) -> None:
        super().__init__(bus)
        self._spans = spans

    async def adapter(self, log: Log) -> BusAdapter:
        """Return the adapter, inside one that carries contexts."""
        return TracedBus(await super().adapter(log), self._spans)
