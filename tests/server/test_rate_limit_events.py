"""Rates of single events of a channel."""

from __future__ import annotations

import logging
from typing import Any

from bennu import Channel, Ok, Rates, on
from bennu.reasons import Limit
from bennu.testing.clock import advance

from ..support.memory import (
    Client,
    Over,
    all_transports,
    endpoint_of,
    ok,
    serve,
)
from .rates import exceeded, limited, warned


class Chat(Channel[Any]):
    """A channel with two limited events, and one event without a limit."""

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
    """A channel with separate rates, because its handlers are different."""


CHATS = {"chat:*": Chat, "other:*": OtherChat}


async def calls(client: Client, topic: str, event: str, count: int) -> list[bool]:
    """Send events; return for each whether it was handled."""
    replies = [await client.call(topic, event) for _ in range(count)]
    return [reply["status"] == "ok" for reply in replies]


@all_transports
async def test_an_event_has_a_rate(over: Over) -> None:
    """Other events of the channel are not affected."""
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
    """The rate counts one connection in all channels of the class, since a client can choose topics."""
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
    """`excess="close"` concerns the rates of the connection. Many excesses in a row close the connection too."""
    rates = Rates(messages="1000/second", excess="close", close_after=5)
    async with serve(endpoint_of(CHATS, rates=rates)) as server:
        client = await server.connect()
        await client.join("chat:1")
        assert await calls(client, "chat:1", "say", 7) == [True, True, *[False] * 5]
        client.push("chat:1", "say")
        assert await client.closed() == 1008
        server.logged('@on("event", rate=...)', level=logging.WARNING)
