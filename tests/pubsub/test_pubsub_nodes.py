"""PubSub between nodes, end to end: stock clients on several endpoints, and a bus in memory between them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bennu import Broadcast, Endpoint
from bennu.bus import MemoryNetwork
from bennu.errors import DefinitionError, EncodeError
from bennu.pubsub import PubSub, Subscription
from bennu.pubsub.envelope import TOPICS, EnvelopeKind, pack
from bennu.pubsub.interest import LINGER, PATIENCE
from bennu.reasons import LossReason
from bennu.testing.clock import advance, running_loop, settle

from ..support.frames import push
from ..support.hostile_adapter import HostileAdapter
from ..support.inside import topics_of
from ..support.memory import endpoint_of, serve
from .nodes import Price, Room, lines_of, nodes, said


class Unknown:
    """A message that JSON has no form for."""


@pytest.mark.conformance("PS001")
async def test_a_node_has_a_name() -> None:
    """It is text, unique, and known to the other nodes."""
    async with nodes("one", "two", "three") as (one, two, three):
        endpoint = one.server.endpoint
        assert endpoint.node == "one"
        assert {node.server.endpoint.nodes() for node in (one, two, three)} == {
            frozenset(("one", "two", "three"))
        }
    alone = [Endpoint(sockets={}), Endpoint(sockets={})]
    assert len({one.node for one in alone}) == 2


@pytest.mark.conformance("PS026")
def test_an_address_is_the_whole_configuration_of_a_bus() -> None:
    """The endpoint takes it as it is. One that is no address is refused at once."""
    assert not Endpoint(sockets={}, pubsub="ipc:///tmp/bennu").pubsub.is_alone
    assert Endpoint(sockets={}, pubsub="local://").pubsub.is_alone
    with pytest.raises(DefinitionError, match="the address of the bus"):
        Endpoint(sockets={}, pubsub="carrier-pigeon://loft")


@pytest.mark.conformance("PS016")
async def test_a_broadcast_reaches_the_clients_of_all_nodes() -> None:
    """Again and again, of channels and of server code. A broadcast_from skips only its sender."""
    async with nodes("one", "two", "three") as every:
        one, two, three = every
        ann, bob, cyd = await one.enter("ann"), await two.enter("bob"), await three.enter("cyd")
        dan = await one.enter("dan")
        for number in range(3):
            ann.push("room:1", "say", {"n": number})
            for client in (ann, bob, cyd, dan):
                await client.expect(said({"n": number}))
            await two.server.endpoint.broadcast("room:1", "news", {"n": number})
            for client in (ann, bob, cyd, dan):
                await client.expect(said({"n": number}, "news"))
        ann.push("room:1", "tell", {"n": 9})
        for client in (bob, cyd, dan):
            await client.expect(said({"n": 9}))
        await ann.expect_nothing()


async def test_clients_of_both_versions_and_all_transports_get_a_broadcast_of_another_node() -> (
    None
):
    """Clients that can't carry bytes are left out on their own node."""
    async with nodes("one", "two") as (one, two):
        new = await two.enter("new")
        old = await two.enter("old", version="1.0.0")
        asgi = await two.enter("asgi", over="asgi")
        polling = await two.enter("polling", over="longpoll")
        await one.server.endpoint.broadcast("room:1", "news", {"ä": "\N{SNOWMAN}"})
        for client in (new, asgi, polling, old):
            await client.expect(said({"ä": "\N{SNOWMAN}"}, "news"))
        await one.server.endpoint.broadcast("room:1", "raw", b"\x00\xff")
        for client in (new, asgi):
            await client.expect(said(b"\x00\xff", "raw"))
        for client in (old, polling):
            await client.expect_nothing()
        assert len(lines_of(one, two)) == 2


async def test_an_intercepted_broadcast() -> None:
    """On each node the channels handle it, and their clients get what they push."""
    async with nodes("one", "two") as (one, two):
        ann, bob = await one.enter("ann"), await two.enter("bob")
        await one.server.endpoint.broadcast("room:1", "secret", {"n": 1})
        for client, name in ((ann, "ann"), (bob, "bob")):
            await client.expect(push("1", "room:1", "seen", {"by": name, "n": 1}))


