"""One server: what a driver carries, and how its connection ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bennu.errors import DefinitionError
from tests.support.brokers.processes import free_ports
from tests.support.brokers.redis import RedisServer, redis_server
from tests.support.certificates import Authority
from tests.support.until import until

from .hearer import connected, driver_for

pytestmark = pytest.mark.clock("both loops")


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.fixture
def fresh() -> Iterator[RedisServer]:
    """A server that the test can harm."""
    with redis_server() as running:
        yield running


# What it carries.


async def test_what_is_published_is_heard_by_the_subscribers_of_its_channel(
    server: RedisServer,
) -> None:
    async with (
        connected(driver_for(server.address)) as one,
        connected(driver_for(server.address)) as two,
    ):
        await two.driver.subscribe(["a", "ä\r\n*"])
        await one.driver.subscribe(["a"])
        await one.driver.publish(
            [("a", b"1"), ("b", b"2"), ("ä\r\n*", bytes(range(256))), ("a", b"")]
        )
        await until(lambda: len(two.heard) == 3 and len(one.heard) == 2)
        assert two.heard == [("a", b"1"), ("ä\r\n*", bytes(range(256))), ("a", b"")]
        assert one.heard == [("a", b"1"), ("a", b"")]  # its own, too


async def test_nothing_is_heard_after_unsubscribe(server: RedisServer) -> None:
    async with connected(driver_for(server.address)) as one:
        await one.driver.subscribe(["a", "b"])
        await one.driver.unsubscribe(["a", "unknown"])
        await one.driver.publish([("a", b"1"), ("b", b"2")])
        await until(lambda: one.heard)
        assert one.heard == [("b", b"2")]
        await one.driver.subscribe(["a"])
        await one.driver.publish([("a", b"3")])
        await until(lambda: one.data("a"))


async def test_no_channels_are_no_error(server: RedisServer) -> None:
    async with connected(driver_for(server.address)) as one:
        await one.driver.subscribe([])
        await one.driver.unsubscribe([])
        await one.driver.publish([])


async def test_long_channels_and_large_messages(server: RedisServer) -> None:
    async with connected(driver_for(server.address)) as one:
        channel, data = "ü" * 32_800, b"x" * one.driver.max_bytes
        await one.driver.subscribe([channel])
        await one.driver.publish([(channel, data), (channel, b"next")])
        await until(lambda: len(one.heard) == 2)
        assert one.data(channel) == [data, b"next"]


async def test_many_channels_and_messages_keep_their_order(server: RedisServer) -> None:
    async with connected(driver_for(server.address)) as one:
        channels = [f"room:{number}" for number in range(3000)]
        await one.driver.subscribe(channels)
        for start in range(0, 30_000, 100):
            batch = range(start, start + 100)
            await one.driver.publish([(channels[one % 7], b"%d" % one) for one in batch])
        await until(lambda: len(one.heard) == 30_000)
        assert [int(data) for _, data in one.heard] == list(range(30_000))


async def test_what_was_published_before_close_arrives(server: RedisServer) -> None:
    async with connected(driver_for(server.address)) as two:
        await two.driver.subscribe(["a"])
        async with connected(driver_for(server.address)) as one:
            await one.driver.subscribe(["a"])  # unread messages reset a connection that is closed
            await one.driver.publish([("a", b"x" * 1000)] * 5000)
        assert one.reasons == []
        await until(lambda: len(two.heard) == 5000)


# The end.


async def test_a_closed_connection_says_nothing_and_can_be_made_again(server: RedisServer) -> None:
    driver = driver_for(server.address)
    async with connected(driver) as one:
        assert driver.fds
        await driver.subscribe(["a"])
    await driver.close()
    assert driver.fds == []
    assert one.reasons == []
    for call in (driver.publish([("a", b"")]), driver.subscribe(["b"]), driver.unsubscribe(["b"])):
        with pytest.raises(OSError, match="is not connected"):
            await call
    async with connected(driver) as again:
        await driver.subscribe(["b"])
        await driver.publish([("a", b"1"), ("b", b"2")])
        await until(lambda: again.heard)
        assert again.heard == [("b", b"2")]


async def test_a_connection_that_the_server_closes_ends_once(fresh: RedisServer) -> None:
    async with connected(driver_for(fresh.address)) as one:
        await one.driver.subscribe(["a"])
        fresh.kill_clients("pubsub")
        await until(lambda: one.reasons)
        with pytest.raises(OSError, match="is not connected"):
            await one.driver.publish([("a", b"")])
    assert len(one.reasons) == 1


async def test_a_killed_server_ends_the_connection_and_its_calls(fresh: RedisServer) -> None:
    async with connected(driver_for(fresh.address)) as one:
        fresh.pause()
        waiting = asyncio.ensure_future(one.driver.subscribe(["a"]))
        await asyncio.sleep(0)
        fresh.kill()
        with pytest.raises(OSError, match="has ended"):
            await waiting
        await until(lambda: one.reasons)
        with pytest.raises(ConnectionRefusedError):
            await one.connect()
        fresh.start()
        await one.driver.close()
        await one.connect()
    assert len(one.reasons) == 1


async def test_a_server_that_takes_nothing_makes_publishers_wait(fresh: RedisServer) -> None:
    async with connected(driver_for(fresh.address)) as one:
        fresh.pause()

        async def publish() -> None:
            for _ in range(1000):
                await one.driver.publish([("a", b"x" * 100_000)])

        waiting = asyncio.ensure_future(publish())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.3)
        fresh.resume()
        await waiting
        fresh.pause()
        fresh.resume()


async def test_many_unanswered_messages_make_publishers_wait(fresh: RedisServer) -> None:
    async with connected(driver_for(fresh.address)) as one:
        fresh.pause()
        waiting = asyncio.ensure_future(one.driver.publish([("a", b"")] * 10_001))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.1)
        fresh.resume()
        await waiting


async def test_a_full_output_buffer_ends_the_connection() -> None:
    options = {"client-output-buffer-limit": "pubsub 1mb 0 0"}
    with redis_server(options) as server:
        async with connected(driver_for(server.address)) as one:
            await one.driver.subscribe(["a"])
            server.command(
                "EVAL",
                "for i = 1, 100 do redis.call('publish', 'a', ARGV[1]) end",
                0,
                "x" * 1_000_000,
            )
            await until(lambda: one.reasons)
            assert len(one.heard) < 100


async def test_a_close_does_not_wait_for_a_server_that_hangs(fresh: RedisServer) -> None:
    async with connected(driver_for(fresh.address)) as one:
        fresh.pause()
    assert one.reasons == []


# Roles.


async def test_a_replica_is_refused(server: RedisServer) -> None:
    options = {"replicaof": f"127.0.0.1 {server.port}"}
    with redis_server(options) as replica, pytest.raises(OSError, match="is a replica"):
        await driver_for(replica.address).connect(print, print)


async def test_a_primary_that_becomes_a_replica_ends_the_connection(
    server: RedisServer, fresh: RedisServer
) -> None:
    async with connected(driver_for(fresh.address)) as one:
        await one.driver.subscribe(["a"])
        fresh.command("REPLICAOF", "127.0.0.1", server.port)
        await until(lambda: one.reasons)
    assert "is a replica" in str(one.reasons[0])


# Logins.


async def test_a_wrong_password_is_an_error_that_shows_no_secret() -> None:
    with redis_server(password="hunter2") as server:
        async with connected(driver_for(server.address)):
            pass
        place = f"127.0.0.1:{server.port}"
        for login in ("", ":wrong-secret@", "chat:wrong-secret@"):
            driver = driver_for(f"redis://{login}{place}")
            with pytest.raises(DefinitionError) as caught:
                async with connected(driver):
                    pass
            assert "secret" not in f"{caught.value} {driver.name} {caught.value.__cause__!r}"
            assert place in str(caught.value)


async def test_a_user_needs_two_categories_of_permissions(fresh: RedisServer) -> None:
    user = ("ACL", "SETUSER", "chat", "reset", "on", ">s@cret", "+@connection", "+@pubsub")
    fresh.command(*user, "&room:*")
    address = f"redis://chat:s%40cret@127.0.0.1:{fresh.port}"
    async with connected(driver_for(address)) as one:
        await one.driver.subscribe(["room:1"])
        await one.driver.publish([("room:1", b"1")])
        await until(lambda: one.heard)
        with pytest.raises(DefinitionError, match="SUBSCRIBE: NOPERM"):
            await one.driver.subscribe(["other"])
        await one.driver.publish([("other", b"2")])
        await until(lambda: one.reasons)
    (reason,) = one.reasons
    assert isinstance(reason, DefinitionError)
    assert "PUBLISH: NOPERM" in str(reason)
    assert "s@cret" not in str(reason)


async def test_the_name_and_the_database_of_a_connection(server: RedisServer) -> None:
    driver = driver_for(f"{server.address}/3?client_name=bennu-web")
    async with connected(driver):
        clients = server.command("CLIENT", "LIST")
        assert "name=bennu-web" in clients
        assert " db=3 " in next(line for line in clients.splitlines() if "bennu-web" in line)
    with pytest.raises(DefinitionError, match="DB index is out of range"):
        async with connected(driver_for(f"{server.address}/99")):
            pass


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with redis_server({"unixsocket": path}, password="hunter2"):
        driver = driver_for(f"redis+unix://:hunter2@{path}?db=1")
        assert driver.name == f"redis+unix://{path}"
        async with connected(driver) as one:
            await one.driver.subscribe(["a"])
            await one.driver.publish([("a", b"1")])
            await until(lambda: one.heard)


async def test_tls_checks_both_certificates(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own, client = authority.certify("server"), authority.certify("client")
    options = {
        "tls-cert-file": own.certfile,
        "tls-key-file": own.keyfile,
        "tls-ca-cert-file": authority.certfile,
        "tls-auth-clients": "yes",
    }
    with redis_server(options) as server:
        (port,) = free_ports(1)
        server.command("CONFIG", "SET", "tls-port", port)
        base = f"rediss://127.0.0.1:{port}"
        ca = f"ssl_ca_certs={authority.certfile}"
        cert = f"ssl_certfile={client.certfile}&ssl_keyfile={client.keyfile}"
        async with connected(driver_for(f"{base}?{ca}&{cert}")) as one:
            await one.driver.subscribe(["a"])
            await one.driver.publish([("a", b"x" * 300_000)] * 20)
            await until(lambda: len(one.heard) == 20)
        async with connected(driver_for(f"{base}?ssl_cert_reqs=none&{cert}")):
            pass
        for query, problem in (
            (cert, "CERTIFICATE_VERIFY_FAILED"),
            (ca, "CERTIFICATE_REQUIRED|ended"),
        ):
            with pytest.raises(OSError, match=problem):
                await driver_for(f"{base}?{query}").connect(print, print)
