"""Rates of a connection and of events: what comes too fast is answered, never handled, never silent."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bennu import Channel, Endpoint, Ok, Rates, on
from bennu.logs.log import EVERY
from bennu.protocol.decisions import Memberships
from bennu.reasons import DropReason, Limit
from bennu.telemetry import Event, LimitExceeded
from bennu.transports.native import NativeWebSocket

from ..support.clock import advance, settle
from ..support.inside import connection_of, connections_of
from ..support.memory import Client, Over, Server, Version, endpoint_of, error, is_count, ok, serve
from ..support.wires import NativeWire
from .rooms import CHANNELS, Room, ended

both_transports = pytest.mark.parametrize("over", ["native", "asgi"])
all_transports = pytest.mark.parametrize("over", ["native", "asgi", "longpoll"])
both_versions = pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])


def limited(milliseconds: int) -> Any:
    """Return the answer to what came too fast."""
    return error({"reason": "rate_limited", "retry_after_ms": milliseconds})


def exceeded(server: Server) -> dict[Limit, int]:
    return dict(server.endpoint.telemetry.exceeded)


def warned(server: Server, text: str) -> None:
    """Check that nothing was logged but lines about one limit, and at least one of them."""
    lines = [line for record in server.records if not is_count(line := record.getMessage())]
    assert lines
    assert all("Over a limit" in line and text in line for line in lines), lines
    server.records.clear()


def rated(**rates: Any) -> Endpoint:
    return endpoint_of(CHANNELS, rates=Rates(**rates), longpoll=True)


# Messages.


@all_transports
@both_versions
async def test_a_message_over_the_rate_is_answered_and_not_handled(
    over: Over, version: Version
) -> None:
    """With its refs, a reason and when to try again; then it is handled."""
    async with serve(rated(messages="2/second")) as server:
        client = await server.connect(over=over, version=version)
        assert await client.join("room:1") == ok()
        assert await client.call("room:1", "echo", 1) == ok(1)
        assert await client.call("room:1", "echo", 2) == limited(500)
        server.logged("Rates(messages=...)", "127.0.0.1", "'room:1'", level=logging.WARNING)
        await advance(0.5)
        assert await client.call("room:1", "echo", 3) == ok(3)
        assert exceeded(server) == {Limit.MESSAGES: 1}


async def test_the_answer_has_the_join_ref_even_if_the_message_had_none() -> None:
    """So that clients that look at it don't take it for another channel's."""
    async with serve(rated(messages="1/second")) as server:
        client = await server.connect()
        client.send("7", "7", "room:1", "phx_join")
        client.send(None, "8", "room:1", "echo")
        await client.expect(
            ("7", "7", "room:1", "phx_reply", ok()),
            ("7", "8", "room:1", "phx_reply", limited(1000)),
        )
        server.logged("Rates(messages=...)", level=logging.WARNING)


async def test_a_message_over_the_rate_never_meets_its_type() -> None:
    """Nor the handler: its payload is not even looked at."""

    class Typed(Channel[Any]):
        @on("take")
        async def take(self, payload: int) -> Ok:
            return Ok(payload)

    async with serve(endpoint_of({"room:*": Typed}, rates=Rates(messages="1/second"))) as server:
        client = await server.connect()
        await client.join("room:1")
        assert await client.call("room:1", "take", "no number") == limited(1000)
        server.logged("Rates(messages=...)", level=logging.WARNING)


async def test_a_message_that_cannot_be_answered_is_counted() -> None:
    """One without a ref, under its topic; what was not joined has a name of the client's choice."""
    async with serve(rated(messages="1/minute")) as server:
        client = await server.connect()
        await client.join("room:1")
        client.send("1", None, "room:1", "echo")
        client.send("1", None, "room:1", "echo")
        client.send(None, None, "x" * 1000, "echo")
        await client.expect_nothing()
        server.logged("Rates(messages=...)", level=logging.WARNING)
        assert dict(server.endpoint.telemetry.drops) == {
            ("room:1", DropReason.RATE_LIMITED): 2,
            ("*", DropReason.RATE_LIMITED): 1,
        }


