"""Positioned channels over each transport: replays, kicks, drains and restarts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import json

from bennu import Channel, Endpoint, History, Socket
from bennu.server.channel_member import KICK_WITHIN
from bennu.testing.clock import advance, running_loop, settle
from bennu.testing.shared_store import SharedStore
from tests.support.clock import timers

from ..support.frames import PHX_ERROR, Frame, broadcast, ok, push
from ..support.memory import (
    Client,
    Over,
    Server,
    all_transports,
    both_transports,
    endpoint_of,
    serve,
)


class Room(Channel[Any]):
    """A room with history."""

    history = History(size=1_000)


async def enter(server: Server, *, over: Over = "native", **recovery: Any) -> tuple[Client, Any]:
    """Connect a client that asks for recovery. Return it, and what the reply says of that."""
    client = await server.connect(over=over)
    reply = await client.join("room:1", {"recovery": recovery}, within=30)
    return client, reply["response"]["recovery"]


async def say(server: Server, *numbers: int, **more: Any) -> None:
    """Broadcast numbers."""
    for n in numbers:
        await server.endpoint.broadcast("room:1", "said", {"n": n, **more})


def entries(epoch: str, *offsets: int, join_ref: str | None = None) -> list[Frame]:
    """Return the frames of entries that say their offsets."""
    return [push(join_ref, "room:1", "said", {"n": n}, at=f"{n}:{epoch}") for n in offsets]


@all_transports
async def test_every_transport_carries_live_and_missed_entries(over: Over) -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        first, recovery = await enter(server, over=over)
        await say(server, 1, 2)
        await first.expect(*entries(recovery["epoch"], 1, 2), within=1)
        again, _ = await enter(server, over=over, epoch=recovery["epoch"], offset=1)
        await again.expect(*entries(recovery["epoch"], 2, join_ref="1"), within=1)
        await say(server, 3)
        await again.expect(*entries(recovery["epoch"], 3), within=1)
        first.vanish()
        again.vanish()


async def test_what_a_lost_poll_session_held_comes_again() -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        client, recovery = await enter(server, over="longpoll")
        client.wire.stop_reading()
        await say(server, *range(1, 31))
        await settle()
        client.vanish()
        again, answer = await enter(server, over="longpoll", epoch=recovery["epoch"], offset=0)
        assert answer["count"] == 30
        await again.expect(*entries(recovery["epoch"], *range(1, 31), join_ref="1"), within=1)
        again.vanish()


@both_transports
async def test_a_drain_in_mid_replay_closes_with_1012_and_the_rest_comes_elsewhere(
    over: Over,
) -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        first, recovery = await enter(server)
        first.close()
        epoch = recovery["epoch"]
        await say(server, *range(1, 201), body="x" * 10_000)
        client = await server.connect(over=over)
        client.wire.stop_reading()
        client.start_join("room:1", {"recovery": {"epoch": epoch, "offset": 0}})
        await settle()
        draining = asyncio.create_task(server.endpoint.drain(timeout=1))
        while server.endpoint.connections:
            await advance(0.01)
        client.wire.read_on()
        assert await client.closed(within=30) == 1012
        await draining
        offsets = [int(frame.ref.partition(":")[0]) for frame in client.read() if frame.ref != "1"]
        assert offsets == list(range(1, len(offsets) + 1))
        assert len(offsets) < 200


async def test_a_kicked_channel_gets_nothing_more_and_ends_within_two_seconds() -> None:
    store = SharedStore()
    async with serve(endpoint_of({"room:*": Room}, store=store)) as server:
        clients = [(await enter(server))[0] for _ in range(20)]
        leaver, _ = await enter(server)
        await store.reset("room:1")
        await say(server, 1)
        started = running_loop().time()
        await settle()
        await say(server, 2)
        leaver.vanish()
        await settle()
        ends: list[float] = []
        while len(ends) < 20:
            await advance(0.05)
            for client in clients:
                for frame in client.read():
                    assert frame.event == PHX_ERROR, frame
                    ends.append(running_loop().time() - started)
                client.read().clear()
        assert max(ends) <= KICK_WITHIN + 0.05
        assert max(ends) - min(ends) > 0.5
        before = timers()
        await advance(5)
        assert timers() <= before


async def test_the_timer_of_a_kick_ends_with_the_endpoint() -> None:
    store = SharedStore()
    async with serve(endpoint_of({"room:*": Room}, store=store)) as server:
        client, _ = await enter(server)
        await store.reset("room:1")
        await say(server, 1)
        await settle()
        await server.endpoint.stop()
        assert client.wire.code == 1012
        before = timers()
        await advance(3)
        assert timers() <= before


async def test_an_endpoint_that_starts_again_begins_anew_on_a_store_in_memory() -> None:
    endpoint = endpoint_of({"room:*": Room})
    async with serve(endpoint) as server:
        _, recovery = await enter(server)
        await say(server, 1)
        await endpoint.stop()
        await endpoint.start()
        client, again = await enter(server, epoch=recovery["epoch"], offset=0)
        if again["recovered"]:  # the store object has kept its logs
            await client.expect(*entries(recovery["epoch"], 1, join_ref="1"))
        await say(server, 2)
        assert (await client.receive()).ref == f"2:{recovery['epoch']}"


def test_an_endpoint_whose_loop_was_closed_without_a_stop_starts_anew() -> None:
    """The first event loop is gone with its tasks, its reads and its topics."""
    store = SharedStore()
    endpoint = endpoint_of({"room:*": Room}, store=store)

    async def first() -> None:
        await endpoint.start()
        endpoint.pubsub.subscribe("room:1", lambda message: None)
        store.hangs.add("read")
        await asyncio.sleep(0.01)

    async def second() -> None:
        store.go_on()
        heard = asyncio.Event()
        await endpoint.start()
        listening = endpoint.pubsub.subscribe("room:1", lambda message: heard.set())
        await endpoint.broadcast("room:1", "said", {"n": 1})
        await asyncio.wait_for(heard.wait(), 10)
        listening.cancel()
        await endpoint.stop()

    asyncio.run(first())
    asyncio.run(second())


class Other(Room):
    """The same room on another socket."""


async def test_channels_of_two_sockets_share_the_log_of_a_topic() -> None:
    async def connect() -> None: ...

    sockets = {
        path: Socket[Any](connect=connect, channels={"room:*": channel})
        for path, channel in (("/a", Room), ("/b", Other))
    }
    async with serve(Endpoint(sockets=sockets)) as server:
        ann = await server.connect("/a/websocket")
        ben = await server.connect("/b/websocket")
        reply = await ann.join("room:1", {"recovery": {}})
        epoch = reply["response"]["recovery"]["epoch"]
        assert (await ben.join("room:1", {"recovery": {}}))["response"]["recovery"][
            "epoch"
        ] == epoch
        await say(server, 1)
        for client in (ann, ben):
            await client.expect(*entries(epoch, 1))


async def test_a_plain_client_gets_the_bytes_of_phoenix() -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        plain = await server.connect()
        assert await plain.join("room:1") == ok()
        await enter(server)
        await say(server, 1)
        await settle()
        text = plain.wire.received.popleft()
        assert text == json.encode(broadcast("room:1", "said", {"n": 1})).decode()


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
async def test_a_client_that_was_away_while_it_was_live_misses_nothing_in_any_turn(
    version: Any,
) -> None:
    """A client joins in each turn of the event loop while others broadcast."""
    async with serve(endpoint_of({"room:*": Room})) as server:
        first, recovery = await enter(server)
        epoch = recovery["epoch"]

        async def tell() -> None:
            for n in range(1, 101):
                await say(server, n)
                await asyncio.sleep(0)

        telling = asyncio.create_task(tell())
        clients = []
        for _ in range(20):
            client = await server.connect(version=version)
            client.start_join("room:1", {"recovery": {"epoch": epoch, "offset": 0}})
            clients.append(client)
            await asyncio.sleep(0)
        await telling
        await settle()
        for client in clients:
            refs = [frame.ref for frame in client.read() if frame.event == "said"]
            assert refs == [f"{n}:{epoch}" for n in range(1, 101)]
            client.read().clear()
        first.read().clear()