async def test_messages_between_server_code() -> None:
    """A broadcast of another topic, a type that a handler names, a registered type, and plain values of JSON."""
    async with nodes("one", "two") as (one, two):
        ann, bob = await one.enter("ann"), await two.enter("bob")
        await settle()
        pubsub = one.server.endpoint.pubsub
        await one.server.endpoint.broadcast("server", "stop", {"in": 3})
        await pubsub.broadcast("server", Price(5))
        for client in (ann, bob):
            await client.expect(
                push("1", "room:1", "server", {"event": "stop", "payload": {"in": 3}}),
                push("1", "room:1", "price", {"cents": 5}),
            )
        heard: list[Any] = []
        subscription = two.server.endpoint.pubsub.subscribe("plain", heard.append)
        await settle()
        for message in ("text", 5, None, [1, {"a": 1.5}]):
            await pubsub.broadcast("plain", message)
        await settle()
        assert heard == ["text", 5, None, [1, {"a": 1.5}]]
        subscription.cancel()


async def test_a_type_that_cannot_travel() -> None:
    """The caller gets the error, and nobody gets the message, not even in this process."""
    async with nodes("one", "two") as (one, _):
        heard: list[Any] = []
        pubsub = one.server.endpoint.pubsub
        subscription = pubsub.subscribe("A", heard.append)
        with pytest.raises(EncodeError, match=r"Endpoint\(messages=\[Unknown\]\)"):
            await pubsub.broadcast("A", Unknown())
        with pytest.raises(EncodeError):
            await pubsub.broadcast("A", Broadcast("A", "news", {"x": Unknown()}))
        assert heard == []
        message = Unknown()
        assert not pubsub.local_broadcast("A", message)
        assert heard == [message]
        subscription.cancel()


async def test_a_type_that_the_other_node_does_not_know() -> None:
    """It runs other code. The message is dropped and logged, and only if somebody listens."""
    network = MemoryNetwork()
    one = endpoint_of({}, pubsub=network.adapter("one"), messages=[Price])
    two = endpoint_of({}, pubsub=network.adapter("two"))
    async with serve(one) as other, serve(two) as server:
        subscription = two.pubsub.subscribe("A", pytest.fail)
        await settle()
        await one.pubsub.broadcast("A", Price(5))
        await settle()
        server.logged("does not know", "one", level=30)
        other.records.clear()
        subscription.cancel()
        await one.pubsub.broadcast("A", Price(5))
        await settle()


@pytest.mark.conformance("PS017")
async def test_a_local_broadcast_does_not_leave_its_node() -> None:
    """Its bytes are not even on the bus."""
    network = MemoryNetwork(records=True)
    async with nodes("one", "two", network=network) as (one, two):
        ann, bob = await one.enter("ann"), await two.enter("bob")
        await settle()
        network.published.clear()
        await one.server.endpoint.local_broadcast("room:1", "news", {})
        await ann.expect(said({}, "news"))
        await bob.expect_nothing()
        assert network.published == []


@pytest.mark.conformance("PS007", "PS008", "PS018")
async def test_a_direct_broadcast_reaches_only_one_node() -> None:
    """It can be the own node. To an unknown node nothing is sent."""
    async with nodes("one", "two", "three") as every:
        one = every[0].server.endpoint.pubsub
        clients = [await node.enter(str(number)) for number, node in enumerate(every)]
        for number, name in enumerate(("one", "two", "three")):
            await one.direct_broadcast(name, "room:1", Broadcast("room:1", "news", {"n": number}))
        await one.direct_broadcast("four", "room:1", Broadcast("room:1", "news", {}))
        for number, client in enumerate(clients):
            await client.expect(said({"n": number}, "news"))
    alone = PubSub()
    heard: list[Any] = []
    alone.subscribe("A", heard.append)
    await alone.direct_broadcast(alone.node, "A", 1)
    await alone.direct_broadcast("two", "A", 2)
    assert heard == [1]


async def test_a_disconnect_by_id_reaches_the_connections_of_all_nodes() -> None:
    """Connections with other ids stay."""
    async with nodes("one", "two") as (one, two):
        ann, ann_too, bob = await one.enter("ann"), await two.enter("ann"), await two.enter("bob")
        await one.server.endpoint.disconnect("ann")
        assert await ann.closed() == await ann_too.closed() == 1001
        await bob.expect_nothing()


