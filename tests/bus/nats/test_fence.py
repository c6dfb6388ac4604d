"""Subscriptions in a cluster of three."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from ...support.brokers.nats import (
    NatsCluster,
    NatsServer,
    nats_cluster,
    nats_gateways,
    nats_leaf,
    nats_server,
)
from ...support.until import until
from .ends import End, connected, private, stranger

pytestmark = pytest.mark.clock("real")


@asynccontextmanager
async def one_on_each(servers: list[NatsServer]) -> AsyncIterator[list[End]]:
    query = private("").partition("?")[2]
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(connected(f"{server.address}?{query}"))
            for server in servers
        ]


async def test_what_is_published_at_another_server_after_subscribe_is_heard(
    shared_cluster: NatsCluster,
) -> None:
    await hears_all_after_subscribe(shared_cluster.servers)


@pytest.mark.long
@pytest.mark.parametrize("run", [nats_gateways, nats_leaf])
async def test_the_fence_reaches_beyond_a_cluster(
    tmp_path: Path, run: Callable[[Path], AbstractContextManager[list[NatsServer]]]
) -> None:
    with run(tmp_path) as servers:
        await hears_all_after_subscribe(servers)


async def hears_all_after_subscribe(servers: list[NatsServer]) -> None:
    async with one_on_each(servers) as (one, *others):
        for turn in range(100):
            channels = [f"room:{turn}:{number}" for number in range(1 + turn % 2 * 500)]
            await one.driver.subscribe(channels)
            for other in others:
                await other.driver.publish([(channels[-1], b"1")])
        await one.driver.subscribe(["end"])
        for other in others:
            await other.driver.publish([("end", b"2")])
        count = len(others)
        await until(lambda: [channel for channel, _ in one.heard].count("end") == count)
        assert len(one.heard) == 101 * count


@pytest.mark.long
async def test_a_node_that_connects_later_is_waited_for(shared_cluster: NatsCluster) -> None:
    first, second, _ = shared_cluster.servers
    query = private("").partition("?")[2]
    async with connected(f"{first.address}?{query}") as one:
        for turn in range(20):
            subscribing = asyncio.create_task(
                one.driver.subscribe([f"a{turn}:{n}" for n in range(500)])
            )
            async with connected(f"{second.address}?{query}") as two:
                await subscribing
                await two.driver.publish([(f"a{turn}:499", b"1")])
                await one.driver.subscribe([f"b{turn}"])
                await two.driver.publish([(f"b{turn}", b"2")])
        await one.hears(40)


async def test_concurrent_subscribes(shared_cluster: NatsCluster) -> None:
    async with one_on_each(shared_cluster.servers) as (one, two, three):
        channels = [f"room:{number}" for number in range(100)]
        async with asyncio.TaskGroup() as group:
            for channel in channels:
                group.create_task(one.driver.subscribe([channel]))
                group.create_task(three.driver.subscribe([channel]))
        await two.driver.publish([(channel, b"1") for channel in channels])
        await one.hears(100)
        await three.hears(100)


async def test_a_node_that_hangs_does_not_answer_and_is_not_waited_for_again(
    shared_server: NatsServer,
) -> None:
    """The node says that it is at another server. A request to the group of that server has no answer."""
    address = private(shared_server.address)
    prefix = address.partition("prefix=")[2].encode()
    async with connected(address) as one:
        with stranger(shared_server) as hanging:
            hanging.write(b"SUB %b._.fence other 1\r\nSUB end 2\r\n" % prefix)
            hanging.write(b"PUB %b._.hello 5\r\nother\r\n" % prefix)
            hanging.ping()
            await asyncio.gather(one.driver.subscribe(["a"]), one.driver.subscribe(["b"]))
            await one.driver.subscribe(["c"])
            hanging.write(b"PUB end 0\r\n\r\n")
            lines = hanging.lines_until(b"MSG end")
            # Each of two requests was repeated. The third subscribe did not ask.
            assert len([line for line in lines if b"fence" in line]) == 14
            # An answer that comes late counts from now on.
            number = lines[
                lines.index(next(line for line in lines if b"fence" in line)) + 1
            ].strip()
            hanging.write(b"PUB %b._.%b 5\r\nother\r\n" % (prefix, number))
            hanging.ping()
            await one.driver.subscribe(["d"])
            assert any(b"fence" in line for line in hanging.ping())
        assert one.reasons == []


async def test_a_wait_for_answers_ends_with_the_connection(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.address) as one, connected(server.address) as two:
            await two.driver.subscribe(["x"])
            with stranger(server) as other:
                other.write(b"SUB bennu._.fence other 1\r\nPUB bennu._.hello 5\r\nother\r\n")
                other.ping()
                await one.driver.publish([("x", b"")])
                await two.hears(1)
                subscribing = asyncio.create_task(one.driver.subscribe(["a"]))
                await asyncio.to_thread(other.line)  # the request has come
                server.kill()
                with pytest.raises(OSError, match=r"closed the connection|reset"):
                    await subscribing


async def test_garbage_under_the_subjects_of_the_fence_has_no_effect(
    shared_server: NatsServer,
) -> None:
    address = private(shared_server.address)
    prefix = address.partition("prefix=")[2].encode()
    async with connected(address) as one:
        await one.driver.subscribe(["room"])
        with stranger(shared_server) as other:
            other.write(b"SUB stranger 1\r\n")
            for subject in (b"fence", b"fence stranger", b"fence", b"hello"):
                for data in (b"", b"x" * 200, b"\n", b"a.1 stranger", b"stranger"):
                    other.write(b"PUB %b._.%b %d\r\n%b\r\n" % (prefix, subject, len(data), data))
            assert len(other.ping()) == 1
            await one.driver.publish([("room", b"1")])
            await one.hears(1)
            await one.driver.subscribe(["next"])
            assert len(other.ping()) == 1  # nothing was sent to the stranger's subject


async def test_the_nodes_of_a_killed_server_are_not_waited_for(tmp_path: Path) -> None:
    with nats_cluster(tmp_path) as cluster:
        async with one_on_each(cluster.servers) as (one, two, three):
            cluster.servers[2].kill()
            await three.breaks()
            await one.driver.subscribe(["room"])
            await two.driver.publish([("room", b"1")])
            await one.hears(1)
            assert one.reasons == two.reasons == []