@both_transports
async def test_heartbeats_and_leaves_are_never_refused_but_count(over: Over) -> None:
    async with serve(rated(messages="2/minute")) as server:
        client = await server.connect(over=over)
        await client.join("room:1")
        for ref in ("a", "b", "c"):
            client.send(None, ref, "phoenix", "heartbeat")
        client.send("1", "d", "room:1", "echo")
        client.send("9", "e", "room:1", "echo")  # stale: ignored, as ever
        client.send("1", "f", "room:1", "phx_leave")
        await client.expect(
            (None, "a", "phoenix", "phx_reply", ok()),
            (None, "b", "phoenix", "phx_reply", ok()),
            (None, "c", "phoenix", "phx_reply", ok()),
            ("1", "d", "room:1", "phx_reply", limited(30_000)),
            ("1", "f", "room:1", "phx_reply", ok()),
            ("1", "1", "room:1", "phx_close", {}),
        )
        client.send("1", "g", "room:1", "phx_leave")
        await client.expect(("1", "g", "room:1", "phx_reply", ok()))
        server.logged("Rates(messages=...)", level=logging.WARNING)
        assert exceeded(server) == {Limit.MESSAGES: 6}
        assert ended == [("room:1", "left")]


async def test_an_event_that_is_no_text_is_answered() -> None:
    """It counts like every other, and has no rate of its own."""

    class Shy(Channel[Any]):
        @on("say", rate="1/minute")
        async def say(self) -> Ok:
            return Ok()

    async with serve(endpoint_of({"room:*": Shy})) as server:
        client = await server.connect()
        await client.join("room:1")
        assert await client.call("room:1", ["say"]) == error("unknown_event")


# Joins.


@all_transports
async def test_joins_have_a_rate_of_their_own(over: Over) -> None:
    """Those of unmatched topics count too; messages don't."""
    async with serve(rated(joins="2/second")) as server:
        client = await server.connect(over=over)
        assert await client.join("room:1") == ok()
        assert await client.join("attic") == error("unmatched topic")
        server.logged("unmatched topic", level=logging.WARNING)
        assert await client.join("room:2") == limited(500)
        server.logged("Rates(joins=...)", level=logging.WARNING)
        for number in range(10):
            assert await client.call("room:1", "echo", number) == ok(number)
        await advance(0.5)
        assert await client.join("room:2") == ok()
        assert exceeded(server) == {Limit.JOINS: 1}


@pytest.mark.parametrize("kind", ["joins", "messages"])
async def test_a_duplicate_join_over_the_rate_leaves_the_channel_as_it_was(kind: str) -> None:
    """The answer has the refs of the new join, which is what its client waits for."""
    async with serve(rated(**{kind: "1/second"})) as server:
        client = await server.connect()
        client.send("1", "1", "room:1", "phx_join")
        client.send("2", "2", "room:1", "phx_join")
        await client.expect(
            ("1", "1", "room:1", "phx_reply", ok()),
            ("2", "2", "room:1", "phx_reply", limited(1000)),
        )
        server.logged(f"Rates({kind}=...)", level=logging.WARNING)
        await advance(1)
        client.send("1", "3", "room:1", "echo", 3)
        await client.expect(("1", "3", "room:1", "phx_reply", ok(3)))
        assert not ended


# What is done about it.


async def test_a_connection_over_its_rate_may_be_closed() -> None:
    """At once, with 1008; clients reconnect after it."""
    async with serve(rated(messages="2/minute", excess="close")) as server:
        client = await server.connect()
        await client.join("room:1")
        for _ in range(5):
            client.send(None, "h", "phoenix", "heartbeat")  # these alone are never the end
        await settle()
        assert client.wire.code is None
        client.push("room:1", "echo")
        assert await client.closed() == 1008
        assert client.wire.transport.late_writes == []  # type: ignore[union-attr]
        server.logged("Rates(messages=...)", level=logging.WARNING)
        assert ended == [("room:1", "closed")]


