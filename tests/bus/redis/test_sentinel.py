"""A primary that Sentinels watch: the driver finds it, and notices when another server takes its place."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from bennu.errors import DefinitionError
from tests.support.brokers.redis import RedisSentinels, redis_sentinels, redis_server
from tests.support.until import until

from .hearer import Hearer, connected, driver_for

pytestmark = pytest.mark.clock("real")


@pytest.fixture(scope="module")
def servers() -> Iterator[RedisSentinels]:
    with redis_sentinels() as running:
        yield running


@pytest.fixture
def fresh() -> Iterator[RedisSentinels]:
    """Servers that the test can harm."""
    with redis_sentinels() as running:
        yield running


async def hears(one: Hearer) -> None:
    """Connect, and check that messages arrive."""
    await one.connect()
    await one.driver.subscribe(["a"])
    count = len(one.heard)
    await one.driver.publish([("a", b"1")])
    await until(lambda: len(one.heard) > count)


async def reconnect(one: Hearer) -> None:
    """Connect again, as often as it takes."""
    one.reasons.clear()
    while True:
        await one.driver.close()
        try:
            await hears(one)
        except OSError:
            continue
        return


async def test_the_primary_is_found(servers: RedisSentinels) -> None:
    driver = driver_for(servers.address)
    assert driver.name == servers.address
    for _ in range(4):  # each Sentinel in turn
        async with connected(driver) as one:
            await driver.subscribe(["a"])
            await driver.publish([("a", b"1")])
            await until(partial(bool, one.heard))
            assert "flags=P" in servers.primary.command("CLIENT", "LIST")


async def test_sentinels_that_are_down_or_know_nothing_are_passed_over(
    servers: RedisSentinels,
) -> None:
    good = servers.address.rpartition("/")[0].rpartition(",")[2]
    with redis_server() as other:
        address = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{other.port},{good}/chat"
        for _ in range(3):
            async with connected(driver_for(address)):
                pass
        with pytest.raises(OSError, match="Connect call failed"):
            await driver_for(address.replace(good, "127.0.0.1:2")).connect(print, print)


async def test_an_unknown_service_is_an_error(servers: RedisSentinels) -> None:
    with pytest.raises(DefinitionError, match="knows no 'shop'"):
        await driver_for(servers.address.replace("/chat", "/shop")).connect(print, print)


async def test_a_sentinel_is_no_server(servers: RedisSentinels) -> None:
    address = f"redis://127.0.0.1:{servers.sentinels[0].port}"
    with pytest.raises(DefinitionError, match="Sentinel"):
        await driver_for(address).connect(print, print)


async def test_a_failover_while_the_old_primary_lives_ends_the_connection(
    fresh: RedisSentinels,
) -> None:
    one = Hearer(driver_for(fresh.address))
    await hears(one)
    fresh.failover()
    await until(lambda: one.reasons)
    await reconnect(one)
    assert "flags=P" in fresh.primary.command("CLIENT", "LIST")
    await one.driver.close()


@pytest.mark.long
async def test_a_failover_from_a_primary_that_hangs_ends_the_connection(
    fresh: RedisSentinels,
) -> None:
    one = Hearer(driver_for(fresh.address))
    await hears(one)
    fresh.primary.pause()
    await until(lambda: one.reasons)  # nothing but a Sentinel can tell
    assert "the primary" in str(one.reasons[0])
    await reconnect(one)
    await one.driver.close()


@pytest.mark.long
async def test_a_failover_from_a_killed_primary_and_a_sentinel_that_hangs(
    fresh: RedisSentinels,
) -> None:
    one = Hearer(driver_for(f"{fresh.address}?socket_connect_timeout=0.5"))
    await hears(one)
    fresh.sentinels[2].pause()
    fresh.primary.kill()
    await until(lambda: one.reasons)
    await reconnect(one)
    await one.driver.close()


async def test_the_passwords_of_sentinels_and_servers_differ() -> None:
    with redis_sentinels() as running:
        for server in running.servers:
            server.command("CONFIG", "SET", "requirepass", "hunter2")
        for sentinel in running.sentinels:
            sentinel.command("ACL", "SETUSER", "guard", "on", ">s3", "+@all", "allchannels")
        hosts = running.address.removeprefix("redis+sentinel://")
        address = f"redis+sentinel://:hunter2@{hosts}?sentinel_username=guard&sentinel_password="
        async with connected(driver_for(address + "s3")) as one:
            await one.driver.subscribe(["a"])
        with pytest.raises(DefinitionError, match="WRONGPASS") as caught:
            await driver_for(address + "wrong-secret").connect(print, print)
        assert "secret" not in str(caught.value)
