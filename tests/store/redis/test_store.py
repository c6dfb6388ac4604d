"""The store on one server: what is in Redis, what is refused, and what is logged."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress

import pytest

from bennu.errors import DefinitionError, StoreUnavailable
from bennu.store import ClaimState, Head, LogEntry, Retention
from bennu.store.redis import RedisStore
from bennu.store.redis.names import StoreNames
from bennu.testing.contract_node import until
from bennu.testing.contract_store import KEEP, PLENTY, draft, drafts, offsets
from tests.support.brokers.redis import RedisServer, redis_server, redis_servers

from .started import append, read, started

pytestmark = pytest.mark.clock("real")

NAMES = StoreNames("bennu", 0)
RECORD, LOG, IDS, OLDER = NAMES.keys("t")


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.fixture
def server(shared: RedisServer) -> RedisServer:
    shared.command("FLUSHALL")
    return shared


# What is in Redis.


async def test_a_log_without_its_record_is_deleted(server: RedisServer) -> None:
    """Redis can evict the record and leave the log: its numbers must not come again in this epoch."""
    async with started(server.address) as (node,):
        for write in (True, False):
            before = await append(node.store, "t", drafts(3))
            assert server.command("DEL", RECORD) == 1
            if write:
                after = await append(node.store, "t", drafts(1))
                assert after.places == [(1, 0)]
                page = await read(node.store, "t")
                assert page.epoch == after.epoch
                assert offsets(page.entries) == [1]
            else:
                page = await read(node.store, "t")
                assert (page.newest, page.entries) == (0, [])
                assert server.command("EXISTS", LOG, IDS, OLDER) == 0
            assert page.epoch != before.epoch


async def test_a_record_without_its_log_goes_on(server: RedisServer) -> None:
    async with started(server.address) as (node,):
        before = await append(node.store, "t", drafts(3))
        assert server.command("DEL", LOG) == 1
        assert await read(node.store, "t") == (before.epoch, 3, [], False)
        after = await append(node.store, "t", drafts(1))
        assert after == (before.epoch, [(4, 3)])


async def test_ids_are_kept_for_two_minutes_and_then_forgotten(server: RedisServer) -> None:
    async with started(server.address) as (node,):
        one, two, three = drafts(3)
        await append(node.store, "t", [one])
        assert 239_000 < server.command("PTTL", IDS) <= 240_000
        server.command("PEXPIRE", IDS, 119_000)  # as two minutes later
        await append(node.store, "t", [two])
        assert server.command("HKEYS", IDS) == [two.id]
        assert server.command("HKEYS", OLDER) == [one.id]
        assert server.command("PTTL", OLDER) <= 119_000
        again = await append(node.store, "t", [one, two])
        assert again.places == [(1, 0), (2, 1)]
        server.command("PEXPIRE", IDS, 119_000)
        await append(node.store, "t", [three])
        assert server.command("HKEYS", OLDER) == [two.id]
        assert (await append(node.store, "t", [one])).places == [(4, 3)]


async def test_keys_expire(server: RedisServer) -> None:
    async with started(server.address) as (node,):
        await node.store.append("t", drafts(2), Retention(10, 100.0, 1000.0))
        assert 990_000 < server.command("PTTL", RECORD) <= 1_000_000
        assert 150_000 < server.command("PTTL", LOG) <= 160_000
        await node.store.append("t", drafts(2), Retention(10, None, 500.0))
        assert 490_000 < server.command("PTTL", RECORD) <= 500_000
        assert 490_000 < server.command("PTTL", LOG) <= 500_000
        # A topic that is only read keeps its epoch, and not each read writes.
        await node.store.read("t", 0, 10, PLENTY, Retention(10, None, 900.0))
        assert server.command("PTTL", RECORD) <= 500_000
        await node.store.read("t", 0, 10, PLENTY, Retention(10, None, 2000.0))
        assert server.command("PTTL", RECORD) > 1_990_000


@pytest.mark.parametrize(("old", "young"), [(250, 3), (99, 1), (100, 0), (101, 1), (1, 0)])
async def test_any_number_of_old_entries_is_trimmed(
    server: RedisServer, old: int, young: int
) -> None:
    hour = Retention(1000, 3600.0, 86_400.0)
    async with started(server.address) as (node,):
        for age, count in ((4000, old), (10, young)):
            for start in range(0, count, 64):
                await node.store.append("t", drafts(min(64, count - start), age=age), KEEP)
        assert server.command("XLEN", LOG) == old + young
        page = await node.store.read("t", 0, 1000, PLENTY, hour)
        assert offsets(page.entries) == [*range(old + 1, old + young + 1)]
        assert server.command("XLEN", LOG) == young


async def test_appends_trim_old_entries_though_nobody_reads(server: RedisServer) -> None:
    hour = Retention(1000, 3600.0, 86_400.0)
    async with started(server.address) as (node,):
        await node.store.append("t", drafts(15, age=4000), hour)
        assert server.command("XLEN", LOG) == 15
        await node.store.append("t", drafts(3), hour)
        assert server.command("XLEN", LOG) == 3


async def test_pages_of_many_entries(server: RedisServer) -> None:
    """The script reads 100 entries at a time."""
    async with started(server.address) as (node,):
        for _ in range(5):
            await append(node.store, "t", [draft(b"x" * 10) for _ in range(64)])
        for limit in (99, 100, 101, 199, 200, 201, 320, 321):
            page = await node.store.read("t", 3, limit, PLENTY, KEEP)
            assert offsets(page.entries) == [*range(4, min(3 + limit, 320) + 1)]
            assert page.is_cut == (3 + limit < 320)
        for most in (990, 1000, 1001, 2010):
            page = await node.store.read("t", 0, 1000, most, KEEP)
            assert len(page.entries) == -(-most // 10)


async def test_applications_with_different_prefixes_or_databases_share_a_server(
    server: RedisServer,
) -> None:
    addresses = [f"{server.address}{end}" for end in ("", "/1", "?prefix=other")]
    async with (
        started(addresses[0]) as (one,),
        started(addresses[1]) as (two,),
        started(addresses[2]) as (three,),
    ):
        nodes = [one, two, three]
        for node in nodes:
            await node.store.subscribe(["t"])
        for number, node in enumerate(nodes, 1):
            await append(node.store, "t", drafts(number))
            assert (await node.store.claim("k", "a", 60)).state is ClaimState.NEW
        for number, node in enumerate(nodes, 1):
            assert (await node.store.heads(["t"]))["t"].newest == number
            await until(lambda node=node, number=number: len(node.heard) >= number)  # type: ignore[misc]
            assert len(node.heard) == number


# Scripts.


async def test_scripts_that_the_server_forgets(server: RedisServer) -> None:
    async with started(server.address) as (node,):
        for _ in range(2):
            appended = await append(node.store, "t", drafts(1))
            server.command("SCRIPT", "FLUSH")
            assert await node.store.heads(["t"]) == {"t": Head(appended.epoch, 1)}
            calls = [append(node.store, "t", [one]) for one in drafts(20)]
            found = await asyncio.gather(*calls)
            assert [one.places[0][0] for one in found] == [*range(2, 22)]
            await node.store.reset("t")


async def test_a_user_needs_only_the_commands_that_the_store_lists(server: RedisServer) -> None:
    rules = (
        "~bennu:* &bennu:* -@all +hello +info +ping +eval +evalsha +publish +subscribe +unsubscribe"
    )
    server.command(
        "ACL", "SETUSER", "chat", "on", ">hunter2", *rules.split(), "+@hash", "+@stream", "+@string",
        "+@keyspace",
    )  # fmt: skip
    async with started(f"redis://chat:hunter2@127.0.0.1:{server.port}") as (node,):
        await node.store.subscribe(["t"])
        await append(node.store, "t", drafts(2))
        await until(lambda: len(node.heard) == 2)
        assert offsets((await node.store.read("t", 0, 9, PLENTY, KEEP)).entries) == [1, 2]
        await node.store.claim("k", "a", 60)
        assert await node.store.settle("k", "a", b"", 60)
        await node.store.reset("t")
    server.command("ACL", "DELUSER", "chat")


# Announcements.


async def test_a_message_that_is_no_entry_asks_for_a_read(server: RedisServer) -> None:
    async with started(server.address) as (node,):
        await node.store.subscribe(["t"])
        for text in ("", "x", "e x y", "e 1 short"):
            server.command("PUBLISH", NAMES.of_topic("t"), text)
        await until(lambda: len(node.heard) == 4)
        assert node.heard == [("t", "", None)] * 4


async def test_an_entry_of_another_version_can_not_be_read(server: RedisServer) -> None:
    async with started(server.address) as (node,):
        await append(node.store, "t", drafts(1))
        server.command("XADD", LOG, "2-0", "d", "\x02" * 30)
        with pytest.raises(StoreUnavailable, match="this version of Bennu can't read"):
            await node.store.read("t", 0, 9, PLENTY, KEEP)


async def test_two_stores_that_append_at_the_same_time(server: RedisServer) -> None:
    """Offsets have no hole, and both nodes hear of every entry, in order."""
    async with started(server.address, 2) as nodes:
        for node in nodes:
            await node.store.subscribe(["t"])
        written = [[draft(b"%d" % number) for number in range(1000)] for _ in nodes]
        places: dict[str, tuple[int, int]] = {}

        async def write(index: int) -> None:
            for start in range(0, 1000, 10):
                some = written[index][start : start + 10]
                results = await asyncio.gather(
                    *(append(nodes[index].store, "t", [d]) for d in some)
                )
                for one, result in zip(some, results, strict=True):
                    places[one.id] = result.places[0]

        await asyncio.gather(write(0), write(1))
        assert sorted(places.values()) == [(number, number - 1) for number in range(1, 2001)]
        page = await nodes[0].store.read("t", 1000, 2000, PLENTY, KEEP)
        assert offsets(page.entries) == [*range(1001, 2001)]
        for node in nodes:
            await until(lambda node=node: len(node.heard) == 2000)  # type: ignore[misc]
            heard = [entry for entry in node.announced("t") if isinstance(entry, LogEntry)]
            assert offsets(heard) == [*range(1, 2001)]
            assert all(places[one.id] == (one.offset, one.prev) for one in heard)


# What is refused.


async def test_a_replica_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    with redis_servers(2) as (primary, other):
        other.command("REPLICAOF", "127.0.0.1", primary.port)
        async with started(other.address) as (node,):
            with pytest.raises(StoreUnavailable, match=r"can't be reached: .* is a replica"):
                await append(node.store, "t", drafts(1))
            with pytest.raises(StoreUnavailable, match="is a replica"):
                await node.store.read("t", 0, 1, 1, KEEP)
            with pytest.raises(StoreUnavailable, match="is a replica"):
                await node.store.subscribe(["t"])
            other.command("REPLICAOF", "NO", "ONE")
            before = await append(node.store, "t", drafts(1))
            # It becomes one while the store is connected, and notices it at the first command.
            other.command("REPLICAOF", "127.0.0.1", primary.port)
            with pytest.raises(StoreUnavailable, match="is a replica"):
                await node.store.heads(["t"])
            other.command("REPLICAOF", "NO", "ONE")
            assert (await append(node.store, "t", drafts(1))).epoch != before.epoch


async def test_a_password_that_is_wrong_is_refused_at_the_start() -> None:
    with redis_server(password="right") as server:
        store = RedisStore(f"redis://:hunter2@127.0.0.1:{server.port}")
        with pytest.raises(
            DefinitionError, match=r"the store redis://127(.|\n)*WRONGPASS"
        ) as caught:
            await store.start(print)
        assert "hunter2" not in str(caught.value)


async def test_a_password_that_is_changed_makes_the_store_unavailable(server: RedisServer) -> None:
    server.command("ACL", "SETUSER", "chat", "on", ">hunter2", "~*", "&*", "+@all")
    async with started(f"redis://chat:hunter2@127.0.0.1:{server.port}") as (node,):
        await append(node.store, "t", drafts(1))
        server.command("ACL", "SETUSER", "chat", "resetpass", ">changed")
        server.command("CLIENT", "KILL", "USER", "chat")
        text = ""
        while "WRONGPASS" not in text:  # the first call can be the one that loses its connection
            with pytest.raises(StoreUnavailable) as caught:
                await node.store.heads(["t"])
            text = str(caught.value)
            assert "hunter2" not in text
        assert "the store redis://127" in text
    server.command("ACL", "DELUSER", "chat")


async def test_an_old_redis_is_refused(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bennu.store.redis.primary.OLDEST", 99)
    with pytest.raises(DefinitionError, match=r"Redis 99 or newer(.|\n)*got: +version \d"):
        await RedisStore(server.address).start(print)


async def test_a_user_that_may_not_ask_who_the_server_is_is_refused(server: RedisServer) -> None:
    server.command("ACL", "SETUSER", "chat", "on", ">hunter2", "~*", "&*", "+@all", "-info")
    with pytest.raises(DefinitionError, match=r"the store (.|\n)*refused INFO: NOPERM"):
        await RedisStore(f"redis://chat:hunter2@127.0.0.1:{server.port}").start(print)
    server.command("ACL", "DELUSER", "chat")


@pytest.mark.parametrize("kind", ["redis", "redis+cluster"])
async def test_a_server_that_takes_connections_and_says_nothing(kind: str) -> None:
    """A start can be cancelled, and a call ends after the time of the address."""
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    store = RedisStore(f"{kind}://127.0.0.1:{port}?socket_connect_timeout=0.2")
    starting = asyncio.ensure_future(store.start(print))
    await until(lambda: held)
    starting.cancel()
    await asyncio.wait([starting])
    assert starting.cancelled()
    await store.start(print)
    with pytest.raises(StoreUnavailable, match=r"did not answer within 0.2 s"):
        await append(store, "t", drafts(1))
    await store.stop()
    for writer in held:
        writer.close()
    silent.close()


async def test_a_server_without_memory_refuses_an_append_as_a_whole_and_can_be_read(
    server: RedisServer,
) -> None:
    async with started(server.address) as (node,):
        await node.store.subscribe(["t"])
        await append(node.store, "t", drafts(2))
        server.command("CONFIG", "SET", "maxmemory", "1mb")
        try:
            with pytest.raises(StoreUnavailable, match=r"has refused: .*OOM"):
                await append(node.store, "t", drafts(2))
            with pytest.raises(StoreUnavailable, match="OOM"):
                await node.store.claim("k", "a", 60)
            assert offsets((await node.store.read("t", 0, 9, PLENTY, KEEP)).entries) == [1, 2]
            assert (await node.store.read("new", 0, 9, PLENTY, KEEP)).newest == 0
        finally:
            server.command("CONFIG", "SET", "maxmemory", 0)
        assert (await append(node.store, "t", drafts(1))).places == [(3, 2)]


async def test_a_store_that_is_not_started_is_unavailable(server: RedisServer) -> None:
    store = RedisStore(server.address)
    store.unsubscribe(["t"])
    with pytest.raises(StoreUnavailable, match="not started"):
        await store.subscribe(["t"])
    with pytest.raises(StoreUnavailable, match="not started"):
        await store.heads(["t"])


async def test_a_child_of_fork_leaves_the_connections_to_its_parent(server: RedisServer) -> None:
    async with started(server.address) as (node,):
        await node.store.subscribe(["t"])
        not_started = RedisStore(server.address)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a fork beside threads: the child ends at once
            child = os.fork()
        if not child:
            with suppress(StoreUnavailable):
                node.store.release("k", "a").send(None)
                os._exit(1)
            os._exit(0)
        assert (await asyncio.to_thread(os.waitpid, child, 0))[1] == 0
        await append(node.store, "t", drafts(1))
        await until(lambda: node.heard)
        await not_started.stop()


# What is logged.


@pytest.mark.parametrize(
    ("options", "query", "text"),
    [
        ({"maxmemory-policy": "allkeys-lru"}, "", "policy allkeys-lru.*Set maxmemory-policy"),
        ({"maxmemory-policy": "noeviction"}, "", None),
        ({}, "?on_restart=trust", "loses entries at a restart, and on_restart=trust"),
        ({"appendonly": "yes"}, "?on_restart=trust", None),
    ],
)
async def test_settings_that_lose_entries_are_logged_at_the_start(
    options: dict[str, object], query: str, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with redis_server(options) as server:
        async with started(server.address + query):
            assert caplog.text == "" if text is None else re.search(text, caplog.text)