async def test_a_slow_client_gets_the_latest_of_another_node() -> None:
    """The client's own node knows that it is slow. Others are not held up."""
    async with nodes("one", "two") as (one, two):
        slow, fast = await two.enter("slow", "ticker:1"), await two.enter("fast", "ticker:1")
        slow.wire.stop_reading()
        endpoint = one.server.endpoint
        await endpoint.broadcast("ticker:1", "n", {"n": -1, "x": "x" * 200_000})
        await settle()
        for number in range(100):
            await endpoint.broadcast("ticker:1", "n", {"n": number})
            await settle()
        assert [frame.payload["n"] for frame in fast.read()] == [-1, *range(100)]
        slow.wire.read_on()
        await settle()
        assert [frame.payload["n"] for frame in slow.read()] == [-1, 99]
        fast.read().clear()
        slow.read().clear()


async def test_the_order_of_one_publisher_is_kept_while_the_bus_is_full() -> None:
    """Broadcasts of many tasks wait for the bus, and arrive in the order of their calls on every node."""
    async with nodes("one", "two") as (one, two):
        ann, bob = await one.enter("ann"), await two.enter("bob")
        one.adapter.hangs.add("publish")
        endpoint = one.server.endpoint
        tasks = [
            asyncio.create_task(endpoint.broadcast("room:1", "n", {"n": number}))
            for number in range(200)
        ]
        await settle()
        assert not any(task.done() for task in tasks)
        one.adapter.release()
        await asyncio.gather(*tasks)
        frames = [said({"n": number}, "n") for number in range(200)]
        await ann.expect(*frames)
        await bob.expect(*frames)


async def test_a_message_that_is_too_large_for_the_bus() -> None:
    """The caller gets the error. The clients of its own node have got the message."""
    async with nodes("one", "two") as (one, two):
        ann, bob = await one.enter("ann"), await two.enter("bob")
        one.adapter.raises["publish"] = EncodeError("at most 1 MiB")
        with pytest.raises(EncodeError, match="at most 1 MiB"):
            await one.server.endpoint.broadcast("room:1", "news", {})
        await ann.expect(said({}, "news"))
        await bob.expect_nothing()
        one.adapter.raises.clear()


async def test_a_node_that_is_cut_off_serves_its_clients() -> None:
    """It is not ready, says what it missed afterwards, and goes on as before."""
    network = MemoryNetwork()
    async with nodes("one", "two", network=network) as (one, two):
        ann, bob = await one.enter("ann"), await two.enter("bob")
        await one.server.endpoint.broadcast("room:1", "news", {"n": 0})
        await settle()
        two.adapter.hangs.add("confirm")
        network.cut("one", "two")
        await advance(5)
        ready = [node.server.endpoint.is_ready for node in (one, two)]
        assert ready == [True, False]
        [line] = lines_of(one, two)
        assert "This node (two) has not heard the bus for" in line
        for endpoint in (one.server.endpoint, two.server.endpoint):
            await endpoint.broadcast("room:1", "news", {"n": 1})
        await settle()
        network.heal()
        two.adapter.release()
        await advance(5)
        assert two.server.endpoint.is_ready
        lines = lines_of(one, two)
        assert any("hears the bus again" in line for line in lines)
        assert any("Lost on the bus: 1 message(s) on 'room:1', node one" in line for line in lines)
        assert two.server.endpoint.telemetry.missed[LossReason.GAP] == 1
        await one.server.endpoint.broadcast("room:1", "news", {"n": 2})
        for client in (ann, bob):
            await client.expect(*(said({"n": number}, "news") for number in range(3)))


