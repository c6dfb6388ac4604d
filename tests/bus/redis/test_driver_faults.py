"""Nodes on servers that are killed, restarted, paused or replaced. What was heard or counted is what was published."""

from __future__ import annotations

import asyncio

import pytest

from bennu.bus import BusAdapter
from bennu.bus.broker.adapter import BrokerAdapter
from bennu.bus.broker.settings import BrokerSettings, Channels
from bennu.bus.redis.drivers import drivers_for
from bennu.bus.redis.options import read_address
from bennu.bus.redis.slots import slot_of
from bennu.bus.spread import SpreadAdapter
from bennu.testing.contract_node import ContractNode, until
from tests.support.brokers.redis import (
    RedisCluster,
    RedisServer,
    redis_cluster,
    redis_sentinels,
    redis_server,
    redis_servers,
)
from tests.support.brokers.traffic import expect_counted_overflow, traffic

pytestmark = pytest.mark.clock("real")

SETTINGS = BrokerSettings(beat=0.1, gone=20, deaf=0.5, first_delay=0.01, last_delay=0.1)
TOPICS = [f"room:{number}" for number in range(9)]


def adapter(address: str, node: str, settings: BrokerSettings = SETTINGS) -> BusAdapter:
    adapters = {
        driver.name: BrokerAdapter(driver, node, settings=settings)
        for driver in drivers_for(read_address(address))
    }
    return SpreadAdapter(adapters) if len(adapters) > 1 else next(iter(adapters.values()))


# One server.


@pytest.mark.clock("both loops")
@pytest.mark.parametrize("kind", ["normal", "pubsub"])
async def test_connections_that_are_killed(kind: str) -> None:
    with redis_server() as server:
        one, two = adapter(server.address, "one"), adapter(server.address, "two")
        async with traffic(one, two) as both:
            for _ in range(3):
                server.kill_clients(kind)
                await both.flows()


@pytest.mark.clock("both loops")
async def test_a_server_that_is_killed_and_restarted() -> None:
    with redis_server() as server:
        one, two = adapter(server.address, "one"), adapter(server.address, "two")
        async with traffic(one, two) as both:
            for _ in range(2):
                await asyncio.to_thread(server.restart)
                await both.flows()


async def test_a_server_that_is_paused_for_longer_than_nodes_wait() -> None:
    with redis_server() as server:
        one, two = adapter(server.address, "one"), adapter(server.address, "two")
        assert isinstance(one, BrokerAdapter)
        async with traffic(one, two) as both:
            server.pause()
            await until(lambda: one.silent_since is not None)
            await both.publish()
            server.resume()
            await both.flows()


async def test_a_server_that_is_down_at_the_start() -> None:
    with redis_server() as server:
        server.kill()
        node = ContractNode(adapter(server.address, "two"))
        await node.start()
        subscribing = asyncio.ensure_future(node.adapter.subscribe(["t"]))
        await asyncio.to_thread(server.start)
        await subscribing
        one = adapter(server.address, "one")
        await one.start(print, print)
        await one.publish("t", b"1")
        await until(lambda: node.heard)
        await one.stop()
        await node.adapter.stop()


async def test_a_node_that_reads_too_slowly_loses_its_connection_and_counts() -> None:
    """The hearer's event loop is held until Redis has closed the connection over its output buffer."""
    options = {"client-output-buffer-limit": "pubsub 2mb 0 0"}
    with redis_server(options) as server:

        def is_closed() -> bool:
            clients = str(server.command("CLIENT", "LIST", "TYPE", "pubsub"))
            return len(clients.splitlines()) == 1  # the publisher

        await expect_counted_overflow(lambda name: adapter(server.address, name), is_closed, 50_000)


# Several servers.


async def test_one_of_several_servers_that_is_restarted_leaves_the_others_alone() -> None:
    with redis_servers(2) as servers:
        address = f"redis://127.0.0.1:{servers[0].port},127.0.0.1:{servers[1].port}"
        one, two = adapter(address, "one"), adapter(address, "two")
        assert isinstance(one, SpreadAdapter)
        first = one.adapters[servers[0].address]
        theirs = [topic for topic in TOPICS if one.adapter_of(topic) is first]
        others = [topic for topic in TOPICS if one.adapter_of(topic) is not first]
        assert theirs
        assert others
        async with traffic(one, two, TOPICS) as both:
            servers[0].kill()
            await both.flows(others)
            await asyncio.to_thread(servers[0].start)
            await both.flows()
            assert not [loss for loss in both.hearer.losses if loss.topic in others]


# Sentinel.


@pytest.mark.long
async def test_a_failover_while_the_old_primary_lives() -> None:
    with redis_sentinels() as running:
        one, two = adapter(running.address, "one"), adapter(running.address, "two")
        async with traffic(one, two) as both:
            await asyncio.to_thread(running.failover)
            await both.flows()


