"""Two nodes that talk over a broker while a test harms it: what was heard and what was counted is what was published."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial

from bennu.bus import BusAdapter, Loss
from bennu.testing.contract_node import ContractNode, until

__all__ = ["PATIENCE", "Traffic", "expect_counted_overflow", "traffic"]

PATIENCE = 40.0
"""Seconds after which a test fails: a cluster takes some to replace a server."""


class Traffic:
    """A node that publishes numbers under topics, and a node that hears them.

    Attributes:
        publisher: The adapter of the first node.
        hearer: The second node.
        dropped: What the first node says that it has dropped.
        published: How many numbers were published under each topic.
    """

    def __init__(
        self, publisher: BusAdapter, hearer: ContractNode, topics: Collection[str]
    ) -> None:
        self.publisher = publisher
        self.hearer = hearer
        self.dropped: list[Loss] = []
        self.published = dict.fromkeys(topics, 0)

    async def publish(self, topics: Collection[str] | None = None) -> None:
        """Publish one number under each topic."""
        for topic in self.published if topics is None else topics:
            self.published[topic] += 1
            await self.publisher.publish(topic, b"%d" % self.published[topic])

    async def talk(self) -> None:
        """Publish numbers until the task is cancelled."""
        while True:
            await self.publish()
            await asyncio.sleep(0.001)

    async def flows(self, topics: Collection[str] | None = None) -> None:
        """Wait until something arrives under each topic that has not been published yet."""
        for topic in self.published if topics is None else topics:
            now = self.published[topic]
            await until(partial(self._is_past, topic, now), PATIENCE)

    def _is_past(self, topic: str, number: int) -> bool:
        return self.hearer.last(topic) > number

    async def accounted(self) -> None:
        """Wait until everything was heard or counted, and check that it is exact and in order."""
        for topic in self.published:
            accounts: Callable[[], bool] = partial(self._is_accounted, topic)
            await until(accounts, PATIENCE)
            numbers = [int(data) for data in self.hearer.data(topic)]
            assert numbers == sorted(set(numbers))
            assert self.hearer.accounts_for(topic) == self.published[topic]

    def _is_accounted(self, topic: str) -> bool:
        return self.hearer.accounts_for(topic) >= self.published[topic]


@asynccontextmanager
async def traffic(
    publisher: BusAdapter, hearer: BusAdapter, topics: Collection[str] = ("t",)
) -> AsyncIterator[Traffic]:
    """Run two nodes that talk, and check at the end that nothing was lost in silence."""
    both = Traffic(publisher, ContractNode(hearer), topics)
    try:
        await publisher.start(lambda *message: None, both.dropped.append)
        await both.hearer.start()
        await hearer.subscribe([*topics])
        talking = asyncio.create_task(both.talk())
        try:
            await both.flows()
            yield both
            await both.flows()
        finally:
            talking.cancel()
            await asyncio.wait([talking])
        await both.accounted()
    finally:
        await publisher.stop()
        await hearer.stop()


async def expect_counted_overflow(
    make: Callable[[str], BusAdapter], is_closed: Callable[[], object], size: int
) -> None:
    """Hold the event loop of a node until the broker has closed its connection, because it does not read.

    Then the node hears again, and has heard or counted all that was published.

    Args:
        make: Makes the adapter of a node.
        is_closed: Returns whether the broker has closed the connection of the node ``two``.
        size: Bytes of each message.
    """
    two = ContractNode(make("two"))
    stop = threading.Event()
    published = 0

    async def publish() -> None:
        nonlocal published
        one = make("one")
        await one.start(lambda *message: None, lambda loss: None)
        await until(lambda: "two" in one.nodes(), PATIENCE)
        while not stop.is_set():
            published += 1
            await one.publish("t", b"%d " % published + bytes(size))
            await asyncio.sleep(0)
        await one.confirm()
        await one.stop()

    def receive(node: str, topic: str, data: bytes) -> None:
        if not two.heard:
            while not is_closed():
                pass
        two.heard.append((node, topic, data.rstrip(b"\0")))

    await two.adapter.start(receive, two.losses.append)
    try:
        await two.adapter.subscribe(["t"])
        publishing = asyncio.create_task(asyncio.to_thread(asyncio.run, publish()))
        await until(lambda: two.losses, PATIENCE)
        seen = two.last("t")
        await until(lambda: two.last("t") > seen, PATIENCE)
        stop.set()
        await publishing
        await until(lambda: two.accounts_for("t") >= published, PATIENCE)
        assert two.accounts_for("t") == published
        assert len(two.data("t")) < published
    finally:
        stop.set()
        await two.adapter.stop()
