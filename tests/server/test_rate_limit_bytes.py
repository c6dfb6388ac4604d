"""Rates of bytes and of pings: reading pauses, and nothing is lost."""

from __future__ import annotations

import pytest

from bennu import Rates
from bennu.testing.clock import advance, settle
from bennu.testing.wires import NativeWire
from bennu.transports.native import NativeWebSocket

from ..support.frames import ok
from ..support.inside import connection_of, connections_of
from ..support.memory import Over, all_transports, both_transports, endpoint_of, serve
from .rates import limited, rated, warned
from .rooms import CHANNELS


@all_transports
async def test_beyond_the_bytes_reading_pauses_and_nothing_is_lost(over: Over) -> None:
    """All messages are handled in order, at the rate."""
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
    """The idle timer does not run while reading is paused. Afterwards it runs."""
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
    """No timer is left. A join at that moment goes on."""
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
    """An ASGI server can deliver one more message after the pause."""
    async with serve(rated(bytes="100/second")) as server:
        client = await server.connect(over="asgi")
        connection = connection_of(server.endpoint)
        assert connection.limiter is not None
        for _ in range(3):
            connection.metered(100)
        client.heartbeat("1")
        held: list[bool] = []
        for seconds in (1.9, 0.6):
            await advance(seconds)
            held.append(connection.is_held)
        assert held == [True, False]
        warned(server, "Rates(bytes=...)")


# Pings.


async def test_pings_count_as_messages() -> None:
    """Pings are answered. A flood of pings ends the connection."""
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
    """Otherwise the connection would be kept until all its bytes are read at the rate: here 100 s."""
    async with serve(endpoint_of(CHANNELS, rates=Rates(bytes="10/second"), timeout=8)) as server:
        client = await server.connect()
        assert await client.join("room:1") == ok()
        for number in range(10):
            client.push("room:1", "echo", {"n": number, "fill": "x" * 50})
        await advance(3)
        assert len(client.read()) < 3
        monkeypatch.setattr(NativeWebSocket, "is_client_gone", True)
        await advance(2)
        assert [frame.payload["response"]["n"] for frame in client.read()][-1] == 9
        client.close()
        await settle()
        assert not connections_of(server.endpoint)
        warned(server, "Rates(bytes=...)")
