"""The way to a primary: failovers by Sentinel and in a cluster, and slots that move."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bennu.bus.redis.slots import slot_of
from bennu.errors import StoreUnavailable
from bennu.store import Store
from bennu.store.redis.names import StoreNames
from bennu.testing.contract_node import until
from bennu.testing.contract_store import KEEP, drafts, offsets
from tests.support.brokers.redis import (
    RedisCluster,
    RedisServer,
    redis_cluster,
    redis_sentinels,
    redis_servers,
    wait,
)

from .started import append, patiently, read, started

pytestmark = pytest.mark.clock("real")

NAMES = StoreNames("bennu", 0)
RECORD, LOG, *_ = NAMES.keys("t")


async def until_new(store: Store, topic: str, epoch: str) -> str:
    """Read a topic until it has another epoch. Return that."""
    while (page := await read(store, topic)).epoch == epoch:  # noqa: ASYNC110 - no event tells it
        await asyncio.sleep(0.001)
    return page.epoch


# Sentinel.


async def test_a_failover_begins_a_new_epoch() -> None:
    with redis_sentinels(replicas=1, sentinels=1) as running:
        async with started(running.address) as (node,):
            await node.store.subscribe(["t"])
            first = await append(node.store, "t", drafts(3))
            await until(lambda: running.servers[1].command("EXISTS", RECORD))
            after = await asyncio.to_thread(running.failover)
            assert after is running.servers[1]
            await until_new(node.store, "t", first.epoch)
            assert (await read(node.store, "t")).newest == 0
            await until(lambda: ("t", "", None) in node.heard)
            assert (await append(node.store, "t", drafts(1))).places == [(1, 0)]
            assert after.command("XLEN", LOG) == 1


async def test_a_trusted_failover_keeps_the_epoch() -> None:
    with redis_sentinels(replicas=1, sentinels=1) as running:
        async with started(f"{running.address}?on_restart=trust") as (node,):
            appended = first = await append(node.store, "t", drafts(3))
            await until(lambda: running.servers[1].command("XLEN", LOG) == 3)
            after = await asyncio.to_thread(running.failover)
            while after.command("XLEN", LOG) == 3:  # until the store notices the failover
                appended = await patiently(node.store, "t", drafts(1))
            assert appended == (first.epoch, [(4, 3)])
            assert offsets((await read(node.store, "t")).entries) == [1, 2, 3, 4]


@pytest.mark.long
async def test_a_server_that_was_a_replica_for_a_while_begins_new_epochs() -> None:
    """It is the same process, but has the data of another one."""
    with redis_servers(2) as (one, two):
        async with started(one.address) as (node,):
            before = await append(node.store, "t", drafts(3))
            two.command("REPLICAOF", "127.0.0.1", one.port)
            await until(lambda: two.command("XLEN", LOG) == 3)
            two.command("REPLICAOF", "NO", "ONE")
            one.command("REPLICAOF", "127.0.0.1", two.port)
            await until(lambda: "master_link_status:up" in one.command("INFO", "replication"))
            one.command("REPLICAOF", "NO", "ONE")
            assert one.command("XLEN", LOG) == 3
            await until_new(node.store, "t", before.epoch)


async def test_a_primary_that_is_killed_is_replaced() -> None:
    with redis_sentinels(down_after=500) as running:
        async with started(running.address) as (node,):
            first = await append(node.store, "t", drafts(3))
            running.primary.kill()
            after = await patiently(node.store, "t", drafts(1))
            assert after.epoch != first.epoch
            assert after.places == [(1, 0)]


# A cluster.


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisCluster]:
    with redis_cluster() as running:
        yield running


@pytest.fixture
def cluster(shared: RedisCluster) -> RedisCluster:
    for server in shared.servers:
        server.command("FLUSHALL")
    return shared


def home(cluster: RedisCluster, topic: str) -> RedisServer:
    """Return the server that has the log of a topic."""
    return cluster.owner(slot_of(NAMES.of_topic(topic)))


def topic_at(cluster: RedisCluster, server: RedisServer) -> str:
    """Return a topic whose log a server has."""
    topics = (f"t{number}" for number in range(1000))
    return next(one for one in topics if home(cluster, one) is server)


async def test_each_primary_has_its_topics(cluster: RedisCluster) -> None:
    async with started(cluster.address, 2) as (one, two):
        topics = [f"t{number}" for number in range(60)]
        await two.store.subscribe(topics)
        for topic in topics:
            await append(one.store, topic, drafts(2))
        await until(lambda: len(two.heard) == 120)
        assert {home(cluster, topic) for topic in topics} == set(cluster.servers)
        assert len(await two.store.heads([*topics, "other"])) == 60
        two.store.unsubscribe(topics)


async def test_a_slot_that_has_moved_is_followed(cluster: RedisCluster) -> None:
    async with started(cluster.address, 2) as (one, two):
        await one.store.read("t0", 0, 1, 1, KEEP)
        await two.store.subscribe(["t1"])
        before = home(cluster, "t1")
        target = next(server for server in cluster.servers if server is not before)
        await asyncio.to_thread(cluster.move, slot_of(NAMES.of_topic("t1")), target)
        assert (await append(one.store, "t1", drafts(2))).places == [(1, 0), (2, 1)]
        await until(lambda: ("t1", "", None) in two.heard)
        while not any(entry for _, _, entry in two.heard):
            await append(one.store, "t1", drafts(1))
            await asyncio.sleep(0.001)
        assert (await two.store.heads(["t1"]))["t1"].newest >= 2


async def test_a_slot_that_is_moving_is_followed_and_its_logs_begin_new_epochs(
    cluster: RedisCluster,
) -> None:
    topic = "t2"
    slot, source = slot_of(NAMES.of_topic(topic)), home(cluster, topic)
    target = next(server for server in cluster.servers if server is not source)
    own = {server: str(server.command("CLUSTER", "MYID")) for server in (source, target)}
    async with started(cluster.address) as (node,):
        before = await append(node.store, topic, drafts(3))
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", own[source])
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", own[target])
        keys = source.command("CLUSTER", "GETKEYSINSLOT", slot, 10)
        assert len(keys) == 3
        # A part of the keys has moved: neither server can run the script.
        source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", keys[0])
        with pytest.raises(StoreUnavailable, match="TRYAGAIN"):
            await append(node.store, topic, drafts(1))
        waiting = asyncio.ensure_future(patiently(node.store, topic, drafts(1)))
        source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys[1:])
        target.command("SCRIPT", "FLUSH")
        moved = await node.store.heads([topic])  # ASK
        assert moved == {}  # at another server the log has another lineage
        for server in (target, source):
            server.command("CLUSTER", "SETSLOT", slot, "NODE", own[target])
        after = await waiting
        assert after.epoch != before.epoch
        assert after.places == [(1, 0)]
        assert (await append(node.store, topic, drafts(1))).places == [(2, 1)]


async def test_a_slot_that_no_server_has(cluster: RedisCluster) -> None:
    slot = slot_of(NAMES.of_topic("t3"))
    async with started(cluster.address) as (node,):
        for server in cluster.servers:
            server.command("CONFIG", "SET", "cluster-require-full-coverage", "no")
            server.command("CLUSTER", "DELSLOTS", slot)
        with pytest.raises(StoreUnavailable, match="CLUSTERDOWN"):  # it had a server at the start
            await node.store.heads(["t3"])
        async with started(cluster.address) as (other,):
            with pytest.raises(StoreUnavailable, match=f"no server has slot {slot}"):
                await other.store.heads(["t3"])
            cluster.servers[0].command("CLUSTER", "ADDSLOTS", slot)
            await patiently(other.store, "t3", drafts(1))


@pytest.mark.long
async def test_a_cluster_that_is_down_at_the_start() -> None:
    with redis_cluster() as running:
        for server in running.servers:
            server.kill()
        async with started(running.address) as (node,):
            with pytest.raises(StoreUnavailable, match=r"redis\+cluster://.* can't be reached"):
                await append(node.store, "t", drafts(1))
            for server in running.servers:
                await asyncio.to_thread(server.start)
            await asyncio.to_thread(wait, running.is_ok, "the cluster is not ready")
            await append(node.store, "t", drafts(1))


@pytest.mark.long
async def test_a_primary_of_a_cluster_that_is_replaced() -> None:
    """Its topics are unavailable until then, and begin new epochs. The others go on."""
    with redis_cluster(replicas=True) as running:
        lost, other = running.servers[0], running.servers[1]
        async with started(running.address) as (node,):
            own, theirs = topic_at(running, lost), topic_at(running, other)
            await node.store.subscribe([own, theirs])
            before = {topic: await append(node.store, topic, drafts(2)) for topic in (own, theirs)}
            await asyncio.to_thread(running.replica_of, lost)
            lost.kill()
            with pytest.raises(StoreUnavailable):
                await append(node.store, own, drafts(1))
            after = await append(node.store, theirs, drafts(1))
            assert after == (before[theirs].epoch, [(3, 2)])
            await asyncio.to_thread(lambda: running.failover(lost, force=True))
            replaced = await patiently(node.store, own, drafts(1))
            assert replaced.epoch != before[own].epoch
            await until(lambda: (own, "", None) in node.heard)
            heard = len(node.heard)
            while not any(topic == own and entry for topic, _, entry in node.heard[heard:]):
                await append(node.store, own, drafts(1))
                await asyncio.sleep(0.001)


@pytest.mark.long
async def test_a_failover_in_a_cluster_begins_new_epochs_of_its_topics() -> None:
    with redis_cluster(replicas=True) as running:
        first = running.servers[0]
        async with started(running.address) as (node,):
            own, theirs = topic_at(running, first), topic_at(running, running.servers[1])
            before = {topic: await append(node.store, topic, drafts(2)) for topic in (own, theirs)}
            await asyncio.to_thread(running.failover, first)
            assert await until_new(node.store, own, before[own].epoch)
            assert (await read(node.store, theirs)).epoch == before[theirs].epoch