@all_transports
async def test_who_goes_on_though_he_is_refused_is_closed(over: Over) -> None:
    """After so many in a row; what is let through between begins the count anew."""
    async with serve(rated(messages="1/second", close_after=3)) as server:
        client = await server.connect(over=over)
        await client.join("room:1")
        for _ in range(3):
            assert await client.call("room:1", "echo") == limited(1000)
        await advance(1)
        assert await client.call("room:1", "echo", 1) == ok(1)
        for _ in range(3):
            assert await client.call("room:1", "echo") == limited(1000)
        client.push("room:1", "echo")
        # Who polls sees no code, only that its session is gone.
        assert await client.closed() == (1011 if over == "longpoll" else 1008)
        server.logged("Rates(messages=...)", level=logging.WARNING)


async def test_heartbeats_over_the_rate_are_refusals_too() -> None:
    """Though they are answered, a flood of nothing else comes to its end."""
    async with serve(rated(messages="1/minute", close_after=10)) as server:
        client = await server.connect()
        for ref in range(20):
            client.send(None, ref, "phoenix", "heartbeat")
        assert await client.closed() == 1008
        assert len(client.read()) == 11
        server.logged("Rates(messages=...)", level=logging.WARNING)


async def test_who_may_go_on_forever_may() -> None:
    async with serve(rated(messages="1/minute", close_after=None)) as server:
        client = await server.connect()
        await client.join("room:1")
        for _ in range(1000):
            assert await client.call("room:1", "echo") == limited(60_000)
        server.logged("Rates(messages=...)", level=logging.WARNING)
        assert exceeded(server) == {Limit.MESSAGES: 1000}


async def test_the_log_has_the_first_and_then_one_line_in_ten_seconds() -> None:
    """The first names the event, the others say how many there were."""
    async with serve(rated(messages="1/hour", close_after=None)) as server:
        client = await server.connect()
        await client.join("room:1")
        for _ in range(100):
            await client.call("room:1", "echo")
        server.logged(
            "Over a limit, Rates(messages=...): the client", "with 'echo'", level=logging.WARNING
        )
        await advance(EVERY)
        server.logged('Not shown: 99 more like "Over a limit, Rates(m', level=logging.WARNING)


async def test_telemetry_is_told_of_each() -> None:
    events: list[Event] = []
    async with serve(rated(messages="1/minute")) as server:
        server.endpoint.telemetry.attach(events.append)
        client = await server.connect()
        await client.join("room:1")
        await client.call("room:1", "echo")
        await client.join("room:2")
        server.logged("Rates(messages=...)", level=logging.WARNING)
    assert [event for event in events if isinstance(event, LimitExceeded)] == [
        LimitExceeded(Limit.MESSAGES, "127.0.0.1", "room:1", "echo"),
        LimitExceeded(Limit.MESSAGES, "127.0.0.1", None, "phx_join"),
    ]


# Bytes.


@all_transports
async def test_beyond_the_bytes_reading_pauses_and_nothing_is_lost(over: Over) -> None:
    """All is handled, in order, at the rate."""
    async with serve(rated(bytes="1000/second")) as server:
        client = await server.connect(over=over)
        await client.join("room:1")
        for number in range(30):
            client.push("room:1", "echo", {"n": number, "fill": "x" * 400})
        answered: list[int] = []

        async def read() -> None:
            await settle()
            answered.extend(frame.payload["response"]["n"] for frame in client.read())
            client.read().clear()

        await read()
        assert 0 < len(answered) < 5
        await advance(5)
        await read()
        assert 8 < len(answered) < 16
        await advance(15)
        await read()
        assert answered == list(range(30))
        warned(server, "Rates(bytes=...)")


@both_transports
async def test_who_pays_for_long_is_not_silent(over: Over) -> None:
    """The idle timer does not run while nobody listens; afterwards it does."""
    async with serve(endpoint_of(CHANNELS, rates=Rates(bytes="100/second"), timeout=10)) as server:
        client = await server.connect(over=over)
        await client.join("room:1")
        assert (await client.call("room:1", "echo", "x" * 6000))["status"] == "ok"
        client.push("room:1", "echo", 1)
        client.push("room:1", "echo", 2)
        await advance(50)
        assert client.wire.code is None
        assert (await client.receive(within=20)).payload == ok(1)
        assert (await client.receive(within=20)).payload == ok(2)
        warned(server, "Rates(bytes=...)")
        assert await client.closed(within=60) == 1002


