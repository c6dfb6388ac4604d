"""Topics with history on several nodes that share a store: order, gaps, outages and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import pytest

from bennu import (
    Channel,
    DefinitionError,
    EncodeError,
    Endpoint,
    History,
    Socket,
    StoreUnavailable,
    on,
)
from bennu.bus import MemoryNetwork
from bennu.store import Store
from bennu.testing.clock import advance, running_loop, settle
from bennu.testing.shared_store import SharedStore

from ..support.frames import Frame, broadcast, crashed, error, ok
from ..support.hostile_adapter import HostileAdapter
from ..support.memory import Client, Server, endpoint_of, serve

TOKEN = "t" * 16


class Room(Channel[Any]):
    """A room with history."""

    history = History(size=100)

    @on("tell")
    async def tell(self, payload: dict[str, Any]) -> None:
        await self.broadcast_from("said", payload)


class Node(NamedTuple):
    """An endpoint on the bus."""

    server: Server
    adapter: HostileAdapter

    async def say(self, *numbers: int) -> None:
        """Broadcast numbers."""
        for n in numbers:
            await self.server.endpoint.broadcast("room:1", "said", {"n": n})

    async def enter(self, **recovery: Any) -> tuple[Client, dict[str, Any]]:
        """Connect a client that asks for recovery. Return it, and what the reply says of that."""
        client = await self.server.connect()
        reply = await client.join("room:1", {"recovery": recovery}, within=30)
        assert reply["status"] == "ok", reply
        return client, reply["response"]["recovery"]


@asynccontextmanager
async def nodes(store: Store, *names: str) -> AsyncIterator[list[Node]]:
    """Run endpoints on one bus, with one store."""
    network = MemoryNetwork()
    async with AsyncExitStack() as stack:
        started = []
        for name in names:
            adapter = HostileAdapter(network.adapter(name))
            endpoint = endpoint_of({"room:*": Room}, pubsub=adapter, store=store)
            started.append(Node(await stack.enter_async_context(serve(endpoint)), adapter))
        yield started
        for node in started:
            for wire in node.server.wires:
                if wire.code is None:
                    wire.close()


def entries(epoch: str, *offsets: int) -> list[Frame]:
    """Return the live frames of entries that say their offsets."""
    return [broadcast("room:1", "said", {"n": n}, at=f"{n}:{epoch}") for n in offsets]


@pytest.mark.parametrize("announces", [False, True])
async def test_clients_of_all_nodes_get_the_same_entries_in_the_same_order(announces: bool) -> None:
    async with nodes(SharedStore(announces=announces), "one", "two") as (one, two):
        ann, recovery = await one.enter()
        ben, _ = await two.enter()
        epoch = recovery["epoch"]
        for n in range(1, 21):
            await (one, two)[n % 2].say(n)
        for client in (ann, ben):
            await client.expect(*entries(epoch, *range(1, 21)), within=1)


async def test_what_a_client_misses_comes_from_another_node() -> None:
    async with nodes(SharedStore(), "one", "two") as (one, two):
        ann, recovery = await one.enter()
        ann.close()
        await one.say(1, 2, 3)
        client, again = await two.enter(epoch=recovery["epoch"], offset=0)
        assert again == {"recovered": True, "epoch": recovery["epoch"], "offset": 0, "count": 3}
        expected = [frame._replace(join_ref="1") for frame in entries(recovery["epoch"], 1, 2, 3)]
        await client.expect(*expected)


async def test_a_page_does_not_get_its_own_messages_from_another_node() -> None:
    async with nodes(SharedStore(), "one", "two") as (one, two):
        ann, recovery = await one.enter(client=TOKEN)
        moved, _ = await two.enter(client=TOKEN)
        ben, _ = await two.enter(client="u" * 16)
        ann.push("room:1", "tell", {"n": 1})
        await ben.expect(*entries(recovery["epoch"], 1), within=1)
        await moved.expect_nothing()
        await ann.expect_nothing()


async def test_a_lost_announcement_is_filled_when_the_next_one_shows_the_gap() -> None:
    async with nodes(SharedStore(), "one", "two") as (one, two):
        ben, recovery = await two.enter()
        one.adapter.loses = True
        await one.say(1, 2)
        one.adapter.loses = False
        await one.say(3)
        await settle()
        await ben.expect_nothing()
        await ben.expect(*entries(recovery["epoch"], 1, 2, 3), within=0.1)


async def test_a_lost_last_announcement_is_found_by_the_check() -> None:
    async with nodes(SharedStore(), "one", "two") as (one, two):
        ben, recovery = await two.enter()
        one.adapter.loses = True
        await one.say(1)
        one.adapter.loses = False
        await ben.expect(*entries(recovery["epoch"], 1), within=13)


async def test_a_new_epoch_ends_positioned_channels_so_that_they_join_again() -> None:
    store = SharedStore()
    async with nodes(store, "one") as (one,):
        ann, recovery = await one.enter()
        plain = await one.server.connect()
        assert await plain.join("room:1", within=5) == ok()
        await one.say(1)
        await ann.expect(*entries(recovery["epoch"], 1))
        await store.reset("room:1")
        await one.say(2)
        crash = crashed("1", "room:1")
        await ann.expect(crash, within=3)
        await one.say(3)
        frames = [broadcast("room:1", "said", {"n": n}) for n in (1, 3)]
        await plain.expect(*frames, within=1)
        _, again = await one.enter(epoch=recovery["epoch"], offset=1)
        assert (again["recovered"], again["reason"]) == (False, "epoch")


async def test_joins_are_refused_at_once_while_the_store_is_down_and_plain_joins_succeed() -> None:
    store = SharedStore()
    async with nodes(store, "one") as (one,):
        store.hangs.add("read")
        client = await one.server.connect()
        started = running_loop().time()
        reply = await client.join("room:1", {"recovery": {}}, within=6)
        refusal = error("history_unavailable")
        assert reply["response"] == {**refusal["response"], "retry_after_ms": 1000}
        assert running_loop().time() - started == 5
        one.server.logged("is down")
        store.hangs.add("heads")
        again = await one.server.connect()
        reply = await again.join("room:1", {"recovery": {}})
        assert reply["status"] == "error"
        assert await again.join("room:1", within=2) == ok()
        store.go_on()
        await advance(7)
        one.server.logged("is back", level=30)
        _, recovery = await one.enter()
        assert recovery["reason"] == "new"


async def test_a_broadcast_that_the_store_does_not_take_reaches_nobody() -> None:
    store = SharedStore()
    async with nodes(store, "one") as (one,):
        ann, recovery = await one.enter()
        store.fails |= {"append", "heads"}
        started = running_loop().time()
        with pytest.raises(StoreUnavailable):
            await one.say(1)
        assert 4.5 < running_loop().time() - started <= 5
        one.server.logged("is down")
        await ann.expect_nothing()
        store.fails.clear()
        await one.say(1)
        await ann.expect(*entries(recovery["epoch"], 1), within=1)
        await advance(7)
        one.server.logged("is back", level=30)


async def test_an_append_whose_answer_is_lost_is_repeated_and_appended_once() -> None:
    store = SharedStore()
    async with nodes(store, "one") as (one,):
        ann, recovery = await one.enter()
        store.forgets_answers = True
        await one.say(1)
        await one.say(2)
        one.server.logged("is down")
        await ann.expect(*entries(recovery["epoch"], 1, 2), within=1)
        await advance(7)
        one.server.logged("is back", level=30)


async def test_the_broadcasts_of_a_node_wait_for_each_other_and_keep_their_order() -> None:
    store = SharedStore()
    async with nodes(store, "one") as (one,):
        ann, recovery = await one.enter()
        store.hangs.add("append")
        tasks = [asyncio.create_task(one.say(n)) for n in range(1, 201)]
        await settle()
        assert store.calls["append"] == 1
        store.go_on()
        await asyncio.gather(*tasks)
        assert store.calls["append"] < 20
        await ann.expect(*entries(recovery["epoch"], *range(1, 201)))


async def test_a_cancelled_publisher_does_not_take_its_message_back() -> None:
    store = SharedStore()
    async with nodes(store, "one") as (one,):
        ann, recovery = await one.enter()
        store.hangs.add("append")
        task = asyncio.create_task(one.say(1))
        await settle()
        task.cancel()
        await settle()
        store.go_on()
        await one.say(2)
        await ann.expect(*entries(recovery["epoch"], 1, 2), within=1)


async def test_a_broadcast_of_bytes_is_refused() -> None:
    async with nodes(SharedStore(), "one") as (one,):
        with pytest.raises(EncodeError, match="a topic with history carries JSON objects"):
            await one.server.endpoint.broadcast("room:1", "said", b"bytes")


async def test_a_store_in_the_memory_of_one_process_is_refused_on_a_bus() -> None:
    with pytest.raises(DefinitionError, match="each node would count for itself"):
        endpoint_of({"room:*": Room}, pubsub=MemoryNetwork().adapter("one"))


class OtherRoom(Room):
    """A room with another history."""

    history = History(size=7)


async def test_two_histories_of_one_pattern_are_refused() -> None:
    async def connect() -> None: ...

    with pytest.raises(DefinitionError, match="a topic has one log"):
        Endpoint(
            sockets={
                "/a": Socket(connect=connect, channels={"room:*": Room}),
                "/b": Socket(connect=connect, channels={"room:*": OtherRoom}),
            }
        )
