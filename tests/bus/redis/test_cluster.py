"""A cluster: each channel is carried by the primary of its slot, also after that has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial

import pytest

from bennu.bus.redis.cluster import ClusterDriver
from bennu.bus.redis.options import read_address
from bennu.bus.redis.slots import slot_of
from bennu.errors import DefinitionError
from tests.support.brokers.redis import RedisCluster, redis_cluster, redis_server
from tests.support.until import pause, until

from .hearer import Hearer, connected, driver_for

pytestmark = pytest.mark.clock("real")

CHANNELS = [f"room:{number}" for number in range(100)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with redis_cluster() as running:
        yield running


@pytest.fixture
def fresh() -> Iterator[RedisCluster]:
    """A cluster with replicas that the test can harm."""
    with redis_cluster(replicas=True) as running:
        yield running


async def all_arrives(one: Hearer, other: Hearer) -> None:
    """Publish one message to each channel until all arrive, and then check that nothing is lost."""
    one.heard.clear()
    while len({channel for channel, _ in one.heard}) < len(CHANNELS):
        await other.driver.publish([(channel, b"try") for channel in CHANNELS])
        await pause()
    await other.driver.publish([(channel, b"sure") for channel in CHANNELS])
    await other.driver.publish([(channel, b"end") for channel in CHANNELS])
    await until(lambda: all(b"end" in one.data(channel) for channel in CHANNELS))
    for channel in CHANNELS:
        assert [data for data in one.data(channel) if data != b"try"] == [b"sure", b"end"]


async def test_channels_of_all_primaries_are_heard(cluster: RedisCluster) -> None:
    async with connected(driver_for(cluster.address)) as one:
        assert one.driver.name == cluster.address
        await one.driver.subscribe(CHANNELS)
        await one.driver.subscribe(CHANNELS[:10])
        assert len(one.driver.fds) == 3
        async with connected(driver_for(cluster.address)) as two:
            await all_arrives(one, two)
        await one.driver.unsubscribe([*CHANNELS[:50], "unknown"])
        one.heard.clear()
        await one.driver.publish([(channel, b"1") for channel in CHANNELS])
        await until(lambda: len(one.heard) == 50)
        assert {channel for channel, _ in one.heard} == set(CHANNELS[50:])
        for server in cluster.servers:
            assert int(server.command("PUBSUB", "NUMPAT")) == 0
            assert server.command("PUBSUB", "CHANNELS") == []
    assert one.reasons == []


async def test_the_messages_of_a_channel_keep_their_order(cluster: RedisCluster) -> None:
    async with connected(driver_for(cluster.address)) as one:
        await one.driver.subscribe(CHANNELS[:3])
        for start in range(0, 10_000, 50):
            batch = range(start, start + 50)
            await one.driver.publish([(CHANNELS[one % 3], b"%d" % one) for one in batch])
        await until(lambda: len(one.heard) == 10_000)
        for number in range(3):
            assert [int(one) for one in one.data(CHANNELS[number])] == list(
                range(number, 10_000, 3)
            )


async def test_a_slot_that_moves_takes_its_channels_along(cluster: RedisCluster) -> None:
    async with (
        connected(driver_for(cluster.address)) as one,
        connected(driver_for(cluster.address)) as two,
    ):
        await one.driver.subscribe(CHANNELS)
        await all_arrives(one, two)
        moved = slot_of(CHANNELS[0])
        source = cluster.owner(moved)
        target = next(server for server in cluster.servers if server is not source)
        cluster.move(moved, target)
        await all_arrives(one, two)
        assert one.reasons == two.reasons == []
        cluster.move(moved, source)
        await all_arrives(one, two)


async def test_messages_keep_their_order_while_slots_move(cluster: RedisCluster) -> None:
    """A publisher goes on: what arrives is in order, and a message that the old primary refuses is not lost."""
    channel = CHANNELS[1]
    slot = slot_of(channel)
    async with (
        connected(driver_for(cluster.address)) as one,
        connected(driver_for(cluster.address)) as two,
    ):
        await one.driver.subscribe([channel])
        count = 0
        stop = False

        async def talk() -> None:
            nonlocal count
            while not stop:
                await two.driver.publish(
                    [(channel, b"%d" % (count + number)) for number in range(20)]
                )
                count += 20
                await asyncio.sleep(0)

        talking = asyncio.ensure_future(talk())
        for _ in range(6):
            source = cluster.owner(slot)
            target = next(server for server in cluster.servers if server is not source)
            await asyncio.to_thread(cluster.move, slot, target)
            before = len(one.heard)
            await until(partial(one.has, before + 100))
        stop = True
        await talking
        await until(lambda: one.heard and int(one.heard[-1][1]) == count - 1)
        numbers = [int(data) for _, data in one.heard]
        assert numbers == sorted(set(numbers))


@pytest.mark.long
async def test_a_failover_by_hand_ends_nothing(fresh: RedisCluster) -> None:
    async with (
        connected(driver_for(fresh.address)) as one,
        connected(driver_for(fresh.address)) as two,
    ):
        await one.driver.subscribe(CHANNELS)
        await all_arrives(one, two)
        fresh.failover(fresh.servers[0])
        await all_arrives(one, two)
        assert one.reasons == two.reasons == []


@pytest.mark.long
async def test_a_killed_primary_leaves_the_other_channels_alone(fresh: RedisCluster) -> None:
    async with (
        connected(driver_for(fresh.address)) as one,
        connected(driver_for(fresh.address)) as two,
    ):
        await one.driver.subscribe(CHANNELS)
        await all_arrives(one, two)
        one.heard.clear()
        primary = fresh.servers[0]
        others = [name for name in CHANNELS if fresh.owner(slot_of(name)) is not primary]
        primary.kill()
        await two.driver.publish([(channel, b"during") for channel in CHANNELS])
        await two.driver.publish([(channel, b"during") for channel in CHANNELS])
        await until(lambda: len(one.heard) == 2 * len(others))
        assert {channel for channel, _ in one.heard} == set(others)
        fresh.failover(primary, force=True)
        await all_arrives(one, two)
        assert one.reasons == two.reasons == []


async def test_a_primary_that_restarts_gets_its_channels_back(fresh: RedisCluster) -> None:
    async with connected(driver_for(fresh.address)) as one:
        await one.driver.subscribe(CHANNELS)
        fresh.servers[0].restart()
        await all_arrives(one, one)
        assert one.reasons == []


@pytest.mark.long
async def test_a_primary_that_hangs_is_replaced(fresh: RedisCluster) -> None:
    async with connected(driver_for(f"{fresh.address}?socket_connect_timeout=0.5")) as one:
        await one.driver.subscribe(CHANNELS)
        fresh.servers[1].pause()
        waiting = asyncio.ensure_future(one.driver.subscribe(["new"]))
        await all_arrives(one, one)  # the cluster elects a replica after its node timeout
        await waiting
        assert one.reasons == []


@pytest.mark.long
async def test_a_channel_that_stays_without_a_primary_ends_the_connection() -> None:
    with redis_cluster() as running:
        read = read_address(running.address)
        driver = ClusterDriver(read.places, read.options, patience=0.3)
        async with connected(driver) as one:
            await driver.subscribe(CHANNELS)
            running.servers[0].kill()
            await until(lambda: one.reasons)
            with pytest.raises(OSError, match="is not connected"):
                await driver.subscribe(["a"])
        assert len(one.reasons) == 1
        async with connected(driver) as again:
            with pytest.raises(OSError, match="has ended"):
                await driver.subscribe(CHANNELS)
        assert len(again.reasons) == 1


async def test_a_cluster_that_is_gone_ends_the_connection() -> None:
    with redis_cluster() as running:
        async with connected(driver_for(running.address)) as one:
            await one.driver.subscribe(CHANNELS)
            for server in running.servers:
                server.kill()
            await until(lambda: one.reasons)
            with pytest.raises(ConnectionRefusedError):
                await one.connect()


async def test_a_closed_subscriber_is_told_by_the_slot_map_alone(cluster: RedisCluster) -> None:
    async with connected(driver_for(cluster.address)) as one:
        await one.driver.subscribe(CHANNELS)
        for server in cluster.servers:
            server.kill_clients("pubsub")
        await all_arrives(one, one)
        assert one.reasons == []


async def test_a_server_without_cluster_is_an_error(cluster: RedisCluster) -> None:
    with redis_server() as server:
        address = f"redis+cluster://127.0.0.1:{server.port}"
        with pytest.raises(DefinitionError, match="cluster support disabled"):
            await driver_for(address).connect(print, print)
        good = cluster.address.rpartition(",")[2]
        for _ in range(3):
            async with connected(driver_for(f"{address},{good}")):
                pass


async def test_a_user_needs_the_permission_to_read_the_slots(fresh: RedisCluster) -> None:
    user = ["ACL", "SETUSER", "chat", "reset", "on", ">s3", "+@connection", "+@pubsub", "&room:*"]
    address = fresh.address.replace("://", "://chat:s3@")
    for server in fresh.servers:
        server.command(*user)
    with pytest.raises(DefinitionError, match="CLUSTER SLOTS: NOPERM"):
        await driver_for(address).connect(print, print)
    for server in fresh.servers:
        server.command(*user, "+cluster|slots")
    async with connected(driver_for(address)) as one:
        await one.driver.subscribe(CHANNELS)
        await all_arrives(one, one)
        await one.driver.settle()
        await one.driver.publish([("other", b"1")])
        await until(lambda: one.reasons)
    (reason,) = one.reasons
    assert "SPUBLISH: NOPERM" in str(reason)


async def test_settling_waits_for_a_primary_that_is_lost(fresh: RedisCluster) -> None:
    async with connected(driver_for(fresh.address)) as one:
        gaps: list[float] = []
        one.driver.on_gap(gaps.append)
        await one.driver.close()
        await one.connect()
        await one.driver.subscribe(CHANNELS)
        await one.driver.settle()
        fresh.servers[0].kill()
        await one.driver.publish([(channel, b"lost") for channel in CHANNELS])
        waiting = asyncio.ensure_future(one.driver.settle())
        await until(lambda: len(one.driver.fds) < 3)
        assert not waiting.done()
        fresh.failover(fresh.servers[0], force=True)
        await waiting
        assert gaps
        assert one.reasons == []


@pytest.mark.long
async def test_what_no_server_takes_is_told_as_a_gap(fresh: RedisCluster) -> None:
    async with connected(driver_for(fresh.address)) as one:
        gaps: list[float] = []
        one.driver.on_gap(gaps.append)
        await one.driver.close()
        await one.connect()
        await one.driver.subscribe(CHANNELS)
        slot = slot_of(CHANNELS[0])
        owner = fresh.owner(slot)
        owner.command("CLUSTER", "DELSLOTS", str(slot))
        await one.driver.publish([(CHANNELS[0], b"lost")])
        owner.command("CLUSTER", "ADDSLOTS", str(slot))
        await until(lambda: gaps)
        assert one.reasons == []


@pytest.mark.long
async def test_a_primary_at_which_nothing_is_heard_is_looked_for(fresh: RedisCluster) -> None:
    async with connected(driver_for(fresh.address)) as one:
        gaps: list[float] = []
        one.driver.on_gap(gaps.append)
        await one.driver.close()
        await one.connect()
        fresh.servers[0].kill()
        for _ in range(2):
            await one.driver.publish([(channel, b"lost") for channel in CHANNELS])
        fresh.failover(fresh.servers[0], force=True)
        await until(lambda: gaps)
        assert one.reasons == []
