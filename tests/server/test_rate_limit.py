"""Rates of a connection and of events: a message beyond a rate is answered, and never handled."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bennu import Channel, Ok, Rates, on
from bennu.logs.log import EVERY
from bennu.protocol.decisions import Memberships
from bennu.reasons import DropReason, Limit
from bennu.telemetry import Event, LimitExceeded
from bennu.testing.clock import advance, settle

from ..support.frames import PHX_JOIN, broadcast, closed, error, ok, push, reply
from ..support.inside import connection_of
from ..support.memory import (
    Over,
    Version,
    all_transports,
    both_transports,
    both_versions,
    endpoint_of,
    serve,
)
from .rates import exceeded, limited, rated
from .rooms import CHANNELS, Room, ended

# Messages.


@all_transports
@both_versions
async def test_a_message_over_the_rate_is_answered_and_not_handled(
    over: Over, version: Version
) -> None:
    """The answer has the message's refs, a reason, and a time for the next try.

    After this time the message is handled.
    """
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
    """So a client that checks the join_ref assigns the answer to the right channel."""
    async with serve(rated(messages="1/second")) as server:
        client = await server.connect()
        client.start_join("room:1", ref="7")
        client.push("room:1", "echo", ref="8", join_ref=None)
        await client.expect(
            reply("7", "7", "room:1", ok()),
            reply("7", "8", "room:1", limited(1000)),
        )
        server.logged("Rates(messages=...)", level=logging.WARNING)


async def test_a_message_over_the_rate_never_meets_its_type() -> None:
    """The payload is not decoded, and the handler is not called."""

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
    """A message without a ref counts under its topic, or under "*" if the topic is not joined."""
    async with serve(rated(messages="1/minute")) as server:
        client = await server.connect()
        await client.join("room:1")
        client.push("room:1", "echo", ref=None)
        client.push("room:1", "echo", ref=None)
        client.push("x" * 1000, "echo", ref=None)
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
            client.heartbeat(ref)
        client.push("room:1", "echo", ref="d")
        client.push("room:1", "echo", ref="e", join_ref="9")  # stale: ignored, as ever
        client.leave("room:1", ref="f")
        await client.expect(
            reply(None, "a", "phoenix", ok()),
            reply(None, "b", "phoenix", ok()),
            reply(None, "c", "phoenix", ok()),
            reply("1", "d", "room:1", limited(30_000)),
            reply("1", "f", "room:1", ok()),
            closed("1", "room:1"),
        )
        client.leave("room:1", ref="g")
        await client.expect(reply("1", "g", "room:1", ok()))
        server.logged("Rates(messages=...)", level=logging.WARNING)
        assert exceeded(server) == {Limit.MESSAGES: 6}
        assert ended == [("room:1", "left")]


async def test_an_event_that_is_no_text_is_answered() -> None:
    """It counts for the rate of messages, and has no rate of an event."""

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
    """Joins of unmatched topics count too. Messages do not count."""
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
    """The answer has the refs of the new join, which its client waits for."""
    async with serve(rated(**{kind: "1/second"})) as server:
        client = await server.connect()
        client.start_join("room:1", ref="1")
        client.start_join("room:1", ref="2")
        await client.expect(
            reply("1", "1", "room:1", ok()),
            reply("2", "2", "room:1", limited(1000)),
        )
        server.logged(f"Rates({kind}=...)", level=logging.WARNING)
        await advance(1)
        client.push("room:1", "echo", 3, ref="3", join_ref="1")
        await client.expect(reply("1", "3", "room:1", ok(3)))
        assert not ended


# What is done about it.


async def test_a_connection_over_its_rate_may_be_closed() -> None:
    """The close comes at once, with 1008, after which clients reconnect."""
    async with serve(rated(messages="2/minute", excess="close")) as server:
        client = await server.connect()
        await client.join("room:1")
        for _ in range(5):
            client.heartbeat("h")  # these alone are never the end
        await settle()
        assert client.wire.code is None
        client.push("room:1", "echo")
        assert await client.closed() == 1008
        assert client.wire.transport.late_writes == []  # type: ignore[union-attr]
        server.logged("Rates(messages=...)", level=logging.WARNING)
        assert ended == [("room:1", "closed")]


@all_transports
async def test_who_goes_on_though_he_is_refused_is_closed(over: Over) -> None:
    """The close comes after several excesses in a row. A handled message resets the number."""
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
    """Heartbeats are answered, but a flood of heartbeats ends the connection."""
    async with serve(rated(messages="1/minute", close_after=10)) as server:
        client = await server.connect()
        for ref in range(20):
            client.heartbeat(ref)
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
    """The first line names the event. Later lines have the number of excesses."""
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
        LimitExceeded(Limit.MESSAGES, "127.0.0.1", None, PHX_JOIN),
    ]


# The rest.


async def test_without_rates_nothing_looks_at_them() -> None:
    """Such connections have no limiter, and no cost for rates."""
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
        server.logged("internal error of the server")


async def test_rooms_are_as_ever_below_the_rates() -> None:
    """Broadcasts and pushes are messages of the server, and have no rate."""
    async with serve(rated(joins="5/s", messages="10/s", bytes="10k/s")) as server:
        ann, bob = await server.connect(), await server.connect()
        for client in (ann, bob):
            assert await client.join("room:1") == ok()
        ann.push("room:1", "shout", {"a": 1})
        for client in (ann, bob):
            await client.expect(broadcast("room:1", "shout", {"a": 1}))
        ann.push("room:1", "tell", {"a": 2})
        await ann.expect(push("1", "room:1", "tell", {"a": 2}))
    assert Room.max_inbox == 64
