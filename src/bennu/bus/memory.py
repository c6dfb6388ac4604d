"""A bus in memory: several nodes in one event loop, for tests and simulations, with failures on request.

    network = MemoryNetwork()
    one, two = network.adapter("one"), network.adapter("two")
    network.cut("one", "two")       # what they publish now is lost, and counted after the heal

Theory of operation
-------------------
A message is delivered in a later turn of the event loop. It is numbered as on a broker (:mod:`bennu.bus.sequence`), so
that a node counts what it missed: at its next message, or at the high-water marks that ``heal`` and ``confirm`` send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import count
from typing import NamedTuple

from .bus import BusAdapter, Loss, LossReason, Lost, Receive, not_started
from .sequence import Gaps, Heard, Numbers

__all__ = ["MemoryAdapter", "MemoryNetwork", "Published"]

_Stream = tuple[str, str | None]


class Published(NamedTuple):
    """A message that a node has published.

    Attributes:
        sender: The publishing node.
        node: The only node that gets it; None for all.
        topic: The topic.
        data: The bytes.
    """

    sender: str
    node: str | None
    topic: str
    data: bytes


class MemoryNetwork:
    """The network between the nodes.

    Args:
        records: Whether all messages are kept in ``published``. Default: False.

    Attributes:
        copies: Called with the sender and the receiver of each message: the delay of each copy that arrives, in seconds. None
            arrives if there is no delay; two make a repeat. None: each message arrives once, in the next turn.
        sent: The number of messages that were handed to a node, over all nodes.
        sent_bytes: Their bytes.
        published: The messages that nodes have published, also those that nobody heard, if ``records`` is True.
    """

    def __init__(self, *, records: bool = False) -> None:
        self.copies: Callable[[str, str], Sequence[float]] | None = None
        self.sent = 0
        self.sent_bytes = 0
        self.published: list[Published] = []
        self._records = records
        self._adapters: dict[str, MemoryAdapter] = {}
        self._interest: dict[str, dict[str, MemoryAdapter]] = {}
        self._cuts: set[frozenset[str]] = set()
        self._epochs = count(1)
        self._up = asyncio.Event()
        self._up.set()

    def adapter(self, node: str) -> MemoryAdapter:
        """Return the adapter of a node: a new node, or a node that starts again after its death."""
        return MemoryAdapter(self, node)

    def cut(self, one: str, other: str) -> None:
        """Lose all messages between two nodes."""
        self._cuts.add(frozenset((one, other)))

    def isolate(self, node: str) -> None:
        """Lose all messages between a node and all others."""
        for other in self._adapters:
            if other != node:
                self.cut(node, other)

    def heal(self) -> None:
        """Deliver all messages again. Each node sends its high-water marks."""
        self._cuts.clear()
        for adapter in self._adapters.values():
            adapter.send_marks()

    def go_down(self) -> None:
        """Lose all messages between all nodes, and confirm nothing: the broker is gone."""
        self._up.clear()

    def come_up(self) -> None:
        """Deliver all messages again, after :meth:`go_down`. Each node sends its high-water marks."""
        self._up.set()
        for adapter in self._adapters.values():
            adapter.send_marks()

    def kill(self, node: str) -> None:
        """End a node without a good-bye."""
        adapter = self._adapters.pop(node)
        self.forget(adapter, adapter.topics)
        for other in self._adapters.values():
            other.hear_end(node)

    # What the adapters call.

    def record(self, published: Published) -> None:
        """Keep a message, if the network records."""
        if self._records:
            self.published.append(published)

    def enter(self, adapter: MemoryAdapter) -> int:
        """Add a node. Return its epoch."""
        assert adapter.node not in self._adapters, f"two nodes are {adapter.node!r}"  # noqa: S101
        self._adapters[adapter.node] = adapter
        return next(self._epochs)

    def leave(self, adapter: MemoryAdapter) -> None:
        """Remove a node that says good-bye."""
        self.forget(adapter, adapter.topics)
        del self._adapters[adapter.node]

    def hear(self, adapter: MemoryAdapter, topics: Iterable[str]) -> None:
        """Add the interest of a node."""
        for topic in topics:
            self._interest.setdefault(topic, {})[adapter.node] = adapter

    def forget(self, adapter: MemoryAdapter, topics: Iterable[str]) -> None:
        """Remove the interest of a node."""
        for topic in topics:
            hearing = self._interest.get(topic, {})
            hearing.pop(adapter.node, None)
            if not hearing:
                self._interest.pop(topic, None)

    def others(self, node: str) -> list[MemoryAdapter]:
        """Return the other nodes."""
        return [adapter for name, adapter in self._adapters.items() if name != node]

    def hearers(self, topic: str, sender: str, node: str | None) -> list[MemoryAdapter]:
        """Return the nodes that get a message."""
        hearing = self._interest.get(topic, {})
        return [
            adapter
            for name, adapter in hearing.items()
            if name != sender and (node is None or node == name)
        ]

    def is_cut(self, one: str, other: str) -> bool:
        """Return whether messages between two nodes are lost."""
        return not self._up.is_set() or frozenset((one, other)) in self._cuts

    async def up(self) -> None:
        """Wait until the broker is there."""
        await self._up.wait()

    def carry(
        self, sender: str, to: MemoryAdapter, deliver: Callable[..., None], *args: object
    ) -> None:
        """Call a function for each copy of a message that arrives at a node, when it arrives."""
        loop = asyncio.get_running_loop()
        for delay in (0.0,) if self.copies is None else self.copies(sender, to.node):
            if delay:
                loop.call_later(delay, deliver, to, *args)
            else:
                loop.call_soon(deliver, to, *args)

    def is_running(self, adapter: MemoryAdapter) -> bool:
        """Return whether a node lives."""
        return self._adapters.get(adapter.node) is adapter


class MemoryAdapter(BusAdapter):
    """The adapter of one node. :meth:`MemoryNetwork.adapter` makes it.

    Attributes:
        topics: The topics to which the node has subscribed.
        is_started: Whether the node is on the network.
    """

    def __init__(self, network: MemoryNetwork, node: str) -> None:
        self.topics: set[str] = set()
        self.is_started = False
        self._network = network
        self._node = node
        self._epoch = 0
        self._numbers: dict[str | None, Numbers] = {}
        self._gaps: dict[str, Gaps] = {}

    @property
    def node(self) -> str:
        """The name of this node."""
        return self._node

    async def start(self, receive: Receive, lost: Lost) -> None:
        """Join the network."""
        self._receive, self._lost = receive, lost
        self._epoch = self._network.enter(self)
        self._numbers.clear()
        self._gaps = {"all": Gaps(), "one": Gaps()}
        self.is_started = True
        for other in self._network.others(self._node):
            other.expect(self._node, self._epoch)

    async def stop(self) -> None:
        """Leave the network."""
        if self.is_started and self._network.is_running(self):
            self._network.leave(self)
        self.topics.clear()
        self.is_started = False

    async def publish(self, topic: str, data: bytes, node: str | None = None) -> int:
        """Send bytes."""
        self._expect_started()
        if not self._network.is_running(self):
            return 0  # a dead node publishes nothing
        self._network.record(Published(self._node, node, topic, data))
        hearers = self._network.hearers(topic, self._node, node)
        if not hearers:
            return 0
        number = self._numbers.setdefault(node, Numbers()).next(topic)
        for adapter in hearers:
            self._network.carry(self._node, adapter, self._deliver, (topic, node), number, data)
        return len(hearers)

    async def subscribe(self, topics: Collection[str]) -> None:
        """Receive topics."""
        self._expect_started()
        new = set(topics) - self.topics
        self.topics |= new
        self._network.hear(self, new)
        for other in self._network.others(self._node):
            other.tell_base(self, new)

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Receive topics no more."""
        self._expect_started()
        old = self.topics.intersection(topics)
        self.topics -= old
        self._network.forget(self, old)
        for gaps in self._gaps.values():
            for topic in old:
                gaps.unsubscribe(topic)

    async def confirm(self) -> None:
        """Wait until all that was published is delivered."""
        self._expect_started()
        await self._network.up()
        self.send_marks()
        delivered = asyncio.Event()
        asyncio.get_running_loop().call_soon(delivered.set)
        await delivered.wait()

    def nodes(self) -> frozenset[str]:
        """Return the other nodes."""
        self._expect_started()
        return frozenset(adapter.node for adapter in self._network.others(self._node))

    # What the network and the other nodes call.

    def send_marks(self) -> None:
        """Send the high-water marks to the nodes that hear the topics."""
        loop = asyncio.get_running_loop()
        for node, numbers in self._numbers.items():
            for topic, number in numbers.marks():
                assert isinstance(topic, str)  # noqa: S101 - each node has numbers of its own
                for adapter in self._network.hearers(topic, self._node, node):
                    loop.call_soon(self._deliver, adapter, (topic, node), number, None)

    def tell_base(self, adapter: MemoryAdapter, topics: Iterable[str]) -> None:
        """Tell a node that has just subscribed where the numbers of this node stand."""
        for topic in topics:
            for node in (None, adapter.node):
                numbers = self._numbers.setdefault(node, Numbers())
                adapter.hear_mark(self._node, self._epoch, (topic, node), numbers.mark(topic))

    def expect(self, sender: str, epoch: int) -> None:
        """Take the start of a node: its numbers begin at 1."""
        for gaps in self._gaps.values():
            gaps.expect(sender, epoch, self.topics)

    def hear_message(
        self, sender: str, epoch: int, stream: _Stream, number: int, data: bytes
    ) -> None:
        """Take a message."""
        topic, node = stream
        if topic in self.topics:
            gaps = self._gaps["all" if node is None else "one"]
            heard = self._report(sender, topic, gaps.hear(sender, epoch, topic, number))
            if heard.is_new:
                self._receive(sender, topic, data)

    def hear_mark(self, sender: str, epoch: int, stream: _Stream, number: int) -> None:
        """Take a high-water mark."""
        topic, node = stream
        if topic in self.topics:
            gaps = self._gaps["all" if node is None else "one"]
            self._report(sender, topic, gaps.mark(sender, epoch, topic, number))

    def hear_end(self, sender: str) -> None:
        """Take the end of a node that was killed."""
        forgotten = [gaps.forget(sender) for gaps in self._gaps.values()]
        if any(forgotten):
            self._lost(Loss(sender, None, None, LossReason.TAIL))

    def _report(self, sender: str, topic: str, heard: Heard) -> Heard:
        if heard.missed:
            self._lost(Loss(sender, topic, heard.missed, LossReason.GAP))
        return heard

    def _deliver(self, to: MemoryAdapter, stream: _Stream, number: int, data: bytes | None) -> None:
        network = self._network
        if not network.is_running(to) or network.is_cut(self._node, to.node):
            return
        if data is None:
            to.hear_mark(self._node, self._epoch, stream, number)
            return
        network.sent += 1
        network.sent_bytes += len(data)
        to.hear_message(self._node, self._epoch, stream, number, data)

    def _expect_started(self) -> None:
        if not self.is_started:
            raise not_started()
