"""Clients that do not read: the effect of each policy, without an effect on other clients."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bennu import Channel, DropOldest, Endpoint, Latest, on, on_out
from bennu.reasons import DropReason
from bennu.testing.clock import advance, settle
from bennu.testing.wires import NativeWire

from ..support.frames import PHX_CLOSE, PHX_REPLY, ok
from ..support.inside import connection_of, connections_of, unread_of
from ..support.memory import Client, Over, both_transports, endpoint_of, serve

FILLER = "x" * 200
MAX_UNSENT = 20_000


class Room(Channel[Any]):
    """A channel that allows no drops."""

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return payload

    @on("push")
    async def pushed(self, payload: Any) -> None:
        for n in range(payload["from"], payload["to"]):
            await self.push("n", {"n": n, "x": FILLER})

    @on_out("seen")
    async def seen(self, payload: Any) -> None:
        await self.push("n", payload)


class Feed(Room):
    """A channel that keeps the newest ten messages."""

    when_slow = DropOldest(max=10)


class Ticker(Room):
    """A channel that keeps the newest price of each symbol."""

    when_slow = Latest(key="symbol")


class Broken(Room):
    """A channel whose key function raises."""

    when_slow = Latest(key=lambda event, payload: payload["no such field"])


def make_endpoint(**options: Any) -> Endpoint:
    channels = {"room:*": Room, "feed:*": Feed, "ticker:*": Ticker, "broken:*": Broken}
    return endpoint_of(channels, **{"max_unsent": MAX_UNSENT, **options})


async def say(endpoint: Endpoint, topic: str, numbers: range, *, event: str = "n") -> None:
    """Broadcast numbers, each in a separate turn. Even and odd numbers have different symbols."""
    for n in numbers:
        await endpoint.broadcast(topic, event, {"n": n, "x": FILLER, "symbol": "AB"[n % 2]})
        await settle()


async def numbers(client: Client) -> list[Any]:
    """Return the numbers that have come, and the refs of replies as text."""
    await settle()
    frames = client.read()
    got = [frame.payload["n"] if frame.event == "n" else frame.ref for frame in frames]
    frames.clear()
    return got


async def stalled(endpoint: Endpoint, client: Client, topic: str) -> None:
    """Stop reading at a client, and broadcast -1 with a large payload, so that the client is slow."""
    client.wire.stop_reading()
    await endpoint.broadcast(topic, "n", {"n": -1, "x": "x" * 200_000})
    await settle()


# What is lost, and what is not.


@both_transports
async def test_who_must_not_lose_anything_gets_it_all_a_little_late(over: Over) -> None:
    """Within the bound all messages arrive in order. Then the client is as fast as the other clients."""
    endpoint = make_endpoint(max_unsent=1_000_000)
    async with serve(endpoint) as server:
        slow, fast = await server.connect(over=over), await server.connect(over=over)
        for client in (slow, fast):
            await client.join("room:1")
        slow.wire.stop_reading()
        await say(endpoint, "room:1", range(1000))
        assert await numbers(fast) == list(range(1000))
        assert await numbers(slow) == []
        slow.wire.read_on()
        assert await numbers(slow) == list(range(1000))
        await say(endpoint, "room:1", range(1000, 1003))
        assert await numbers(slow) == [1000, 1001, 1002]
        assert not endpoint.telemetry.drops
        for client in (slow, fast):
            client.close()


@both_transports
async def test_who_must_not_lose_anything_is_closed_beyond_the_bound(over: Over) -> None:
    """The code is 1013, and the log has one line. Other clients get all messages."""
    endpoint = make_endpoint()
    async with serve(endpoint) as server:
        slow, fast = await server.connect(over=over), await server.connect(over=over)
        for client in (slow, fast):
            await client.join("room:1")
        slow.wire.stop_reading()
        sent = 0
        while endpoint.connections == 2:
            await say(endpoint, "room:1", range(sent, sent + 1))
            sent += 1
        server.logged("20000 bytes unread", level=logging.WARNING)
        assert sent * len(FILLER) < 3 * MAX_UNSENT
        assert await numbers(fast) == list(range(sent))
        slow.wire.read_on()
        assert await slow.closed() == 1013
        assert await numbers(slow) == list(range(sent))
        fast.close()


@both_transports
async def test_a_feed_keeps_its_newest(over: Over) -> None:
    """Each dropped message is counted, by topic and reason."""
    endpoint = make_endpoint()
    async with serve(endpoint) as server:
        slow, fast = await server.connect(over=over), await server.connect(over=over)
        for client in (slow, fast):
            await client.join("feed:1")
        await stalled(endpoint, slow, "feed:1")
        await say(endpoint, "feed:1", range(500))
        assert await numbers(fast) == list(range(-1, 500))
        slow.wire.read_on()
        assert await numbers(slow) == [-1, *range(490, 500)]
        assert endpoint.telemetry.drops == {("feed:1", DropReason.SLOW_OLDEST): 490}
        await say(endpoint, "feed:1", range(500, 503))
        assert await numbers(slow) == [500, 501, 502]
        for client in (slow, fast):
            client.close()


@both_transports
async def test_a_ticker_keeps_the_newest_of_each_key(over: Over) -> None:
    """This holds for any number of messages."""
    endpoint = make_endpoint()
    async with serve(endpoint) as server:
        slow = await server.connect(over=over)
        await slow.join("ticker:1")
        await stalled(endpoint, slow, "ticker:1")
        await say(endpoint, "ticker:1", range(501))
        slow.wire.read_on()
        assert await numbers(slow) == [-1, 499, 500]
        assert endpoint.telemetry.drops == {("ticker:1", DropReason.SLOW_REPLACED): 499}
        slow.close()


@both_transports
@pytest.mark.parametrize("topic", ["feed:1", "ticker:1", "room:1"])
async def test_replies_are_never_dropped(over: Over, topic: str) -> None:
    """Replies keep their places between the broadcasts."""
    endpoint = make_endpoint(max_unsent=200_000)
    async with serve(endpoint) as server:
        slow = await server.connect(over=over)
        await slow.join("feed:0")  # so that it queues messages, whatever the topic is
        await slow.join(topic)
        await stalled(endpoint, slow, "feed:0")
        refs = []
        for n in range(20):
            refs.append(slow.push(topic, "echo", {"n": n}))
            await settle()
            await say(endpoint, topic, range(n, n + 1))
        slow.wire.read_on()
        got = await numbers(slow)
        assert got[0] == -1
        assert [one for one in got if isinstance(one, str)] == refs
        assert got[-4:] == [refs[18], 18, refs[19], 19]
        slow.close()


@both_transports
async def test_pushes_are_dropped_like_broadcasts(over: Over) -> None:
    """Pushes of handlers are, and pushes of ``@on_out``."""
    endpoint = make_endpoint()
    async with serve(endpoint) as server:
        slow = await server.connect(over=over)
        await slow.join("feed:1")
        await stalled(endpoint, slow, "feed:1")
        slow.push("feed:1", "push", {"from": 0, "to": 100})
        await settle()
        await say(endpoint, "feed:1", range(100, 105), event="seen")
        slow.wire.read_on()
        assert await numbers(slow) == [-1, *range(95, 105)]
        assert endpoint.telemetry.drops == {("feed:1", DropReason.SLOW_OLDEST): 95}
        slow.push("feed:1", "push", {"from": 0, "to": 50})
        assert await numbers(slow) == list(range(50))
        slow.close()


@both_transports
async def test_each_channel_has_its_own_policy(over: Over) -> None:
    """On one connection, one channel drops nothing, one the oldest, one all but the newest."""
    endpoint = make_endpoint()
    async with serve(endpoint) as server:
        slow = await server.connect(over=over)
        for topic in ("room:1", "feed:1", "ticker:1"):
            await slow.join(topic)
        await stalled(endpoint, slow, "feed:1")
        for n in range(20):
            for topic in ("room:1", "feed:1", "ticker:1"):
                await say(endpoint, topic, range(n, n + 1))
        slow.wire.read_on()
        await settle()
        got: dict[str, list[int]] = {"room:1": [], "feed:1": [], "ticker:1": []}
        for frame in slow.read():
            got[frame.topic].append(frame.payload["n"])
        slow.read().clear()
        assert got["room:1"] == list(range(20))
        assert got["feed:1"] == [-1, *range(10, 20)]
        assert got["ticker:1"] == [18, 19]
        slow.close()


# What else may happen meanwhile.


@both_transports
async def test_joining_and_leaving_while_slow(over: Over) -> None:
    """Every answer comes in its place. A channel that joins in the middle gets the later messages."""
    endpoint = make_endpoint()
    async with serve(endpoint) as server:
        slow = await server.connect(over=over)
        await slow.join("room:1")
        await stalled(endpoint, slow, "room:1")  # it does not sort: nothing may be dropped
        await say(endpoint, "feed:1", range(5))
        join = slow.start_join("feed:1")
        await settle()
        await say(endpoint, "feed:1", range(5, 25))  # it does from here on
        leave = slow.leave("feed:1")
        await settle()
        await say(endpoint, "feed:1", range(25, 30))
        await say(endpoint, "room:1", range(30, 32))
        slow.wire.read_on()
        await settle()
        frames = [frame for frame in slow.read() if frame.payload.get("n", 0) >= 0]
        slow.read().clear()
        assert [frame.event for frame in frames] == [
            PHX_REPLY,
            *["n"] * 10,
            *(PHX_REPLY, PHX_CLOSE),
            *("n", "n"),
        ]
        assert frames[0].ref == join
        assert [frame.payload["n"] for frame in frames[1:11]] == list(range(15, 25))
        assert frames[11].ref == leave
        assert frames[-1].payload["n"] == 31
        assert await slow.join("feed:1") == ok()
        await say(endpoint, "feed:1", range(32, 33))
        assert await numbers(slow) == [32]
        slow.close()


@both_transports
async def test_a_connection_that_server_code_ends_gets_what_waits(over: Over) -> None:
    """The close frame comes after the messages."""
    endpoint = make_endpoint()
    async with serve(endpoint) as server:
        slow = await server.connect(over=over, params={"name": "users:1"})
        await slow.join("feed:1")
        await stalled(endpoint, slow, "feed:1")
        await say(endpoint, "feed:1", range(20))
        await endpoint.disconnect("users:1")
        await settle()
        slow.wire.read_on()
        assert await slow.closed() == 1001
        assert await numbers(slow) == [-1, *range(10, 20)]
        assert endpoint.telemetry.drops == {("feed:1", DropReason.SLOW_OLDEST): 10}


async def test_a_client_that_closes_gets_what_waits() -> None:
    """A client can still read after its close frame."""
    endpoint = make_endpoint()
    async with serve(endpoint) as server:
        slow = await server.connect()
        await slow.join("feed:1")
        await stalled(endpoint, slow, "feed:1")
        await say(endpoint, "feed:1", range(20))
        slow.close()
        await settle()
        slow.wire.read_on()
        assert await slow.closed() == 1000
        assert await numbers(slow) == [-1, *range(10, 20)]


@both_transports
async def test_what_a_client_leaves_behind_is_counted(over: Over) -> None:
    """The client vanished, and the messages that waited are counted as dropped."""
    endpoint = make_endpoint()
    async with serve(endpoint) as server:
        slow = await server.connect(over=over)
        await slow.join("feed:1")
        await slow.join("room:1")
        await stalled(endpoint, slow, "feed:1")
        await say(endpoint, "feed:1", range(20))
        await say(endpoint, "room:1", range(3))
        slow.push("room:1", "echo")
        await settle()
        slow.vanish()
        await settle()
        await say(endpoint, "feed:1", range(20, 30))
        assert endpoint.telemetry.drops == {
            ("feed:1", DropReason.SLOW_OLDEST): 10,
            ("feed:1", DropReason.SLOW_ENDED): 10,
            ("room:1", DropReason.SLOW_ENDED): 3,
            ("*", DropReason.SLOW_ENDED): 1,
        }


@both_transports
@pytest.mark.parametrize("topic", ["feed:1", "room:1"])
async def test_who_asks_and_does_not_read_is_not_listened_to(over: Over, topic: str) -> None:
    """Reading is paused after some replies. When the client reads, all its requests are answered, in order."""
    endpoint = make_endpoint()
    async with serve(endpoint) as server:
        slow, other = await server.connect(over=over), await server.connect(over=over)
        for client in (slow, other):
            await client.join(topic)
        slow.wire.stop_reading()
        refs = []
        for n in range(1000):
            refs.append(slow.push(topic, "echo", {"n": n, "x": FILLER}))
            await settle()
        assert endpoint.connections == 2
        (connection,) = (one for one in connections_of(endpoint) if one.backpressure is not None)
        assert unread_of(connection) < 2 * MAX_UNSENT
        slow.wire.read_on()
        assert await numbers(slow) == refs
        assert not endpoint.telemetry.drops
        assert (await slow.call(topic, "echo", {"n": 1}))["response"] == {"n": 1}
        for client in (slow, other):
            client.close()


@both_transports
async def test_who_asks_and_never_reads_is_closed_in_the_end(over: Over) -> None:
    """The client counts as silent: the server does not read from it, and it does not read either."""
    endpoint = make_endpoint(timeout=60)
    async with serve(endpoint) as server:
        slow = await server.connect(over=over)
        await slow.join("room:1")
        slow.wire.stop_reading()
        for _ in range(500):
            slow.push("room:1", "echo", {"x": FILLER})
            await settle()
        await advance(59)
        assert endpoint.connections == 1
        await advance(17)
        assert endpoint.connections == 0
        slow.wire.read_on()
        assert await slow.closed() == 1002
        assert slow.read()


async def test_who_reads_little_by_little_is_alive() -> None:
    """While reading is paused, the server counts each read by the client as activity."""
    endpoint = make_endpoint(timeout=60)
    async with serve(endpoint) as server:
        slow = await server.connect()
        await slow.join("room:1")
        slow.wire.stop_reading()
        for _ in range(500):
            slow.push("room:1", "echo", {"x": FILLER})
            await settle()
        assert isinstance(slow.wire, NativeWire)
        for _ in range(20):
            await advance(10)
            slow.wire.transport.take(100)
        assert endpoint.connections == 1
        slow.wire.read_on()
        assert len(await numbers(slow)) == 500
        slow.close()


@both_transports
async def test_one_message_of_any_size_gets_through(over: Over) -> None:
    """So do the messages after it: a large reply does not make a client slow."""
    endpoint = make_endpoint()
    async with serve(endpoint) as server:
        client = await server.connect(over=over)
        await client.join("room:1")
        client.wire.stop_reading()
        big = "x" * (10 * MAX_UNSENT)
        ref = client.push("room:1", "echo", {"n": 0, "x": big})
        await settle()
        await say(endpoint, "room:1", range(1, 30))
        client.wire.read_on()
        assert await numbers(client) == [ref, *range(1, 30)]
        client.close()


@both_transports
async def test_a_key_that_cannot_be_found_replaces_nothing(over: Over) -> None:
    """The error is logged once, and affects no other client."""
    endpoint = make_endpoint()
    async with serve(endpoint) as server:
        slow, fast = await server.connect(over=over), await server.connect(over=over)
        for client in (slow, fast):
            await client.join("broken:1")
        await stalled(endpoint, slow, "broken:1")
        await say(endpoint, "broken:1", range(3))
        server.logged("failed to find a key for a 'n': such messages replace no others")
        assert (await numbers(fast))[-3:] == [0, 1, 2]
        slow.wire.read_on()
        assert await numbers(slow) == [-1, 0, 1, 2]
        for client in (slow, fast):
            client.close()


@both_transports
async def test_dropping_is_said_once(over: Over, caplog: pytest.LogCaptureFixture) -> None:
    """The log has one line, not one for each message. The counters have the number."""
    endpoint = make_endpoint()
    async with serve(endpoint) as server:
        slow = await server.connect(over=over)
        await slow.join("feed:1")
        with caplog.at_level(logging.INFO, "bennu"):
            await stalled(endpoint, slow, "feed:1")
            await say(endpoint, "feed:1", range(100))
        lines = [one.getMessage() for one in caplog.records if "slowly" in one.getMessage()]
        assert lines == ["A client reads slowly: messages on 'feed:1' are dropped (when_slow)"]
        slow.wire.read_on()
        slow.close()


# One among many.


@pytest.mark.parametrize("topic", ["room:1", "feed:1", "ticker:1"])
async def test_one_stalled_client_costs_a_bounded_buffer_and_nothing_else(topic: str) -> None:
    """Of a hundred clients, the others get every message in its turn, with as many writes as without the stalled
    client.
    """
    endpoint = make_endpoint()
    async with serve(endpoint) as server:
        stalled_one = await server.connect()
        connection = connection_of(endpoint)
        others = [await server.connect() for _ in range(99)]
        clients = [stalled_one, *others]
        for client in clients:
            await client.join(topic)
        stalled_one.wire.stop_reading()
        most = 0
        for n in range(300):
            await say(endpoint, topic, range(n, n + 1))
            if n % 10 == 9:
                for other in others:
                    assert await numbers(other) == list(range(n - 9, n + 1))
            if not connection.is_lost:
                most = max(most, unread_of(connection))
        assert most <= 2 * MAX_UNSENT + 1000  # the transport's own, and what waits behind it
        if topic == "room:1":
            server.logged("bytes unread", level=logging.WARNING)
            assert endpoint.connections == 99
        else:
            assert endpoint.connections == 100
        stalled_one.wire.read_on()
        for client in clients:
            if client.wire.code is None:
                client.vanish()
