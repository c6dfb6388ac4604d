"""Which topics a node follows, and for how long; what it hears of them, and what it does without hearing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import pytest

from bennu import Broadcast, Channel, EncodeError, History, on
from bennu.bus import MemoryNetwork
from bennu.store import Draft, MemoryStore, Store
from bennu.testing.clock import advance, running_loop, settle
from bennu.testing.shared_store import SharedStore

from ..support.frames import Frame, broadcast, ok
from ..support.hostile_adapter import HostileAdapter
from ..support.memory import Client, Server, endpoint_of, serve

PAGE = "p" * 16
TAB = "q" * 16


class Room(Channel[Any]):
    """A room with history."""

    history = History(size=100)

    @on("tell")
    async def tell(self, payload: dict[str, Any]) -> None:
        await self.broadcast_from("said", payload)


class Fickle(HostileAdapter):
    """An adapter that refuses large messages, and delivers in another order."""

    most = 1_000_000
    held: list[tuple[str, bytes, str | None]] | None = None

    async def publish(self, topic: str, data: bytes, node: str | None = None) -> int | None:
        """Publish, keep or refuse."""
        if len(data) > self.most:
            raise EncodeError("too large for the bus")
        if self.held is not None:
            self.held.append((topic, data, node))
            return None
        return await super().publish(topic, data, node)

    async def deliver(self, *order: int) -> None:
        """Publish what was kept, in an order; an index can come twice."""
        held, self.held = self.held or [], None
        for index in order:
            await super().publish(*held[index])


class OneOf(NamedTuple):
    """One of several endpoints on a bus."""

    server: Server
    adapter: Fickle

    async def say(self, *numbers: int, **more: Any) -> None:
        """Broadcast numbers."""
        for n in numbers:
            await self.server.endpoint.broadcast("room:1", "said", {"n": n, **more})

    async def enter(self, **recovery: Any) -> tuple[Client, str]:
        """Connect a client that asks for recovery. Return it, and the epoch."""
        client = await self.server.connect()
        reply = await client.join("room:1", {"recovery": recovery}, within=30)
        return client, str(reply["response"]["recovery"]["epoch"])


@asynccontextmanager
async def fleet(store: Store, count: int) -> AsyncIterator[list[OneOf]]:
    """Run endpoints on one bus, with one store."""
    network = MemoryNetwork()
    async with AsyncExitStack() as stack:
        started = []
        for n in range(count):
            adapter = Fickle(network.adapter(f"node-{n}"))
            endpoint = endpoint_of({"room:*": Room}, pubsub=adapter, store=store)
            started.append(OneOf(await stack.enter_async_context(serve(endpoint)), adapter))
        yield started
        for node in started:
            for wire in node.server.wires:
                if wire.code is None:
                    wire.close()


def live(epoch: str, *offsets: int, **more: Any) -> list[Frame]:
    """Return the live frames of entries that say their offsets."""
    payloads = [(n, {"n": n, **more}) for n in offsets]
    return [broadcast("room:1", "said", payload, at=f"{n}:{epoch}") for n, payload in payloads]


# What is heard


async def test_announcements_in_a_wrong_order_are_put_right() -> None:
    store = SharedStore()
    async with fleet(store, 2) as (one, two):
        ben, epoch = await two.enter()
        one.adapter.held = []
        await one.say(1, 2, 3, 4)
        reads = store.calls["read"]
        await one.adapter.deliver(2, 0, 1, 1, 3, 0)
        await ben.expect(*live(epoch, 1, 2, 3, 4))
        assert store.calls["read"] == reads


async def test_three_nodes_that_publish_at_the_same_time_agree() -> None:
    async with fleet(SharedStore(), 3) as nodes:
        clients = [(await node.enter())[0] for node in nodes]
        await asyncio.gather(
            *(node.say(*range(100 * n, 100 * n + 30)) for n, node in enumerate(nodes))
        )
        await advance(1)
        seen = [[(frame.ref, frame.payload["n"]) for frame in client.read()] for client in clients]
        assert len(seen[0]) == 90
        assert seen[0] == seen[1] == seen[2]
        for n in range(3):  # the broadcasts of one node keep their order
            own = [number for _, number in seen[0] if number // 100 == n]
            assert own == list(range(100 * n, 100 * n + 30))
        for client in clients:
            client.read().clear()


async def test_an_entry_that_is_too_large_for_the_bus_reaches_other_nodes_through_the_store() -> (
    None
):
    async with fleet(SharedStore(), 2) as (one, two):
        ben, epoch = await two.enter()
        one.adapter.most = 300
        await one.say(1, body="x" * 500)
        await ben.expect(*live(epoch, 1, body="x" * 500))


async def test_a_gap_is_read_after_some_milliseconds_and_a_lost_last_entry_by_the_check() -> None:
    store = SharedStore()
    async with fleet(store, 2) as (one, two):
        ben, epoch = await two.enter()
        one.adapter.held = []
        await one.say(1, 2)
        await one.adapter.deliver(1)
        await advance(0.049)
        await ben.expect_nothing()
        await advance(0.002)
        await ben.expect(*live(epoch, 1, 2))
        one.adapter.loses = True
        await one.say(3)
        await advance(7)
        await ben.expect_nothing()
        await ben.expect(*live(epoch, 3), within=17)  # the first check leaves out busy topics


async def test_a_node_that_does_not_hear_the_bus_checks_every_second() -> None:
    store = SharedStore()
    async with fleet(store, 2) as (one, two):
        ben, epoch = await two.enter()
        two.adapter.hangs.add("confirm")
        one.adapter.loses = True
        while two.server.endpoint.is_ready:
            await advance(1)
        await one.say(1)
        await advance(1.5)
        await ben.expect(*live(epoch, 1))
        before = store.calls["heads"]
        await advance(10)
        assert store.calls["heads"] - before >= 9
        two.adapter.release()
        await advance(5)
        one.server.records.clear()
        two.server.records.clear()


# Senders


async def test_a_page_that_has_joined_again_does_not_get_what_its_old_connection_sends() -> None:
    async with fleet(SharedStore(), 2) as (one, two):
        old, epoch = await one.enter(client=PAGE)
        new, _ = await one.enter(client=PAGE)
        tab, _ = await one.enter(client=TAB)
        moved, _ = await two.enter(client=PAGE)
        old.push("room:1", "tell", {"n": 1})
        await tab.expect(*live(epoch, 1), within=1)
        await new.expect_nothing()
        await moved.expect_nothing()


async def test_a_listener_gets_the_entries_in_order_and_the_owner_of_a_listener_does_not() -> None:
    async with fleet(SharedStore(), 2) as (one, two):
        heard: dict[str, list[int]] = {"one": [], "owner": [], "two": []}
        pubsubs = one.server.endpoint.pubsub, two.server.endpoint.pubsub
        owner = object()

        def note(name: str) -> Any:
            def deliver(message: Broadcast) -> None:
                heard[name].append(message.payload["n"])

            return deliver

        subscriptions = [
            pubsubs[0].subscribe("room:1", note("one")),
            pubsubs[0].subscribe("room:1", note("owner"), owner=owner),
            pubsubs[1].subscribe("room:1", note("two")),
        ]
        await advance(0.1)
        await one.say(1, 2)
        await one.server.endpoint.broadcast_from(owner, "room:1", "said", {"n": 3})
        await two.say(4)
        await advance(1)
        assert heard == {"one": [1, 2, 3, 4], "owner": [1, 2, 4], "two": [1, 2, 3, 4]}
        for subscription in subscriptions:
            subscription.cancel()


# What is followed


async def test_a_topic_is_forgotten_some_time_after_its_last_member() -> None:
    for announces in (False, True):
        store = SharedStore(announces=announces)
        async with fleet(store, 1) as (one,):
            ann, _ = await one.enter()
            ann.close()
            await advance(20)
            before = store.calls["heads"]
            assert store.calls["unsubscribe"] == 0
            await advance(40)
            assert store.calls["heads"] == before
            again, epoch = await one.enter()
            await one.say(1)
            await again.expect(*live(epoch, 1))


async def test_a_topic_is_forgotten_while_the_store_is_down() -> None:
    """A read that fails must not go on for a topic that nobody follows."""
    store = SharedStore()
    async with fleet(store, 1) as (one,):
        store.fails |= {"read", "heads"}
        client = await one.server.connect()
        reply = await client.join("room:1", {"recovery": {}})
        assert reply["status"] == "error"
        assert await client.join("room:1", within=5) == ok()
        client.close()
        await advance(60)
        reads = store.calls["read"]
        await advance(60)
        assert store.calls["read"] == reads
        store.fails.clear()
        await advance(6)
        one.server.records.clear()


async def test_a_topic_that_nobody_has_heard_for_a_while_begins_anew() -> None:
    """A listener does not get what was sent before it came."""
    async with fleet(SharedStore(), 2) as (one, two):
        ben, _ = await two.enter()
        ben.close()
        await advance(15)  # the bus lingers for ten seconds, and the log for thirty
        await one.say(1)
        heard: list[Any] = []
        listening = two.server.endpoint.pubsub.subscribe("room:1", heard.append)
        await advance(0.5)
        await one.say(2)
        await advance(15)
        assert [message.payload["n"] for message in heard] == [2]
        listening.cancel()


@pytest.mark.parametrize("store", [MemoryStore, SharedStore])
async def test_a_listener_that_was_not_cancelled_hears_entries_after_a_restart(
    store: type[Store],
) -> None:
    endpoint = endpoint_of({"room:*": Room}, store=store())
    async with serve(endpoint):
        heard: list[Any] = []
        listening = endpoint.pubsub.subscribe("room:1", heard.append)
        for n in (1, 2):
            await settle()
            await endpoint.broadcast("room:1", "said", {"n": n})
            await settle()
            await endpoint.stop()
            await endpoint.start()
        assert [message.payload["n"] for message in heard] == [1, 2]
        listening.cancel()
        await advance(60)


async def test_a_slow_client_that_is_alone_on_a_node_still_hears_the_bus() -> None:
    async with fleet(SharedStore(), 2) as (one, two):
        ben, epoch = await two.enter()
        ben.wire.stop_reading()
        for n in range(1, 21):
            await one.say(n, body="x" * 10_000)
            await settle()
        await advance(30)
        await one.say(21)
        ben.wire.read_on()
        started = running_loop().time()
        frames = [await ben.receive() for _ in range(21)]
        assert [frame.ref for frame in frames] == [f"{n}:{epoch}" for n in range(1, 22)]
        assert running_loop().time() == started


class Unruly(SharedStore):
    """A store that announces, and raises when a node hears topics no more."""

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Raise."""
        super().unsubscribe(topics)
        raise KeyError("unsubscribe")


