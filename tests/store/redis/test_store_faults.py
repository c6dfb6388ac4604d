"""Stores whose server is killed, restarted, paused or cut off: what becomes of entries, epochs and announcements."""

from __future__ import annotations

import asyncio

import pytest

from bennu.errors import StoreUnavailable
from bennu.store import Draft, Head, LogEntry
from bennu.testing.contract_node import until
from bennu.testing.contract_store import KEEP, PLENTY, ContractStore, draft, drafts, offsets
from tests.support.brokers.redis import redis_server

from .started import append, patiently, read, started

pytestmark = pytest.mark.clock("real")

SYNCED = {"appendonly": "yes", "appendfsync": "always"}


async def hears(node: ContractStore, topic: str) -> None:
    """Append until the node hears of an entry."""
    count = len(node.heard)
    while not any(entry for _, _, entry in node.heard[count:]):
        await patiently(node.store, topic, drafts(1))
        await asyncio.sleep(0.001)


# Restarts.


async def test_a_restart_begins_a_new_epoch_though_the_data_is_there() -> None:
    with redis_server(SYNCED) as server:
        async with started(server.address, 2) as nodes:
            before = await append(nodes[0].store, "t", drafts(5))
            await asyncio.to_thread(server.restart)
            page = await read(nodes[1].store, "t")
            assert page.epoch != before.epoch
            assert (page.newest, page.entries) == (0, [])
            after = await patiently(nodes[0].store, "t", drafts(1))
            assert after == (page.epoch, [(1, 0)])


@pytest.mark.clock("both loops")
async def test_a_trusted_restart_keeps_the_epoch_and_all_entries() -> None:
    with redis_server(SYNCED) as server:
        async with started(f"{server.address}?on_restart=trust", 2) as nodes:
            first = await append(nodes[0].store, "t", drafts(5))
            claimed = await nodes[0].store.claim("k", "a", 60)
            assert await nodes[0].store.settle("k", "a", b"1", 60)
            for round_ in range(1, 3):
                await asyncio.to_thread(server.restart)
                page = await read(nodes[1].store, "t")
                assert page.epoch == first.epoch
                assert offsets(page.entries) == [*range(1, 5 + round_)]
                again = await patiently(nodes[0].store, "t", drafts(1))
                assert again == (first.epoch, [(5 + round_, 4 + round_)])
            assert await nodes[1].store.claim("k", "b", 60) != claimed


async def test_a_trusted_restart_without_data_begins_a_new_epoch() -> None:
    with redis_server() as server:
        async with started(f"{server.address}?on_restart=trust") as (node,):
            before = await append(node.store, "t", drafts(5))
            await asyncio.to_thread(server.restart)
            page = await read(node.store, "t")
            assert page.epoch != before.epoch
            assert page.newest == 0


async def test_a_head_of_an_earlier_lineage_is_unknown() -> None:
    with redis_server(SYNCED) as server:
        async with started(server.address) as (node,):
            for topic in ("a", "b"):
                await append(node.store, topic, drafts(1))
            await asyncio.to_thread(server.restart)
            page = await read(node.store, "a")
            assert await node.store.heads(["a", "b"]) == {"a": Head(page.epoch, 0)}


async def test_a_server_that_is_down_at_the_start() -> None:
    with redis_server() as server:
        server.kill()
        async with started(server.address) as (node,):
            with pytest.raises(
                StoreUnavailable, match=r"redis://.* can't be reached: .*Connect call failed"
            ):
                await append(node.store, "t", drafts(1))
            with pytest.raises(StoreUnavailable, match="can't be reached"):
                await node.store.subscribe(["t"])
            await asyncio.to_thread(server.start)
            await append(node.store, "t", drafts(1))  # at once: a call connects
            await hears(node, "t")


# Cut connections.


@pytest.mark.clock("both loops")
async def test_an_append_that_is_cut_has_no_second_effect_when_it_is_repeated() -> None:
    with redis_server() as server:
        async with started(server.address, 2) as nodes:
            await nodes[1].store.subscribe(["t"])
            written = [draft(b"x" * 2000) for _ in range(600)]
            repeated = 0

            async def write(some: list[Draft]) -> None:
                nonlocal repeated
                for one in some:
                    while True:
                        try:
                            await append(nodes[0].store, "t", [one])
                            break
                        except StoreUnavailable:
                            repeated += 1

            writing = asyncio.gather(*(write(written[start::20]) for start in range(20)))
            while not writing.done():
                await asyncio.to_thread(server.kill_clients, "normal")
                await asyncio.sleep(0.01)
            await writing
            assert repeated > 0
            page = await read(nodes[0].store, "t")
            assert offsets(page.entries) == [*range(1, 601)]
            assert {entry.id for entry in page.entries} == {one.id for one in written}
            heard = [one.offset for one in nodes[1].announced("t") if isinstance(one, LogEntry)]
            assert heard == sorted(set(heard))  # no repeat is announced


async def test_a_feed_that_is_cut_asks_for_a_read_and_hears_again() -> None:
    with redis_server() as server:
        async with started(server.address) as (node,):
            await node.store.subscribe(["t", "u"])
            for _ in range(3):
                node.heard.clear()
                server.kill_clients("pubsub")
                await until(lambda: len(node.heard) >= 2)
                assert sorted(node.heard[:2]) == [("t", "", None), ("u", "", None)]
                await hears(node, "t")


# A server that hangs.


async def test_a_server_that_hangs() -> None:
    """A call waits as long as its caller wants. After the time of the address the connection is given up."""
    with redis_server() as server:
        async with started(f"{server.address}?socket_connect_timeout=0.5") as (node,):
            await node.store.subscribe(["t"])
            await append(node.store, "t", drafts(1))
            server.pause()
            one = draft()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await append(node.store, "t", [one])
            with pytest.raises(StoreUnavailable, match=r"did not answer (for|within) 0.5 s"):
                await append(node.store, "t", [one])
            with pytest.raises(StoreUnavailable, match=r"did not answer within 0.5 s"):
                await node.store.heads(["t"])
            node.heard.clear()
            server.resume()
            assert (await patiently(node.store, "t", [one])).places == [(2, 1)]
            await until(lambda: ("t", "", None) in node.heard)
            await hears(node, "t")


async def test_calls_that_are_cancelled_mix_up_no_answers() -> None:
    with redis_server() as server:
        async with started(server.address) as (node,):
            topics = [f"t{number}" for number in range(20)]
            for number, topic in enumerate(topics, 1):
                await append(node.store, topic, drafts(number))

            async def check(index: int) -> None:
                page = await node.store.read(topics[index], 0, 100, PLENTY, KEEP)
                assert page.newest == len(page.entries) == index + 1

            calls = [asyncio.ensure_future(check(number % 20)) for number in range(400)]
            await asyncio.sleep(0)
            for number, call in enumerate(calls):
                if number % 3:
                    call.cancel()
                if number % 50 == 0:
                    await asyncio.sleep(0)
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert all(one is None or isinstance(one, asyncio.CancelledError) for one in results)
            assert results.count(None) >= 134