async def test_a_connection_that_ends_pays_no_more() -> None:
    """No timer is left behind, and a join in the midst of it goes on."""
    async with serve(endpoint_of(CHANNELS, rates=Rates(bytes="10/second"))) as server:
        client = await server.connect()
        client.start_join("slow:1")
        await client.receive(within=10)
        client.push("slow:1", "echo", "x" * 100)
        await client.receive(within=60)
        client.vanish()
        warned(server, "Rates(bytes=...)")
        await settle()
        assert not server.endpoint.connections


async def test_what_had_come_when_reading_paused_is_paid_for_too() -> None:
    """An ASGI server may have had one more message under way."""
    async with serve(rated(bytes="100/second")) as server:
        client = await server.connect(over="asgi")
        connection = connection_of(server.endpoint)
        assert connection.limiter is not None
        for _ in range(3):
            connection.metered(100)
        client.send(None, "1", "phoenix", "heartbeat")
        held: list[bool] = []
        for seconds in (1.9, 0.6):
            await advance(seconds)
            held.append(connection.is_held)
        assert held == [True, False]
        warned(server, "Rates(bytes=...)")


# Events.


class Chat(Channel[Any]):
    """Two events with a rate, and one without."""

    @on("say", rate="2/minute")
    async def say(self, payload: Any) -> Ok:
        return Ok(payload)

    @on("wave", rate="1/minute, burst 3")
    def wave(self) -> Ok:
        return Ok()

    @on("look")
    async def look(self) -> Ok:
        return Ok()


class OtherChat(Chat):
    """It has rates of its own, as its handlers are its own."""


CHATS = {"chat:*": Chat, "other:*": OtherChat}


async def calls(client: Client, topic: str, event: str, count: int) -> list[bool]:
    """Return of so many events whether each was handled."""
    replies = [await client.call(topic, event) for _ in range(count)]
    return [reply["status"] == "ok" for reply in replies]


@all_transports
async def test_an_event_has_a_rate(over: Over) -> None:
    """Others of the channel are not touched by it."""
    async with serve(endpoint_of(CHATS, longpoll=True)) as server:
        client = await server.connect(over=over)
        await client.join("chat:1")
        assert await client.call("chat:1", "say", 1) == ok(1)
        assert await client.call("chat:1", "say", 2) == ok(2)
        assert await client.call("chat:1", "say", 3) == limited(30_000)
        assert await calls(client, "chat:1", "wave", 4) == [True, True, True, False]
        assert all(await calls(client, "chat:1", "look", 10))
        await advance(30)
        assert await calls(client, "chat:1", "say", 2) == [True, False]
        warned(server, "@on(\"event\", rate=...): the client 127.0.0.1 in 'chat:1'")
        assert exceeded(server) == {Limit.EVENT: 3}


async def test_joining_again_or_elsewhere_brings_no_new_tokens() -> None:
    """The rate is one connection's, for all channels of the class: topics are the client's to choose."""
    async with serve(endpoint_of(CHATS)) as server:
        client = await server.connect()
        await client.join("chat:1")
        assert await calls(client, "chat:1", "say", 3) == [True, True, False]
        client.leave("chat:1")
        await client.receive()
        await client.receive()
        await client.join("chat:1")
        assert await calls(client, "chat:1", "say", 1) == [False]
        await client.join("chat:2")
        assert await calls(client, "chat:2", "say", 1) == [False]
        await client.join("other:1")
        assert await calls(client, "other:1", "say", 3) == [True, True, False]
        other = await server.connect()
        await other.join("chat:1")
        assert await calls(other, "chat:1", "say", 3) == [True, True, False]
        server.logged('@on("event", rate=...)', level=logging.WARNING)


