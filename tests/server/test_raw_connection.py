"""Connections of raw sockets: the handshake, and the limits on messages that wait."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from bennu import (
    ConnectInfo,
    Endpoint,
    RawSocket,
    Refused,
)
from bennu.reasons import DropReason
from bennu.telemetry import SocketConnected
from bennu.testing.clock import advance, settle
from bennu.testing.wires import NativeWire

from ..support.memory import HandshakeRefused, Over, both_transports, serve
from .raws import PATH, Echo, Recording, endpoint_of, said, talking

# Who may connect.


@both_transports
@pytest.mark.conformance("WS046")
async def test_params_reach_connect_and_a_message_is_answered(over: Over) -> None:
    """connect makes the assigns from the query. The result of receive is sent."""

    class Greeting(Recording):
        async def receive(self, message: str) -> str:
            return f"{message}, {self.assigns}"

    async with talking(Greeting, over=over, query="name=ann") as (_, wire):
        wire.send("hello")
        assert await said(wire) == ["hello, ann"]


@both_transports
@pytest.mark.parametrize("query", ["", "vsn=2.0.0", "vsn=9", "vsn=nonsense"])
async def test_there_is_no_vsn(over: Over, query: str) -> None:
    """Any vsn is accepted. Telemetry reports no format."""
    events: list[SocketConnected] = []
    async with serve(endpoint_of(Echo)) as server:
        server.endpoint.telemetry.attach(events.append, SocketConnected)
        wire = await server.open(f"{PATH}?{query}", over=over)
        wire.send("text")
        assert await said(wire) == ["text"]
    assert [event.serializer for event in events] == [None]


@both_transports
@pytest.mark.conformance("WS044")
async def test_an_origin_that_is_not_allowed(over: Over) -> None:
    """A page of another origin gets 403, a page of an allowed origin 101."""
    async with serve(endpoint_of(Echo, check_origin=["https://example.com"])) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await server.open(PATH, over=over, headers=[("Origin", "https://evil.example")])
        assert refused.value.status == 403
        server.logged("https://evil.example")
        wire = await server.open(PATH, over=over, headers=[("Origin", "https://example.com")])
        wire.send("let in")
        assert await said(wire) == ["let in"]


@both_transports
@pytest.mark.conformance("WS045")
async def test_subprotocols(over: Over) -> None:
    """A common subprotocol is chosen.

    A client that offers none is accepted. Without a common one the answer is 403, and the log has a line.
    """
    async with serve(endpoint_of(Echo, subprotocols=["graphql-ws", "mqtt"])) as server:
        assert (await server.open(PATH, over=over, subprotocols=["mqtt"])).subprotocol == "mqtt"
        assert (await server.open(PATH, over=over)).subprotocol is None
        with pytest.raises(HandshakeRefused) as refused:
            await server.open(PATH, over=over, subprotocols=["soap"])
        assert refused.value.status == 403
        server.logged("soap", "mqtt", level=logging.ERROR)


@both_transports
async def test_a_refused_connect(over: Over) -> None:
    """The answer is 403, and no handler is made."""

    async def connect() -> None:
        raise Refused("not today")

    async with serve(endpoint_of(Echo, connect=connect, id=None)) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await server.open(PATH, over=over)
        assert refused.value.status == 403
    assert Echo.reasons == []


@both_transports
async def test_two_mounts_with_variables(over: Over) -> None:
    """One socket has two paths. The variables of both parts are parameters."""

    async def connect(params: dict[str, str]) -> dict[str, str]:
        return params

    class Told(Recording):
        async def opened(self) -> str:
            return repr(sorted(self.assigns.items()))

    socket: RawSocket[Any] = RawSocket(connect=connect, handler=Told, path="room/{room}")
    endpoint = Endpoint(sockets={"/a/{tenant}": socket, "/b": socket})
    async with serve(endpoint) as server:
        first = await server.open("/a/acme/room/1?room=2", over=over)
        second = await server.open("/b/room/3", over=over)
        assert await said(first) == ["[('room', '1'), ('tenant', 'acme')]"]
        assert await said(second) == ["[('room', '3')]"]


async def test_where_a_handler_stands() -> None:
    """A handler has its connection, its endpoint, and the state of the lifespan."""
    seen: list[Any] = []

    class Curious(Recording):
        async def opened(self) -> None:
            assert isinstance(self.connection.info, ConnectInfo)
            seen.extend([self.connection.id, self.connection.transport, self.endpoint, self.state])

    async with talking(Curious, query="name=ann") as (server, _):
        await settle()
        assert seen == ["ann", "websocket", server.endpoint, None]


# How fast it may go.


@both_transports
async def test_a_full_mailbox_pauses_reading(over: Over) -> None:
    """Messages of the client wait, and are handled in order."""
    gate = asyncio.Event()

    class Slow(Recording):
        max_inbox = 4

        async def receive(self, message: str) -> str:
            await gate.wait()
            return message

    async with talking(Slow, over=over) as (_, wire):
        for number in range(20):
            wire.send(str(number))
            await settle()
        if isinstance(wire, NativeWire):
            assert not wire.transport.is_reading_on
        gate.set()
        assert await said(wire) == [str(number) for number in range(20)]
        if isinstance(wire, NativeWire):
            assert wire.transport.is_reading_on


async def test_a_flood_of_pings_pauses_reading_too() -> None:
    """Pings wait in the same mailbox, if the handler takes them."""
    gate = asyncio.Event()

    class Slow(Recording):
        max_inbox = 4

        async def pinged(self, payload: bytes) -> bytes:
            await gate.wait()
            return payload

    async with talking(Slow) as (_, wire):
        for number in range(20):
            wire.ping(b"%d" % number)
            await settle()
        assert not wire.transport.is_reading_on
        assert len(wire.pongs) < 20
        gate.set()
        assert await said(wire) == [b"%d" % number for number in range(20)]
        assert len(wire.pongs) == 20


async def test_too_many_messages_of_the_server_end_the_connection() -> None:
    """The code is 1011, and closed gets the reason."""

    class Flooded(Recording):
        max_mailbox = 3

        async def receive(self, message: str) -> None:
            for number in range(4):
                self.send_self(number)

    async with talking(Flooded) as (server, wire):
        wire.send("go")
        await settle()
        assert wire.code == 1011
        server.logged("ends because 3 messages of the server wait for it")
    assert Flooded.reasons == ["overflow"]


async def test_the_oldest_messages_of_the_server_may_be_dropped() -> None:
    """Drops are counted under the handler's name, since there is no topic."""

    class Flooded(Recording):
        max_mailbox = 3
        overflow = "drop_oldest"

        async def receive(self, message: str) -> None:
            for number in range(5):
                self.send_self(number)

        async def info(self, message: int) -> str:
            return str(message)

    async with talking(Flooded) as (server, wire):
        wire.send("go")
        assert await said(wire) == ["2", "3", "4"]
        name = Flooded.__qualname__
        assert server.endpoint.telemetry.drops == {(name, DropReason.MAILBOX_FULL): 2}
        server.logged("has dropped its oldest message", level=logging.WARNING)


@both_transports
async def test_a_message_that_is_too_big(over: Over) -> None:
    """The code is 1009."""
    async with talking(Echo, over=over, max_frame_size=10) as (server, wire):
        wire.send("x" * 10)
        assert await said(wire) == ["x" * 10]
        wire.send("x" * 11)
        await advance(5)
        assert wire.code == 1009
        server.records.clear()
    assert Echo.reasons == ["closed"]


async def test_text_that_an_asgi_server_should_not_have_let_through() -> None:
    """A lone surrogate is no text: the code is 1007."""
    async with talking(Echo, over="asgi") as (_, wire):
        wire.send("\ud800")
        await settle()
        assert wire.code == 1007
