"""The endpoint: its start and stop under every kind of server, and broadcasts of server code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest

from bennu import (
    Broadcast,
    Channel,
    EncodeError,
    Endpoint,
    WrongThread,
    on,
)

from .support.frames import broadcast, error
from .support.memory import endpoint_of, serve

Event = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]


class Room(Channel[Any]):
    """A channel that broadcasts."""

    @on("shout_from")
    async def shout_from(self, payload: dict[str, int]) -> None:
        await self.endpoint.broadcast_from(self, "room:1", "shout", payload)

    @on("local_shout_from")
    async def local_shout_from(self, payload: dict[str, int]) -> None:
        await self.endpoint.local_broadcast_from(self, "room:1", "shout", payload)


CHANNELS = {"room:*": Room}


def started(endpoint: Endpoint) -> bool:
    return endpoint.is_started


# Broadcasts of server code.


@pytest.mark.conformance("CS047", "CS029")
@pytest.mark.parametrize("local", [False, True])
async def test_a_broadcast_reaches_clients_and_listeners(local: bool) -> None:
    """Clients get a frame, and listeners get the Broadcast. Without a payload it is an empty object."""
    async with serve(endpoint_of(CHANNELS)) as server:
        endpoint = server.endpoint
        client = await server.connect()
        await client.join("room:1")
        await client.join("room:2")
        heard: list[Any] = []
        subscription = endpoint.pubsub.subscribe("room:1", heard.append)
        say = endpoint.local_broadcast if local else endpoint.broadcast
        await say("room:1", "news", {"a": 1})
        await say("room:1", "bare")
        await client.expect(broadcast("room:1", "news", {"a": 1}), broadcast("room:1", "bare", {}))
        assert heard == [Broadcast("room:1", "news", {"a": 1}), Broadcast("room:1", "bare", {})]
        subscription.cancel()


@pytest.mark.conformance("CS001", "CS002", "CS005", "CS006", "CS047")
@pytest.mark.parametrize("event", ["shout_from", "local_shout_from"])
async def test_a_broadcast_from_a_channel_passes_by_its_client_and_its_listeners(
    event: str,
) -> None:
    """The other topics of the same client, and all other clients, get the broadcast."""
    async with serve(endpoint_of(CHANNELS)) as server:
        sender, other = await server.connect(), await server.connect()
        for client in (sender, other):
            await client.join("room:1")
        sender.push("room:1", event, {"n": 1})
        await other.expect(broadcast("room:1", "shout", {"n": 1}))
        await sender.expect_nothing()
        await sender.join("room:2")
        sender.push("room:2", event, {"n": 2})  # this is another channel
        await other.expect(broadcast("room:1", "shout", {"n": 2}))
        await sender.expect(broadcast("room:1", "shout", {"n": 2}))


@pytest.mark.conformance("CS005", "CS006")
@pytest.mark.parametrize("local", [False, True])
async def test_a_broadcast_from_somebody_else_reaches_all_clients(local: bool) -> None:
    """The sender can be any object. Only listeners with this object as owner are skipped."""
    async with serve(endpoint_of(CHANNELS)) as server:
        endpoint = server.endpoint
        client = await server.connect()
        await client.join("room:1")
        sender = object()
        heard: list[Any] = []
        subscription = endpoint.pubsub.subscribe("room:1", heard.append, owner=sender)
        say = endpoint.local_broadcast_from if local else endpoint.broadcast_from
        await say(sender, "room:1", "news", {})
        await client.expect(broadcast("room:1", "news", {}))
        assert heard == []
        subscription.cancel()


async def test_what_cannot_be_written_is_an_error_of_the_broadcaster() -> None:
    """No client gets a broadcast that can't be encoded. The caller gets the error."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect()
        await client.join("room:1")
        for payload in ([1], object(), "text"):
            with pytest.raises(EncodeError):
                await server.endpoint.broadcast("room:1", "news", payload)
        await client.expect_nothing()
        assert await client.call("room:1", "anything") == error("unknown_event")


# From threads.


async def test_everything_awaitable_has_a_blocking_twin() -> None:
    """In a thread each twin waits until the call is done, and raises its exception."""
    async with serve(endpoint_of(CHANNELS)) as server:
        endpoint = server.endpoint
        ann = await server.connect(params={"name": "ann"})
        bob = await server.connect()
        for client in (ann, bob):
            await client.join("room:1")
        heard: list[Any] = []
        subscription = endpoint.pubsub.subscribe("room:1", heard.append, owner=endpoint)

        def in_thread() -> None:
            sync = endpoint.sync
            sync.broadcast("room:1", "1", {"a": 1})
            sync.local_broadcast("room:1", "2")
            sync.broadcast_from(endpoint, "room:1", "3")
            sync.local_broadcast_from(endpoint, "room:1", "4")
            with pytest.raises(EncodeError):
                sync.broadcast("room:1", "5", [1])
            sync.disconnect("ann")

        await asyncio.to_thread(in_thread)
        frames = [
            broadcast("room:1", "1", {"a": 1}),
            *(broadcast("room:1", event, {}) for event in "234"),
        ]
        await ann.expect(*frames)
        await bob.expect(*frames)
        assert await ann.closed() == 1001
        assert bob.wire.code is None
        assert [message.event for message in heard] == ["1", "2"]
        subscription.cancel()


async def test_on_the_event_loop_the_twin_says_what_to_write() -> None:
    """On the event loop a twin raises an error: it would wait for itself."""
    async with serve(endpoint_of(CHANNELS)) as server:
        with pytest.raises(WrongThread, match="await"):
            server.endpoint.sync.broadcast("room:1", "news")


def test_before_the_start_there_is_nobody_to_do_it() -> None:
    """Before the start a twin raises an error that says what is missing."""
    with pytest.raises(RuntimeError, match="not started"):
        endpoint_of(CHANNELS).sync.broadcast("room:1", "news")