async def test_an_event_over_its_rate_closes_nobody_at_once() -> None:
    """`excess="close"` is about the rates of the connection; going on and on is the end all the same."""
    rates = Rates(messages="1000/second", excess="close", close_after=5)
    async with serve(endpoint_of(CHATS, rates=rates)) as server:
        client = await server.connect()
        await client.join("chat:1")
        assert await calls(client, "chat:1", "say", 7) == [True, True, *[False] * 5]
        client.push("chat:1", "say")
        assert await client.closed() == 1008
        server.logged('@on("event", rate=...)', level=logging.WARNING)


# Pings.


async def test_pings_count_as_messages() -> None:
    """They are answered; a flood of nothing else comes to its end."""
    async with serve(rated(messages="5/minute", close_after=10)) as server:
        client = await server.connect()
        assert isinstance(client.wire, NativeWire)
        await client.join("room:1")
        for _ in range(5):
            client.wire.ping(b"x")
        await settle()
        assert len(client.wire.pongs) == 5
        assert await client.call("room:1", "echo") == limited(12_000)
        for _ in range(20):
            client.wire.ping()
        assert await client.closed() == 1008
        warned(server, "Rates(messages=...)")


async def test_pings_count_as_bytes() -> None:
    async with serve(rated(bytes="100/second")) as server:
        client = await server.connect()
        assert isinstance(client.wire, NativeWire)
        for _ in range(10):
            client.wire.ping(b"x" * 100)
        await settle()
        assert 0 < len(client.wire.pongs) < 5
        await advance(10)
        assert len(client.wire.pongs) == 10
        warned(server, "Rates(bytes=...)")


async def test_a_client_that_has_gone_pays_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection would be held for as long as what it sent before has a price: here 100 s."""
    async with serve(endpoint_of(CHANNELS, rates=Rates(bytes="10/second"), timeout=8)) as server:
        client = await server.connect()
        assert await client.join("room:1") == ok()
        for number in range(10):
            client.push("room:1", "echo", {"n": number, "fill": "x" * 50})
        await advance(3)
        assert len(client.read()) < 3
        monkeypatch.setattr(NativeWebSocket, "is_left", True)
        await advance(2)
        assert [frame.payload["response"]["n"] for frame in client.read()][-1] == 9
        client.close()
        await settle()
        assert not connections_of(server.endpoint)
        warned(server, "Rates(bytes=...)")


# The rest.


async def test_without_rates_nothing_looks_at_them() -> None:
    """Such connections have no limiter: they pay nothing for rates."""
    async with serve(endpoint_of(CHANNELS)) as server:
        await server.connect()
        connection = connection_of(server.endpoint)
        assert connection.limiter is None


@both_transports
async def test_what_is_no_message_closes_a_rated_connection_as_any_other(over: Over) -> None:
    async with serve(rated(messages="10/second")) as server:
        client = await server.connect(over=over)
        client.wire.send("[nonsense")
        assert await client.closed() == 1011
        server.logged("undecodable", level=logging.WARNING)


async def test_an_error_of_the_servers_own_closes_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(rated(messages="10/second")) as server:
        client = await server.connect()
        await client.join("room:1")
        monkeypatch.setattr(Memberships, "decide", lambda *args: 1 / 0)
        client.push("room:1", "echo")
        assert await client.closed() == 1011
        server.logged("error of the server's own")


async def test_rooms_are_as_ever_below_the_rates() -> None:
    """Broadcasts and pushes are the server's, and have no rate."""
    async with serve(rated(joins="5/s", messages="10/s", bytes="10k/s")) as server:
        ann, bob = await server.connect(), await server.connect()
        for client in (ann, bob):
            assert await client.join("room:1") == ok()
        ann.push("room:1", "shout", {"a": 1})
        for client in (ann, bob):
            await client.expect((None, None, "room:1", "shout", {"a": 1}))
        ann.push("room:1", "tell", {"a": 2})
        await ann.expect(("1", None, "room:1", "tell", {"a": 2}))
    assert Room.max_inbox == 64
