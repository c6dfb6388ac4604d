"""One bus over several independent buses: each topic has its bus, chosen by a stable hash.

Theory of operation
-------------------
Several brokers that know nothing of each other carry more than one broker does. Each topic belongs to one of them, by
rendezvous hashing: of all buses, the one whose hash with the topic is the greatest. So all nodes choose the same bus
without talking to each other, whatever the order of the buses in their configuration. If a bus is added, only the topics
that move to it change their bus.

All messages of a topic travel over one bus, so the order and the counts of a topic are those of its bus. If a bus is down,
the topics of the others go on; but ``confirm`` waits for all, so the node is not ready.

All nodes must be configured with the same names of buses. A node that is configured otherwise talks past the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from ..errors import DefinitionError
from .bus import BusAdapter, Lost, Receive

__all__ = ["SpreadAdapter"]

REMEMBERED: Final = 65_536
"""Topics whose bus is remembered: a hash of each bus costs about a microsecond."""


class SpreadAdapter(BusAdapter):
    """Spreads topics over several buses.

    Args:
        adapters: The adapters by the names of their buses, such as their addresses without passwords. All are of one node.

    Raises:
        DefinitionError: There is no adapter, or they are of different nodes.

    Attributes:
        adapters: The adapters by the names of their buses.

    Example:
        >>> from bennu.bus import MemoryNetwork
        >>> buses = {name: MemoryNetwork() for name in ("cache-1", "cache-2")}
        >>> SpreadAdapter({name: bus.adapter("web-1") for name, bus in buses.items()}).node
        'web-1'
    """

    __slots__ = ("_choose", "_node", "adapters")

    def __init__(self, adapters: Mapping[str, BusAdapter]) -> None:
        nodes = sorted({adapter.node for adapter in adapters.values()})
        if len(nodes) != 1:
            raise DefinitionError(
                "SpreadAdapter",
                expected="one or more adapters, all of the same node",
                got=f"adapters of {', '.join(map(repr, nodes))}" if nodes else "no adapter",
                write='SpreadAdapter({"cache-1": RedisAdapter(..., "web-1"), "cache-2": RedisAdapter(..., "web-1")})',
            )
        self._node = nodes[0]
        self.adapters = dict(adapters)
        names = {name: name.encode() for name in adapters}

        @lru_cache(REMEMBERED)
        def choose(topic: str) -> BusAdapter:
            key = topic.encode(errors="surrogatepass")
            return self.adapters[max(names, key=lambda name: (_weight(names[name], key), name))]

        self._choose = choose

    @property
    def node(self) -> str:
        """The name of this node."""
        return self._node

    def adapter_of(self, topic: str) -> BusAdapter:
        """Return the adapter of the bus that carries a topic."""
        return self._choose(topic)

    async def start(self, receive: Receive, lost: Lost) -> None:
        """Start all adapters. If one can't start, none is started."""
        try:
            async with asyncio.TaskGroup() as group:
                for adapter in self.adapters.values():
                    group.create_task(adapter.start(receive, lost))
        except BaseExceptionGroup as errors:
            await self.stop()
            raise errors.exceptions[0] from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all adapters, also if one of them raises."""
        stops = [adapter.stop() for adapter in self.adapters.values()]
        for result in await asyncio.gather(*stops, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def publish(self, topic: str, data: bytes, node: str | None = None) -> int | None:
        """Send bytes over the bus of the topic."""
        return await self._choose(topic).publish(topic, data, node)

    async def subscribe(self, topics: Collection[str]) -> None:
        """Subscribe to topics, each on its bus."""
        parts = self._parts(topics)
        if len(parts) == 1:
            for adapter, part in parts.items():
                await adapter.subscribe(part)
            return
        # A bus that is down must not keep the others from their topics.
        await asyncio.gather(*[adapter.subscribe(part) for adapter, part in parts.items()])

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Unsubscribe from topics."""
        for adapter, part in self._parts(topics).items():
            adapter.unsubscribe(part)

    async def confirm(self) -> None:
        """Return when all buses have taken what this node has published."""
        await asyncio.gather(*[adapter.confirm() for adapter in self.adapters.values()])

    def nodes(self) -> frozenset[str]:
        """Return the other nodes that one of the buses knows."""
        return frozenset[str]().union(*[adapter.nodes() for adapter in self.adapters.values()])

    def _parts(self, topics: Collection[str]) -> dict[BusAdapter, list[str]]:
        """Return the topics by their adapter. Without topics it has an adapter, too: it says if it is not started."""
        parts: dict[BusAdapter, list[str]] = {}
        for topic in topics:
            parts.setdefault(self._choose(topic), []).append(topic)
        return parts or {self._choose(""): []}


def _weight(name: bytes, topic: bytes) -> bytes:
    """Return the weight of a bus for a topic."""
    return blake2b(topic, digest_size=8, key=blake2b(name, digest_size=32).digest()).digest()
