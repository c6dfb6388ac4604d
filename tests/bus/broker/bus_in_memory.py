"""Nodes on a broker in memory, under virtual time."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from bennu.bus import Loss, LossReason
from bennu.bus.broker.adapter import BrokerAdapter
from bennu.bus.broker.settings import BrokerSettings
from bennu.testing.clock import advance
from bennu.testing.contract_node import ContractNode

from .memory_broker import MemoryBroker, MemoryDriver

__all__ = ["BusInMemory", "gap", "settings"]

SOON: Final = 0.01
"""Seconds in which everything that needs no timer has happened."""


def gap(node: str, topic: str, count: int) -> Loss:
    return Loss(node, topic, count, LossReason.GAP)


def settings(**values: float) -> BrokerSettings:
    return BrokerSettings(**values)  # type: ignore[arg-type]


class BusInMemory:
    """A broker and its nodes.

    Attributes:
        broker: The broker.
        drivers: The drivers of the nodes, by name.
    """

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.drivers: dict[str, MemoryDriver] = {}

    def node(self, name: str, limits: BrokerSettings | None = None) -> ContractNode:
        """Return a node that is not started."""
        self.drivers[name] = self.broker.driver(name)
        return ContractNode(BrokerAdapter(self.drivers[name], name, settings=limits))

    async def join(
        self, name: str, topics: Collection[str] = (), limits: BrokerSettings | None = None
    ) -> ContractNode:
        """Return a node that has started."""
        node = self.node(name, limits)
        await node.start()
        if topics:
            await node.adapter.subscribe(topics)
        await advance(SOON)
        return node

    def cut(self, name: str) -> None:
        """End the connection of a node."""
        self.drivers[name].cut()

    def isolate(self, name: str) -> None:
        """End the connection of a node, and refuse new ones. The other nodes stay connected."""
        self.broker.is_down = True
        self.cut(name)
