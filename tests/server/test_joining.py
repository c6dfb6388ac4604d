"""Joins on a node of a bus: they are answered when the bus has confirmed the topic, or after a second."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bennu import Channel, Refused, on_out
from bennu.bus import MemoryNetwork
from bennu.pubsub.interest import LINGER, PATIENCE
from bennu.reasons import DropReason
from bennu.testing.clock import advance, running_loop, settle

from ..pubsub.nodes import lines_of, nodes, said
from ..support.hostile_adapter import HostileAdapter
from ..support.memory import (
    Client,
    Over,
    Server,
    Version,
    all_transports,
    both_versions,
    endpoint_of,
    error,
    ok,
    serve,
)

ended: list[Any] = []


class Room(Channel[Any]):
    """A channel that records its end."""

    async def join(self, payload: dict[str, Any]) -> Any:
        if payload.get("refuse"):
            raise Refused("no")
        return payload.get("answer")

    async def terminate(self, reason: object) -> None:
        ended.append(reason)


@all_transports
async def test_a_join_is_answered_when_the_bus_has_confirmed(over: Over) -> None:
    """So a client that has joined misses no broadcast of another node."""
    async with nodes("one", "two") as (one, two):
        client = await two.server.connect(over=over)
        two.adapter.hangs.add("subscribe")
        client.start_join("room:1")
        await settle()
        assert not client.read()
        await one.server.endpoint.broadcast("room:1", "news", {"n": 1})  # before the join
        two.adapter.release()
        reply = await client.receive()
        assert reply.payload == ok()
        await one.server.endpoint.broadcast("room:1", "news", {"n": 2})
        await client.expect(said({"n": 2}, "news"))
        assert running_loop().time() == 0


async def test_a_topic_that_is_heard_costs_no_join_a_wait() -> None:
    """The topic has another member, or lingers."""
    async with nodes("one", "two") as (_, two):
        first = await two.enter("first")
        two.adapter.hangs.add("subscribe")
        second = await two.enter("second")
        for client in (first, second):
            client.close()
        await advance(LINGER - 1)
        await two.enter("third")
        assert running_loop().time() == LINGER - 1
        two.adapter.release()


async def test_a_join_while_the_bus_hangs_is_answered_within_a_second() -> None:
    """Once the node is cut off, a join does not wait. The client hears what is sent on its own node."""
    async with nodes("one", "two") as (one, two):
        two.adapter.hangs |= {"subscribe", "confirm"}
        client = await two.server.connect()
        assert await client.join("room:1", within=PATIENCE) == ok()
        assert running_loop().time() == PATIENCE
        await advance(5)
        [line] = lines_of(one, two)
        assert "the node is not ready" in line
        begun = running_loop().time()
        other = await two.enter("other", "room:2")
        assert running_loop().time() == begun
        await two.server.endpoint.broadcast("room:1", "news", {})
        await client.expect(said({}, "news"))
        two.adapter.release()
        await advance(5)
        assert two.server.endpoint.is_ready
        for topic in ("room:1", "room:2"):
            await one.server.endpoint.broadcast(topic, "again", {})
        await client.expect(said({}, "again"))
        await other.expect(said({}, "again", "room:2"))
        [line] = lines_of(one, two)
        assert "hears the bus again" in line


async def test_the_joins_of_a_turn_share_a_call_of_the_bus() -> None:
    """A hundred clients join ten topics each."""
    async with nodes("one") as (one,):
        clients = [await one.server.connect() for _ in range(100)]
        before = one.adapter.calls["subscribe"]
        for number, client in enumerate(clients):
            for topic in range(10):
                client.start_join(f"room:{number}-{topic}")
        await settle()
        for client in clients:
            assert [frame.payload for frame in client.read()] == [ok()] * 10
            client.read().clear()
        # A client joins one topic after another, and the clients do not keep step.
        assert one.adapter.calls["subscribe"] - before <= 30


async def test_a_refused_join_does_not_wait_for_the_bus() -> None:
    """Clients can't make the node subscribe to topics that they may not join."""
    adapter = HostileAdapter(MemoryNetwork().adapter("one"))
    async with serve(endpoint_of({"room:*": Room}, pubsub=adapter)) as server:
        client = await server.connect()
        await settle()
        before = adapter.calls["subscribe"]
        assert (await client.join("room:1", {"refuse": True}))["status"] == "error"
        await settle()
        assert adapter.calls["subscribe"] == before
        client.close()


