"""Adapters on servers that are killed, restarted, paused, in lame duck mode, or that lose their patience.

In each test one node publishes numbers all the time. At the end, what the other node has heard and what was counted as lost
are together what was published.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bennu.bus.broker.adapter import BrokerAdapter
from bennu.bus.broker.settings import BrokerSettings
from bennu.bus.nats.address import NATSAddress
from bennu.bus.nats.driver import NATSDriver
from bennu.testing.contract_node import ContractNode, until

from ...support.brokers.nats import NatsCluster, NatsServer, nats_cluster, nats_server

pytestmark = pytest.mark.clock("both loops")

SETTINGS = BrokerSettings(beat=0.1, gone=10, deaf=0.5, first_delay=0.01, last_delay=0.1)


def adapter(address: str, node: str) -> BrokerAdapter:
    return BrokerAdapter(NATSDriver(NATSAddress.parse(address), node), node, settings=SETTINGS)


class Traffic:
    """A node that publishes numbers, and a node that hears them.

    Attributes:
        publisher: The adapter of the first node.
        hearer: The second node.
        published: How many numbers were published.
    """

    def __init__(self, publisher: BrokerAdapter, hearer: ContractNode) -> None:
        self.publisher = publisher
        self.hearer = hearer
        self.published = 0

    async def publish(self) -> None:
        """Publish numbers until the task is cancelled."""
        while True:
            self.published += 1
            await self.publisher.publish("t", b"%d" % self.published)
            await asyncio.sleep(0)

    async def flows(self) -> None:
        """Wait until something arrives that has not been published yet."""
        now = self.published
        await until(lambda: self.hearer.last("t") > now)

    def check(self) -> None:
        """Check that everything was heard in its order, or counted."""
        numbers = [int(data) for data in self.hearer.data("t")]
        assert numbers == sorted(set(numbers))
        assert self.hearer.accounts_for("t") == self.published


@asynccontextmanager
async def traffic(publisher: str, hearer: str) -> AsyncIterator[Traffic]:
    """Run two nodes at two addresses, and check at the end that nothing was lost in silence."""
    one, two = adapter(publisher, "one"), ContractNode(adapter(hearer, "two"))
    both = Traffic(one, two)
    try:
        await one.start(lambda *message: None, lambda loss: None)
        await two.start()
        await two.adapter.subscribe(["t"])
        publishing = asyncio.create_task(both.publish())
        await both.flows()
        yield both
        await both.flows()
        publishing.cancel()
        await asyncio.wait([publishing])
        await until(lambda: two.accounts_for("t") >= both.published)
        both.check()
    finally:
        await one.stop()
        await two.adapter.stop()


def server_of(cluster: NatsCluster, node: str) -> NatsServer:
    """Return the server to which a node is connected."""
    for server in cluster.servers:
        if server.is_running and node in clients(server):
            return server
    raise AssertionError(f"{node} is not connected")


def clients(server: NatsServer) -> list[str]:
    return [one.get("name", "") for one in server.monitor("connz")["connections"]]


async def test_a_server_that_is_killed_and_restarted(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with traffic(server.address, server.address) as both:
            for _ in range(2):
                await asyncio.to_thread(server.restart)
                await both.flows()


async def test_a_server_of_three_that_is_killed(tmp_path: Path) -> None:
    with nats_cluster(tmp_path) as cluster:
        first, second, third = cluster.servers
        async with traffic(first.address, second.address) as both:
            await asyncio.to_thread(second.kill)
            await both.flows()
            assert "two" in clients(first) + clients(third)
            await asyncio.to_thread(first.kill)
            await both.flows()
            assert {"one", "two"} <= set(clients(third))


async def test_a_server_that_is_paused_for_longer_than_nodes_wait(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with traffic(server.address, server.address) as both:
            server.pause()
            await until(lambda: both.publisher.silent_since is not None)
            server.resume()
            await both.flows()


async def test_a_server_of_three_that_is_paused(tmp_path: Path) -> None:
    with nats_cluster(tmp_path) as cluster:
        first, second, third = cluster.servers
        async with traffic(first.address, second.address) as both:
            second.pause()
            await both.flows()  # the node has moved
            assert "two" in await asyncio.to_thread(clients, first) + await asyncio.to_thread(
                clients, third
            )
            second.resume()
            await both.flows()


async def test_a_server_in_lame_duck_mode(tmp_path: Path) -> None:
    with nats_cluster(
        tmp_path, 2, 'lame_duck_duration: "30s"\nlame_duck_grace_period: "1ms"'
    ) as cluster:
        first, second = cluster.servers
        async with traffic(first.address, second.address) as both:
            second.enter_lame_duck_mode()
            await until(lambda: "two" in clients(first))
            await both.flows()


async def test_a_node_that_reads_too_slowly(tmp_path: Path) -> None:
    """The node's event loop is held until the server has closed the connection."""
    with nats_server(tmp_path, "max_pending: 2MB") as server:
        two = ContractNode(adapter(server.address, "two"))
        stop = threading.Event()
        published = 0

        async def publish() -> None:
            nonlocal published
            one = adapter(server.address, "one")
            await one.start(lambda *message: None, lambda loss: None)
            await until(lambda: "two" in one.nodes())
            while not stop.is_set():
                published += 1
                await one.publish("t", b"%d " % published + bytes(20_000))
                await asyncio.sleep(0)
            await one.confirm()
            await one.stop()

        def receive(node: str, topic: str, data: bytes) -> None:
            if not two.heard:
                while not server.monitor("varz")["slow_consumers"]:
                    pass
            two.heard.append((node, topic, data.rstrip(b"\0")))

        await two.adapter.start(receive, two.losses.append)
        try:
            await two.adapter.subscribe(["t"])
            publishing = asyncio.create_task(asyncio.to_thread(asyncio.run, publish()))
            await until(lambda: two.losses)
            seen = two.last("t")
            await until(lambda: two.last("t") > seen)
            stop.set()
            await publishing
            await until(lambda: two.accounts_for("t") >= published)
            assert two.accounts_for("t") == published
            assert len(two.data("t")) < published
        finally:
            stop.set()
            await two.adapter.stop()
