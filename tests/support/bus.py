"""A network in memory: the buses of several nodes in one event loop, and its failures.

    network = Network()
    one = Endpoint(sockets, bus=network.bus("one"))
    two = Endpoint(sockets, bus=network.bus("two"))
    network.cut("one", "two")

Messages are bytes, and are delivered in order, in a later turn of the loop. A message is lost if the network is cut
or a node is dead when the message is sent or delivered.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from bennu.pubsub.bus import Receive

__all__ = ["MemoryBus", "Network", "Sent"]


class Sent(NamedTuple):
    """A published message."""

    sender: str
    node: str | None
    topic: str
    data: bytes


class Network:
    """The network of several nodes.

    Attributes:
        sent: All published messages.
    """

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self._nodes: dict[str, MemoryBus] = {}
        self._cuts: set[frozenset[str]] = set()

    def bus(self, node_name: str) -> MemoryBus:
        """Return the bus of a node: a new node, or a node that starts again after its death."""
        return MemoryBus(self, node_name)

    def cut(self, one: str, other: str) -> None:
        """Drop all messages between two nodes."""
        self._cuts.add(frozenset((one, other)))

    def isolate(self, node: str) -> None:
        """Drop all messages between a node and all others."""
        for other in self._nodes:
            if other != node:
                self.cut(node, other)

    def heal(self) -> None:
        """Deliver all messages again."""
        self._cuts.clear()

    def kill(self, node: str) -> None:
        """Stop a node for ever: it sends and receives nothing, and the others are not told."""
        self._nodes.pop(node)

    def _started(self, bus: MemoryBus) -> None:
        assert bus.node_name not in self._nodes, f"two nodes have the name {bus.node_name!r}"
        self._nodes[bus.node_name] = bus

    def _stopped(self, bus: MemoryBus) -> None:
        if self._nodes.get(bus.node_name) is bus:
            del self._nodes[bus.node_name]

    def _publish(self, bus: MemoryBus, topic: str, data: bytes, node: str | None) -> None:
        if self._nodes.get(bus.node_name) is not bus:
            return
        self.sent.append(Sent(bus.node_name, node, topic, data))
        loop = asyncio.get_running_loop()
        for name, other in self._nodes.items():
            if name != bus.node_name and node in (None, name):
                loop.call_soon(self._deliver, bus.node_name, other, topic, data)

    def _deliver(self, sender: str, to: MemoryBus, topic: str, data: bytes) -> None:
        is_cut = frozenset((sender, to.node_name)) in self._cuts
        if self._nodes.get(to.node_name) is to and to.receive is not None and not is_cut:
            to.receive(topic, data)


class MemoryBus:
    """The bus of one node, from its start to its stop.

    Attributes:
        receive: Gets the messages of other nodes while the bus runs.
    """

    def __init__(self, network: Network, node_name: str) -> None:
        self._network = network
        self._node_name = node_name
        self.receive: Receive | None = None

    @property
    def node_name(self) -> str:
        """The name of this node."""
        return self._node_name

    async def start(self, receive: Receive) -> None:
        """Join the network."""
        self.receive = receive
        self._network._started(self)

    async def stop(self) -> None:
        """Leave the network."""
        self.receive = None
        self._network._stopped(self)

    def publish(self, topic: str, data: bytes, node: str | None = None) -> None:
        """Send bytes."""
        self._network._publish(self, topic, data, node)
