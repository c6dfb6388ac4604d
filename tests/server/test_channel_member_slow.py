"""Positioned channels whose clients read slowly, whose entries were trimmed, and whose connections end in mid-replay."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import Channel, DropOldest, History, Latest
from bennu.server.channel_member import BATCH
from bennu.testing.clock import advance, settle
from bennu.testing.wires import NativeWire

from ..support.frames import PHX_CLOSE, PHX_ERROR, PHX_REPLY, Frame, ok, reply
from ..support.memory import Client, Over, Server, both_transports, endpoint_of, serve

BODY = "x" * 10_000
MANY = 301
"""More than a gate keeps for members that catch up, and than a small room keeps."""


class Room(Channel[Any]):
    """A room that keeps much."""

    history = History(size=1_000)


class Ticker(Channel[Any]):
    """A channel that drops for slow clients."""

    when_slow = Latest()


class DroppingRoom(Room):
    """A room with history that drops for slow plain clients."""

    when_slow = DropOldest(max=2)


async def enter(server: Server, topic: str = "room:1", **recovery: Any) -> tuple[Client, str]:
    """Connect a client that asks for recovery. Return it, and the epoch."""
    client = await server.connect()
    reply = await client.join(topic, {"recovery": recovery})
    return client, str(reply["response"]["recovery"]["epoch"])


async def say(server: Server, *numbers: int, topic: str = "room:1", body: str = BODY) -> None:
    """Broadcast numbers."""
    for n in numbers:
        await server.endpoint.broadcast(topic, "said", {"n": n, "body": body})


async def numbers_of(client: Client, count: int) -> list[int]:
    """Return the offsets of the next frames."""
    offsets: list[int] = []
    while len(offsets) < count:
        frame = await client.receive(within=5)
        assert frame.event == "said", frame
        offsets.append(int(frame.ref.partition(":")[0]))
        assert frame.payload["n"] == offsets[-1]
    return offsets


def unsent(client: Client) -> int:
    """Return the bytes that wait in the transport of a client."""
    assert isinstance(client.wire, NativeWire)
    return client.wire.transport.get_write_buffer_size()


async def test_nothing_is_dropped_for_a_slow_client_and_little_is_held() -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        slow, _ = await enter(server)
        quick, _ = await enter(server)
        slow.wire.stop_reading()
        for n in range(1, 101):
            await say(server, n)
            await settle()
        assert await numbers_of(quick, 100) == list(range(1, 101))
        assert unsent(slow) < 3 * BATCH
        slow.wire.read_on()
        assert await numbers_of(slow, 100) == list(range(1, 101))
        await say(server, 101)
        assert await numbers_of(slow, 1) == [101]


async def test_a_replay_is_written_as_fast_as_the_client_reads() -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        first, epoch = await enter(server)
        first.close()
        await say(server, *range(1, 201))
        client = await server.connect()
        client.wire.stop_reading()
        client.start_join("room:1", {"recovery": {"epoch": epoch, "offset": 0}})
        await settle()
        assert unsent(client) < 3 * BATCH
        await say(server, 201)
        client.wire.read_on()
        reply = await client.receive()
        assert reply.payload["response"]["recovery"]["count"] == 200
        assert await numbers_of(client, 201) == list(range(1, 202))


async def test_drops_are_for_other_channels_of_the_connection() -> None:
    async with serve(endpoint_of({"room:*": Room, "ticker:*": Ticker})) as server:
        client, _ = await enter(server)
        assert await client.join("ticker:1") == ok()
        client.wire.stop_reading()
        for n in range(1, 51):
            await say(server, n)
            await server.endpoint.broadcast("ticker:1", "price", {"n": n, "body": BODY})
            await settle()
        client.wire.read_on()
        offsets: list[int] = []
        prices: list[int] = []
        while len(offsets) < 50:
            frame = await client.receive(within=5)
            if frame.topic == "room:1":
                offsets.append(frame.payload["n"])
            else:
                prices.append(frame.payload["n"])
        assert offsets == list(range(1, 51))
        assert len(prices) < 50
        assert prices[-1] == 50


async def test_a_positioned_channel_of_a_class_that_drops_loses_nothing() -> None:
    async with serve(endpoint_of({"room:*": DroppingRoom})) as server:
        client, _ = await enter(server)
        plain = await server.connect()
        assert await plain.join("room:1") == ok()
        for one in (client, plain):
            one.wire.stop_reading()
        for n in range(1, 51):
            await say(server, n)
            await settle()
        for one in (client, plain):
            one.wire.read_on()
        assert await numbers_of(client, 50) == list(range(1, 51))
        assert len(plain.read()) < 50


class SmallRoom(Channel[Any]):
    """A room that keeps little."""

    history = History(size=5)


async def test_a_client_that_is_so_slow_that_its_entries_are_trimmed_joins_again() -> None:
    async with serve(endpoint_of({"room:*": SmallRoom})) as server:
        slow, epoch = await enter(server)
        slow.wire.stop_reading()
        for n in range(1, MANY):
            await say(server, n)
            await settle()
        slow.wire.read_on()
        await advance(3)
        frames = list(slow.read())
        offsets = [frame.payload["n"] for frame in frames[:-1]]
        assert offsets == list(range(1, len(offsets) + 1))
        assert frames[-1].event == PHX_ERROR
        slow.read().clear()
        reply = await slow.join("room:1", {"recovery": {"epoch": epoch, "offset": len(offsets)}})
        assert reply["response"]["recovery"]["reason"] == "trimmed"


async def test_a_channel_that_is_kicked_can_leave_before_its_end() -> None:
    async with serve(endpoint_of({"room:*": SmallRoom})) as server:
        slow, _ = await enter(server)
        slow.wire.stop_reading()
        for n in range(1, MANY):
            await say(server, n)
            await settle()
        slow.wire.read_on()
        await settle()
        slow.leave("room:1")
        await settle()
        assert [frame.event for frame in list(slow.read())[-2:]] == [PHX_REPLY, PHX_CLOSE]
        slow.read().clear()
        await advance(3)
        assert not slow.read()


@both_transports
@pytest.mark.parametrize("end", ["leave", "cut"])
async def test_a_replay_ends_with_its_channel(over: Over, end: str) -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        first, epoch = await enter(server)
        first.close()
        await say(server, *range(1, 201))
        client = await server.connect(over=over)
        client.wire.stop_reading()
        client.start_join("room:1", {"recovery": {"epoch": epoch, "offset": 0}})
        await settle()
        if end == "leave":
            client.leave("room:1")
        elif end == "cut":
            client.vanish()
        await settle()
        if end == "leave":
            client.wire.read_on()
            await settle()
            assert [frame.event for frame in list(client.read())[-2:]] == [PHX_REPLY, PHX_CLOSE]


async def test_a_second_join_ends_the_replay_of_the_first() -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        first, epoch = await enter(server)
        first.close()
        await say(server, *range(1, 101))
        client = await server.connect()
        client.wire.stop_reading()
        client.start_join("room:1", {"recovery": {"epoch": epoch, "offset": 0}})
        await settle()
        client.start_join("room:1", {"recovery": {"epoch": epoch, "offset": 90}})
        await settle()
        client.wire.read_on()
        await settle()
        frames = list(client.read())
        second = [frame for frame in frames if frame.join_ref == "2" and frame.event == "said"]
        assert [frame.payload["n"] for frame in second] == list(range(91, 101))
        after = frames[frames.index(second[0]) :]
        assert all(frame.join_ref == "2" or frame.event == PHX_CLOSE for frame in after)


async def test_a_reply_and_pushes_go_on_while_a_member_catches_up() -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        client, _ = await enter(server)
        client.wire.stop_reading()
        for n in range(1, 31):
            await say(server, n)
            await settle()
        client.push("room:1", "unknown")
        await settle()
        client.wire.read_on()
        frames: list[Frame] = []
        while len(frames) < 31:
            frames.append(await client.receive(within=1))
        assert [frame.payload["n"] for frame in frames if frame.event == "said"] == [*range(1, 31)]
        replies = [frame for frame in frames if frame.event == PHX_REPLY]
        assert replies == [
            reply("1", "2", "room:1", {"status": "error", "response": {"reason": "unknown_event"}})
        ]