async def test_hostile_messages_on_the_bus_reach_no_client() -> None:
    """They are dropped and logged, and the node goes on."""
    async with nodes("one", "two") as (one, two):
        bob = await two.enter("bob")
        bad = [
            b"",
            pack(EnvelopeKind.DISCONNECT, "bob"),
            pack(EnvelopeKind.JSON, "news", b"[1]"),
            pack(EnvelopeKind.TYPED, "os.system", b'"ls"'),
        ]
        subscription = two.server.endpoint.pubsub.subscribe("room:1", lambda _: None)
        for data in bad:
            await one.adapter.publish(TOPICS + "room:1", data)
        await settle()
        await bob.expect_nothing()
        subscription.cancel()
        lines = lines_of(one, two)
        assert len(lines) == len(bad)
        assert all("was dropped" in line for line in lines)


async def test_listeners_that_answer_each_other_without_end_hold_up_nobody() -> None:
    """Two nodes send each other a message for ever. Clients are served meanwhile."""
    async with nodes("one", "two") as (one, two):
        ann = await one.enter("ann")
        tasks: set[asyncio.Task[None]] = set()
        count = 0

        def answer(pubsub: PubSub) -> Subscription:
            def take(message: Any) -> None:
                nonlocal count
                count += 1
                if count < 10_000:
                    tasks.add(asyncio.ensure_future(pubsub.direct_broadcast(*ping[pubsub])))

            return pubsub.subscribe("loop", take)

        pubsubs = [node.server.endpoint.pubsub for node in (one, two)]
        ping = {pubsubs[0]: ("two", "loop", 1), pubsubs[1]: ("one", "loop", 1)}
        subscriptions = [answer(pubsub) for pubsub in pubsubs]
        await settle()
        await pubsubs[0].direct_broadcast(*ping[pubsubs[0]])
        ref = ann.push("room:1", "say", {"n": 1})
        for _ in range(100):
            await asyncio.sleep(0)
        assert ref
        assert ann.read()
        assert 0 < count < 10_000
        await settle()
        assert count == 10_000
        for subscription in subscriptions:
            subscription.cancel()
        ann.read().clear()


# Starts and stops.


async def test_an_endpoint_on_the_bus_starts_again() -> None:
    """A listener that was not cancelled hears other nodes again."""
    network = MemoryNetwork()
    async with nodes("one", network=network) as (one,):
        adapter = HostileAdapter(network.adapter("two"))
        endpoint = endpoint_of({"room:*": Room}, pubsub=adapter)
        heard: list[Any] = []
        subscriptions: list[Subscription] = []
        for number in range(3):
            await endpoint.start()
            if not number:
                subscriptions.append(endpoint.pubsub.subscribe("A", heard.append))
            await settle()
            await one.server.endpoint.pubsub.broadcast("A", number)
            await settle()
            await endpoint.stop()
        assert heard == [0, 1, 2]
        subscriptions[0].cancel()
        assert not topics_of(endpoint.pubsub)
        await advance(LINGER + 1)


def test_an_endpoint_on_the_bus_starts_on_another_loop() -> None:
    """Also if the first event loop was closed without a stop."""
    adapter = HostileAdapter(MemoryNetwork().adapter("one"))
    endpoint = endpoint_of({}, pubsub=adapter)
    asyncio.run(endpoint.start())

    async def again() -> None:
        await endpoint.start()
        assert endpoint.is_ready
        await endpoint.stop()

    asyncio.run(again())
    assert adapter.calls["stop"] == 2


async def test_an_adapter_of_the_parent_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = endpoint_of({}, pubsub=MemoryNetwork().adapter("one"))
    monkeypatch.setattr("os.getpid", lambda: 1)
    with pytest.raises(DefinitionError, match="the node 'one'"):
        await endpoint.start()
    monkeypatch.undo()
    await endpoint.start()
    await endpoint.stop()


@pytest.mark.parametrize("method", ["start", "subscribe", "confirm"])
async def test_a_start_that_is_cancelled_leaves_nothing_behind(method: str) -> None:
    """The endpoint can start afterwards."""
    adapter = HostileAdapter(MemoryNetwork().adapter("one"))
    endpoint = endpoint_of({}, pubsub=adapter)
    before = asyncio.all_tasks()
    adapter.hangs.add(method)
    starting = asyncio.create_task(endpoint.start())
    await settle()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await settle()
    assert asyncio.all_tasks() == before
    assert not endpoint.is_started
    adapter.release()
    async with serve(endpoint):
        assert endpoint.is_ready
    assert running_loop().time() < PATIENCE
