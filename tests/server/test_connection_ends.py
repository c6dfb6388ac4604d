"""The end of a connection: its causes, its codes, and the reasons for the channels."""

from __future__ import annotations

import gc
import time
import weakref
from typing import Any

import pytest
from msgspec import Raw

from bennu import Channel, ConnectInfo, Endpoint, Rates, Socket
from bennu.message import Disconnect, Message, SocketId
from bennu.protocol import JSONV2
from bennu.reasons import CloseCode
from bennu.testing.clock import advance, settle

from ..support.frames import PHX_CLOSE, broadcast, ok
from ..support.inside import connection_of, topics_of
from ..support.memory import Over, all_transports, both_transports, endpoint_of, serve
from .rooms import CHANNELS, ended


async def test_other_events_on_an_id_are_ignored() -> None:
    """A topic is no id, and only ``Disconnect`` has an effect on an id."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(params={"name": "ann"})
        await server.endpoint.broadcast("ann", "reconnect", {})
        await server.endpoint.broadcast("ann", "disconnect", {})
        await server.endpoint.pubsub.broadcast("ann", Disconnect())
        server.endpoint.pubsub.local_broadcast(SocketId("ann"), "disconnect")
        await client.expect_nothing()
        assert await client.join("room:1") == ok()


@both_transports
@pytest.mark.conformance("WS034", "OB017")
async def test_a_silent_client_is_closed(over: Over) -> None:
    """Only messages of the client count as activity. The client can be silent for 1 to 1.25 timeouts."""
    async with serve(endpoint_of(CHANNELS, timeout=1)) as server:
        client = await server.connect(over=over)
        await client.join("room:1")
        for _ in range(4):
            await advance(0.9)
            client.heartbeat("1")
            await client.receive()
        for _ in range(3):
            await advance(0.3)
            await server.endpoint.broadcast("room:1", "news", {})
            await client.receive()
        assert client.wire.code is None
        assert await client.closed(within=0.35) == 1002
        assert ended == [("room:1", "closed")]


async def test_a_connection_without_an_id_cannot_be_addressed() -> None:
    """The connection has no subscription."""
    async with serve(endpoint_of(CHANNELS)) as server:
        await server.connect()
        assert not topics_of(server.endpoint.pubsub)


class _Broken:
    """V2, but it fails to write replies."""

    def __getattr__(self, name: str) -> Any:
        return getattr(JSONV2, name)

    def reply(self, *args: Any) -> Any:
        raise ZeroDivisionError("in a serializer")


async def test_an_error_of_our_own_closes_that_connection_alone() -> None:
    """The code is 1011, and the log has the traceback."""
    broken: Socket[Any] = Socket(connect=_connect, channels=CHANNELS)
    broken.serializers = (_Broken(),)
    well: Socket[Any] = Socket(connect=_connect, channels=CHANNELS)
    async with serve(Endpoint(sockets={"/broken": broken, "/socket": well})) as server:
        client, other = await server.connect("/broken/websocket"), await server.connect()
        client.heartbeat("1")
        assert await client.closed() == 1011
        assert server.logged("internal error of the server").exc_info is not None
        assert await other.join("room:1") == ok()


async def _connect() -> None:
    return None


async def test_what_is_written_to_a_lost_connection_is_lost() -> None:
    """A channel that ends can push and reply without an error. The messages are dropped."""

    class Talking(Channel[Any]):
        async def terminate(self, reason: Any) -> None:
            await self.push("bye", {})
            await self.broadcast("gone", {})
            ended.append((self.topic, reason))

    async with serve(endpoint_of({"talk": Talking})) as server:
        client, other = await server.connect(), await server.connect()
        await client.join("talk")
        await other.join("talk")
        client.vanish()
        await other.expect(broadcast("talk", "gone", {}))
        assert ended == [("talk", "closed")]


class Client:
    """The assigns of a connection, which live as long as the connection."""


async def bind(params: dict[str, str], info: ConnectInfo) -> Client:
    """Bind the connection to the ids and the time in its parameters."""
    if "seconds" in params:
        info.expire_at(time.time() + float(params["seconds"]))
    if "id" in params:
        info.add_id(params["id"])
    return Client()


@all_transports
@pytest.mark.parametrize(
    ("options", "params"),
    [
        ({}, {}),
        ({"id": lambda _: "users:1"}, {}),
        ({}, {"seconds": "60"}),
        ({}, {"id": "tokens:1"}),
        ({"refresh": lambda token, info: None}, {"seconds": "60"}),
        ({"rates": Rates(messages="100/s", bytes="1M/s")}, {}),
    ],
    ids=["plain", "id", "time", "more ids", "refresh", "rates"],
)
async def test_a_connection_that_has_ended_needs_no_garbage_collector(
    over: Over, options: dict[str, Any], params: dict[str, str]
) -> None:
    """The connection is freed at once. Otherwise many short connections would wait for a full collection."""
    made: list[weakref.ref[Client]] = []

    async def connect(params: dict[str, str], info: ConnectInfo) -> Client:
        client = await bind(params, info)
        made.append(weakref.ref(client))
        return client

    options = {"id": None, **options}
    async with serve(endpoint_of(CHANNELS, connect=connect, **options)) as server:
        client = await server.connect(over=over, params=params)
        assert await client.join("room:1") == ok()
        gc.disable()
        try:
            client.close()
            if over == "longpoll":  # nothing says that a client polls no more
                await advance(40)
            else:
                await client.closed()
            await settle()
            assert made[0]() is None
        finally:
            gc.enable()


@pytest.mark.parametrize("late", ["a lost connection", "a message", "a large message", "a leave"])
async def test_what_comes_for_a_channel_that_was_replaced_just_now_is_dropped(late: str) -> None:
    """The channel that a duplicate join replaces is over, and the connection has not noticed it yet."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect()
        await client.join("room:1")
        await client.join("room:2")
        connection = connection_of(server.endpoint)
        old = connection.members()[0]
        message = Message("1", "9", "room:1", "echo", Raw(b"{}"))
        calls = {
            "a lost connection": lambda: connection.close(CloseCode.SHUTDOWN, reason="closed"),
            "a message": lambda: old.deliver(message),
            "a large message": lambda: old.deliver_large(message, 5000),
            "a leave": lambda: old.leave(message),
        }
        old.task.when_done(calls[late])
        client.start_join("room:1", ref="7")
        await settle()
        if late == "a lost connection":
            assert await client.closed() == CloseCode.SHUTDOWN.code
            assert ended == [("room:2", "closed")]
        else:
            assert (await client.receive()).payload == ok()  # the new join
            assert (await client.receive()).event == PHX_CLOSE
            assert await client.call("room:2", "echo", {"a": 1}) == ok({"a": 1})
