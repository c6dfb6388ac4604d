"""Adapters on servers that are killed, restarted, paused, in lame duck mode, or that lose their patience.

In each test one node publishes numbers all the time. At the end, what the other node has heard and what was counted as lost
are together what was published.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from bennu.bus.broker.adapter import BrokerAdapter
from bennu.bus.broker.settings import BrokerSettings
from bennu.bus.nats.address import NATSAddress
from bennu.bus.nats.driver import NATSDriver
from bennu.testing.contract_node import until

from ...support.brokers.nats import NatsCluster, NatsServer, nats_cluster, nats_server
from ...support.brokers.traffic import Traffic, expect_counted_overflow, traffic

pytestmark = pytest.mark.clock("both loops")

SETTINGS = BrokerSettings(beat=0.1, gone=10, deaf=0.5, first_delay=0.01, last_delay=0.1)


def adapter(address: str, node: str) -> BrokerAdapter:
    return BrokerAdapter(NATSDriver(NATSAddress.parse(address), node), node, settings=SETTINGS)


def between(publisher: str, hearer: str) -> AbstractAsyncContextManager[Traffic]:
    """Run a node that publishes at one address, and a node that hears at another."""
    return traffic(adapter(publisher, "one"), adapter(hearer, "two"))


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
        async with between(server.address, server.address) as both:
            for _ in range(2):
                await asyncio.to_thread(server.restart)
                await both.flows()


async def test_a_server_of_three_that_is_killed(tmp_path: Path) -> None:
    with nats_cluster(tmp_path) as cluster:
        first, second, third = cluster.servers
        async with between(first.address, second.address) as both:
            await asyncio.to_thread(second.kill)
            await both.flows()
            assert "two" in clients(first) + clients(third)
            await asyncio.to_thread(first.kill)
            await both.flows()
            assert {"one", "two"} <= set(clients(third))


async def test_a_server_that_is_paused_for_longer_than_nodes_wait(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        one = adapter(server.address, "one")
        async with traffic(one, adapter(server.address, "two")) as both:
            server.pause()
            await until(lambda: one.silent_since is not None)
            server.resume()
            await both.flows()


async def test_a_server_of_three_that_is_paused(tmp_path: Path) -> None:
    with nats_cluster(tmp_path) as cluster:
        first, second, third = cluster.servers
        async with between(first.address, second.address) as both:
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
        async with between(first.address, second.address) as both:
            second.enter_lame_duck_mode()
            await until(lambda: "two" in clients(first))
            await both.flows()


async def test_a_node_that_reads_too_slowly(tmp_path: Path) -> None:
    """The node's event loop is held until the server has closed the connection."""
    with nats_server(tmp_path, "max_pending: 2MB") as server:
        await expect_counted_overflow(
            lambda name: adapter(server.address, name),
            lambda: server.monitor("varz")["slow_consumers"],
            20_000,
        )