@pytest.mark.parametrize("harm", ["kill", pytest.param("pause", marks=pytest.mark.long)])
async def test_a_primary_that_is_lost(harm: str) -> None:
    with redis_sentinels() as running:
        one, two = adapter(running.address, "one"), adapter(running.address, "two")
        async with traffic(one, two) as both:
            primary = running.primary
            if harm == "kill":
                primary.kill()
            else:
                primary.pause()
            await both.flows()
            if harm == "kill":
                await asyncio.to_thread(primary.start)
            else:
                primary.resume()  # it still believes that it is the primary
            await both.flows()


# A cluster.


def topics_of(cluster: RedisCluster, number: int) -> list[str]:
    """Return the topics that a server carries."""
    channels = Channels("bennu")
    server = cluster.servers[number]
    return [one for one in TOPICS if cluster.owner(slot_of(channels.of_topic(one))) is server]


def carriers(cluster: RedisCluster) -> tuple[int, int]:
    """Return the number of the primary that carries the heartbeats, and that of another one with topics."""
    control = cluster.servers.index(cluster.owner(slot_of(Channels("bennu").control)))
    return control, next(one for one in range(3) if one != control and topics_of(cluster, one))


def published(server: RedisServer) -> int:
    """Return how many messages were published through a server."""
    statistics = str(server.command("INFO", "commandstats"))
    return int(statistics.partition("cmdstat_spublish:calls=")[2].partition(",")[0])


@pytest.mark.long
async def test_slots_that_move() -> None:
    with redis_cluster() as cluster:
        channels = Channels("bennu")
        one, two = adapter(cluster.address, "one"), adapter(cluster.address, "two")
        async with traffic(one, two, TOPICS) as both:
            for name in [channels.control, *(channels.of_topic(topic) for topic in TOPICS[:3])]:
                slot = slot_of(name)
                at = cluster.servers.index(cluster.owner(slot))
                await asyncio.to_thread(cluster.move, slot, cluster.servers[(at + 1) % 3])
            await both.flows()


@pytest.mark.long
async def test_a_failover_by_hand_of_each_primary() -> None:
    with redis_cluster(replicas=True) as cluster:
        one, two = adapter(cluster.address, "one"), adapter(cluster.address, "two")
        async with traffic(one, two, TOPICS) as both:
            for primary in cluster.servers[:3]:
                await asyncio.to_thread(cluster.failover, primary)
                await both.flows()


@pytest.mark.long
@pytest.mark.parametrize(
    ("harm", "carries_heartbeats"),
    [
        ("kill", True),
        ("pause", True),
        ("kill", False),
        ("pause", False),
    ],
)
async def test_a_primary_that_is_lost_and_replaced(harm: str, carries_heartbeats: bool) -> None:
    with redis_cluster(replicas=True) as cluster:
        query = "?socket_connect_timeout=0.5"
        one = adapter(cluster.address + query, "one")
        two = adapter(cluster.address + query, "two")
        chosen = carriers(cluster)[0 if carries_heartbeats else 1]
        others = [topic for topic in TOPICS if topic not in topics_of(cluster, chosen)]
        async with traffic(one, two, TOPICS) as both:
            primary = cluster.servers[chosen]
            if harm == "kill":
                primary.kill()
            else:
                primary.pause()
            if not carries_heartbeats:
                await both.flows(others)
            await both.flows()  # the cluster has elected the replica
            if harm == "pause":
                primary.resume()
                await both.flows()
            if not carries_heartbeats:
                assert not [loss for loss in both.hearer.losses if loss.topic in others]


async def test_a_topic_that_falls_silent_while_its_primary_is_lost_is_counted() -> None:
    with redis_cluster(replicas=True, node_timeout=10_000) as cluster:  # elects nobody by itself
        one, two = adapter(cluster.address, "one"), ContractNode(adapter(cluster.address, "two"))
        at, number = carriers(cluster)
        control, primary = cluster.servers[at], cluster.servers[number]
        topic = topics_of(cluster, number)[0]
        await one.start(print, print)
        await two.start()
        await two.adapter.subscribe([topic])
        await one.publish(topic, b"1")
        await until(lambda: two.heard)
        primary.kill()
        await one.publish(topic, b"2")
        await one.publish(topic, b"3")
        await until(two.adapter.nodes)
        confirming = asyncio.ensure_future(one.confirm())
        # Some turns in which marks are sent, and lost: each has a heartbeat of both nodes, by another primary.
        due = published(control) + 10
        await until(lambda: published(control) >= due)
        assert not confirming.done()
        await asyncio.to_thread(cluster.failover, primary, force=True)
        await confirming
        await until(lambda: two.accounts_for(topic) == 3)
        assert two.data(topic) == [b"1"]
        await one.stop()
        await two.adapter.stop()
