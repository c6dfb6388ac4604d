"""An exception of a user's function ends only its channel or its connection.

Each function that a user can give is tried with each kind of exception, plain and async. Nothing waits for ever,
the log has a line, and the server goes on for other clients.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bennu import (
    Broadcast,
    DropOldest,
    Endpoint,
    Latest,
    Presence,
)
from bennu.message import Draining
from bennu.server.raw_connection import RawConnection
from bennu.testing.clock import advance, settle
from tests.support.clock import work

from ..support.frames import closed, crashed, ok, reply
from ..support.inside import connections_of, presence_of
from ..support.memory import Client, HandshakeRefused, Server, serve
from .bombs import KINDS, bomb, endpoint_with

# What is done in each place, and what a client sees of the crash.

ORIGIN = [("Origin", "http://localhost")]


async def refused(server: Server, params: dict[str, str], status: int, path: str) -> None:
    with pytest.raises(HandshakeRefused) as caught:
        await server.connect(path, params=params, headers=ORIGIN)
    assert caught.value.status == status


async def crashes_connect(server: Server) -> None:
    for path in ("/socket/websocket", "/raw/websocket"):
        await refused(server, {}, 500, path)


async def crashes_origin(server: Server) -> None:
    await refused(server, {}, 403, "/socket/websocket")


async def crashes_refusal(server: Server) -> None:
    await refused(server, {"name": "refused"}, 500, "/socket/websocket")


async def crashes_join(server: Server) -> None:
    client = await server.connect()
    assert (await client.join("room"))["response"] == {"reason": "join crashed"}
    bomb.place = ""
    assert await client.join("room") == ok()


async def crashes_after_join(server: Server) -> None:
    client = await server.connect()
    client.start_join("room")
    await client.expect(reply("1", "1", "room", ok()), crashed("1", "room"))


def crashes_channel(event: str, payload: Any = None, *, replies: bool = False) -> Any:
    async def crash(server: Server) -> None:
        client = await server.connect()
        assert await client.join("room") == ok()
        ref = client.push("room", event, payload)
        replied = [reply("1", ref, "room", ok())] if replies else []
        await client.expect(*replied, crashed("1", "room"))
        bomb.place = ""
        assert await client.join("room") == ok()

    return crash


async def crashes_out(server: Server) -> None:
    client = await server.connect()
    assert await client.join("room") == ok()
    await server.endpoint.broadcast("room", "out", {})
    await client.expect(crashed("1", "room"))


async def crashes_terminate(server: Server) -> None:
    client = await server.connect()
    assert await client.join("room") == ok()
    ref = client.leave("room")
    await client.expect(reply("1", ref, "room", ok()), closed("1", "room"))
    await work(0.1)


async def crashes_refresh(server: Server) -> None:
    client = await server.connect()
    client.push("phoenix", "token", {"token": "new"}, ref="9")
    reply = await client.receive()
    assert reply[4]["response"] == {"reason": "refresh crashed"}
    assert await client.join("room") == ok()


async def crashes_hook(server: Server) -> None:
    presence = presence_of(server.endpoint)
    owner = object()
    await presence.track(owner, "ann", topic="lobby")
    await work(0.1)
    assert list(await presence.list("lobby")) == ["ann"]
    await presence.untrack(owner)
    await work(0.1)
    assert await presence.list("lobby") == {}


async def crashes_telemetry(server: Server) -> None:
    client = await server.connect()
    assert await client.join("room") == ok()


async def raw_client(server: Server) -> Client:
    return await server.connect("/raw/websocket")


async def crashes_opened(server: Server) -> None:
    client = await raw_client(server)
    assert await client.closed() == 1011


async def crashes_receive(server: Server) -> None:
    client = await raw_client(server)
    client.wire.send("hello")
    assert await client.closed() == 1011


async def crashes_info(server: Server) -> None:
    client = await raw_client(server)
    await settle()
    for connection in connections_of(server.endpoint):
        if isinstance(connection, RawConnection):
            connection.put_info("hello")
    assert await client.closed() == 1011


async def crashes_draining(server: Server) -> None:
    client = await raw_client(server)
    await settle()
    for connection in connections_of(server.endpoint):
        if isinstance(connection, RawConnection):
            connection.put_info(Draining(1.0))
    assert await client.closed() == 1011


async def crashes_closed(server: Server) -> None:
    client = await raw_client(server)
    await settle()
    client.vanish()
    await work(0.1)


PLACES: dict[str, Callable[[Server], Awaitable[None]]] = {
    "connect": crashes_connect,
    "id": crashes_connect,
    "session": crashes_connect,
    "check_origin": crashes_origin,
    "error_handler": crashes_refusal,
    "join": crashes_join,
    "after_join": crashes_after_join,
    "event": crashes_channel("event"),
    "payload": crashes_channel("picky", {"text": "x"}),
    "handle_in": crashes_channel("unknown"),
    "on_info": crashes_channel("tick", replies=True),
    "task": crashes_channel("task", replies=True),
    "on_out": crashes_out,
    "terminate": crashes_terminate,
    "refresh": crashes_refresh,
    "fetch": crashes_hook,
    "joined": crashes_hook,
    "left": crashes_hook,
    "handle_metas": crashes_hook,
    "telemetry": crashes_telemetry,
    "opened": crashes_opened,
    "receive": crashes_receive,
    "info": crashes_info,
    "draining": crashes_draining,
    "closed": crashes_closed,
}


@pytest.fixture(autouse=True)
def _disarm() -> None:
    bomb.place = ""
    bomb.exploded = 0


CRASHES = [
    (place, kind)
    for place in PLACES
    for kind in KINDS
    if (place, kind) != ("payload", "RecursionError")  # it nests too deep: the client's mistake
]


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "plain"])
@pytest.mark.parametrize(("place", "kind"), CRASHES)
async def test_a_crash_ends_no_more_than_it_must(place: str, kind: str, is_async: bool) -> None:
    """The crash is logged, and other clients are served."""
    async with serve(endpoint_with(is_async=is_async)) as server:
        calm = await server.connect()
        assert await calm.join("room") == ok()
        bomb.place, bomb.make = place, KINDS[kind]
        await PLACES[place](server)
        await settle()
        bomb.place = ""
        assert bomb.exploded
        assert server.records
        assert {record.name for record in server.records} <= {"bennu", "bennu.presence"}
        server.records.clear()
        if place != "on_out":  # it was the crash of every channel
            calm.push("room", "event")
            await calm.expect(reply("1", "2", "room", ok()))
        other = await server.connect()
        assert await other.join("room") == ok()
        await advance(0.1)
        server.records.clear()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_function_that_nobody_waits_for_crashes_alone(kind: str) -> None:
    """Examples are a subscriber, and the function of an update."""
    presence = Presence()
    heard: list[Any] = []

    def deliver(message: Any) -> None:
        bomb("deliver")

    async with serve(Endpoint(sockets={}, presence=presence)) as server:
        endpoint = server.endpoint
        subscriptions = [
            endpoint.pubsub.subscribe("topic", deliver),
            endpoint.pubsub.subscribe("topic", heard.append),
        ]
        bomb.place, bomb.make = "deliver", KINDS[kind]
        await endpoint.broadcast("topic", "event", {})
        server.logged("A listener")
        assert [type(message) for message in heard] == [Broadcast]
        for subscription in subscriptions:
            subscription.cancel()

        owner = object()
        await presence.track(owner, "ann", {"n": 1}, topic="topic")

        def update(meta: Any) -> Any:
            bomb("deliver")

        with pytest.raises(Exception):  # noqa: B017, PT011 - of any kind
            await presence.update(owner, "ann", update, topic="topic")
        assert (await presence.list("topic"))["ann"]["metas"][0]["n"] == 1
        await presence.untrack(owner)


async def test_a_coroutine_where_nobody_waits_is_logged() -> None:
    """The coroutine is closed. Otherwise its warning would fail this test."""

    async def later(message: Any) -> None: ...

    async with serve(Endpoint(sockets={})) as server:
        subscribe = server.endpoint.pubsub.subscribe
        subscription = subscribe("topic", lambda message: later(message))  # noqa: PLW0108 - the lambda is what is tested
        await server.endpoint.broadcast("topic", "event", {})
        server.logged("A listener")
        subscription.cancel()


def test_the_policies_of_slow_clients_need_no_function() -> None:
    """Only one of the two can have a function."""
    assert DropOldest().key_of("event", {}) is None
    assert Latest().key_of("event", {}) == "event"