async def test_a_client_that_goes_while_its_join_waits() -> None:
    """Its join had succeeded, so ``terminate`` runs. The topic ends after a while."""
    ended.clear()
    adapter = HostileAdapter((network := MemoryNetwork()).adapter("one"))
    inner = network.adapter("two")
    await inner.start(lambda *_: None, lambda _: None)
    async with serve(endpoint_of({"room:*": Room}, pubsub=adapter)) as server:
        client = await server.connect()
        adapter.hangs.add("subscribe")
        client.start_join("room:1")
        await settle()
        client.vanish()
        await settle()
        assert ended == []
        adapter.release()
        await settle()
        assert len(ended) == 1
        assert await inner.publish("troom:1", b"") == 1  # it lingers
        await advance(LINGER + 1)
        assert await inner.publish("troom:1", b"") == 0
        server.logged("was dropped", level=30)
    await inner.stop()


async def test_a_stop_while_a_join_waits() -> None:
    """``terminate`` runs, and the stop does not wait for the bus."""
    ended.clear()
    adapter = HostileAdapter(MemoryNetwork().adapter("one"))
    async with serve(endpoint_of({"room:*": Room}, pubsub=adapter)) as server:
        client = await server.connect()
        adapter.hangs.add("subscribe")
        client.start_join("room:1")
        await settle()
    assert running_loop().time() <= PATIENCE
    assert len(ended) == 1


async def test_an_answer_that_cannot_be_sent() -> None:
    """The join is refused after the wait, and nothing of the topic stays."""

    class Bad(Channel[Any]):
        async def join(self) -> Any:
            return {"answer": object()}

    adapter = HostileAdapter(MemoryNetwork().adapter("one"))
    async with serve(endpoint_of({"room:*": Bad}, pubsub=adapter)) as server:
        client = await server.connect()
        assert await client.join("room:1") == error("join crashed")
        server.logged("can't be sent")
        client.close()


class Intercepting(Channel[Any]):
    """Changes one event."""

    @on_out("news")
    async def news(self, payload: dict[str, Any]) -> None:
        await self.push("changed", payload)


@asynccontextmanager
async def waiting(
    channel: type[Channel[Any, Any]], version: Version = "2.0.0"
) -> AsyncIterator[tuple[Server, Client, HostileAdapter]]:
    """Yield a server, a client whose join waits for the bus, and the bus."""
    adapter = HostileAdapter(MemoryNetwork().adapter("one"))
    async with serve(endpoint_of({"room:*": channel}, pubsub=adapter)) as server:
        client = await server.connect(version=version)
        adapter.hangs.add("subscribe")
        client.start_join("room:1")
        await settle()
        yield server, client, adapter


@both_versions
async def test_what_is_sent_while_a_join_waits_follows_the_reply(version: Version) -> None:
    """In its order; a binary message only if the client can carry it, and messages of server code not at all."""
    async with waiting(Room, version) as (server, client, adapter):
        endpoint = server.endpoint
        await endpoint.broadcast("room:1", "news", {"n": 1})
        await endpoint.broadcast("room:1", "drawn", b"\0")
        await endpoint.pubsub.broadcast("room:1", {"for": "listeners"})
        await endpoint.broadcast("room:1", "news", {"n": 2})
        assert not client.read()
        adapter.release()
        assert (await client.receive()).payload == ok()
        got = [await client.receive() for _ in range(3 if version == "2.0.0" else 2)]
        drawn = [b"\0"] if version == "2.0.0" else []
        assert [frame.payload for frame in got] == [{"n": 1}, *drawn, {"n": 2}]
        assert endpoint.telemetry.drops["room:1", DropReason.NO_BINARY] == 1 - len(drawn)
        await endpoint.broadcast("room:1", "news", {"n": 3})
        assert (await client.receive()).payload == {"n": 3}


async def test_what_is_sent_while_a_join_waits_is_intercepted() -> None:
    async with waiting(Intercepting) as (server, client, adapter):
        await server.endpoint.broadcast("room:1", "news", {"n": 1})
        adapter.release()
        assert (await client.receive()).payload == ok()
        assert (await client.receive()).event == "changed"


class Unwritable(Channel[Any]):
    """Returns what is no JSON."""

    async def join(self) -> Any:
        return {"answer": object()}


async def test_a_join_that_can_not_be_answered_catches_up_with_nothing() -> None:
    async with waiting(Unwritable) as (server, client, adapter):
        await server.endpoint.broadcast("room:1", "news", {"n": 1})
        adapter.release()
        assert (await client.receive()).payload["status"] == "error"
        await client.expect_nothing()
        server.logged("can't be sent")