async def test_a_store_that_can_not_unsubscribe_is_logged() -> None:
    async with fleet(Unruly(announces=True), 1) as (one,):
        ann, _ = await one.enter()
        ann.close()
        await advance(60)
        one.server.logged("still announces 1 topics")


async def test_a_topic_that_is_forgotten_while_it_is_subscribed_to_is_not_heard() -> None:
    store = SharedStore(announces=True)
    async with fleet(store, 1) as (one,):
        await one.enter()
        store.hangs.add("subscribe")
        listening = one.server.endpoint.pubsub.subscribe("room:2", lambda message: None)
        await settle()
        listening.cancel()
        await advance(4.5)
        store.go_on()
        await settle()
        assert (await one.enter())[1]


async def test_the_time_limit_of_a_read_is_no_end_of_the_topic() -> None:
    """A read that has failed in an odd way is repeated after a pause, but a join does not wait for the pause."""
    store = SharedStore()
    async with fleet(store, 1) as (one,):
        client = await one.server.connect()
        store.raises["read"] = EncodeError("the topic is too long")
        reply = await client.join("room:1", {"recovery": {}}, within=1)
        assert reply["response"]["reason"] == "history_unavailable"
        one.server.logged("can't be read")
        before = store.calls["read"]
        await advance(0)
        listening = one.server.endpoint.pubsub.subscribe("room:1", lambda message: None)
        await advance(20)
        assert 4 < store.calls["read"] - before < 20
        one.server.records.clear()
        del store.raises["read"]
        started = running_loop().time()
        reply = await client.join("room:1", {"recovery": {}})
        assert reply["status"] == "ok"
        assert running_loop().time() == started
        listening.cancel()


async def test_an_entry_that_can_not_be_sent_does_not_stop_the_others() -> None:
    """A store can have bytes that are no JSON: from an operator, for example."""
    store = SharedStore()
    async with fleet(store, 1) as (one,):
        heard: list[Any] = []
        listening = one.server.endpoint.pubsub.subscribe("room:1", heard.append)
        await advance(1)
        draft = Draft("odd", "said", b"{nonsense}", 0, 1_000_000_000_000)
        await store.append("room:1", [draft], History(size=100).retention)
        await one.say(2)
        await advance(1)
        one.server.logged("Entry 1 of 'room:1' could not be sent")
        assert [message.payload["n"] for message in heard] == [2]
        listening.cancel()
