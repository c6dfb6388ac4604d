"""Rates of a raw socket: it has no replies, so the server reads more slowly, or closes."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bennu import DefinitionError, Endpoint, Rates, RawHandler, RawSocket
from bennu.reasons import Limit
from bennu.testing.clock import advance, settle
from bennu.testing.wires import NativeWire

from ..support.inside import connection_of
from ..support.memory import Over, all_transports
from .rates import warned
from .raws import Echo, said, talking


@all_transports
async def test_beyond_the_messages_reading_pauses_and_nothing_is_lost(over: Over) -> None:
    rates = Rates(messages="1/second, burst 5")
    async with talking(Echo, over=over, rates=rates, longpoll=True) as (server, wire):
        for number in range(20):
            wire.send(str(number))
        heard = await said(wire)
        assert 5 <= len(heard) <= 7
        await advance(5)
        heard += await said(wire)
        assert 10 <= len(heard) <= 12
        await advance(15)
        heard += await said(wire)
        assert heard == [str(number) for number in range(20)]
        warned(server, "Rates(messages=...)")


async def test_the_slower_of_two_rates_holds() -> None:
    rates = Rates(messages="10/second", bytes="10/second")
    async with talking(Echo, rates=rates) as (server, wire):
        for _ in range(3):
            wire.send("x" * 100)
        assert len(await said(wire)) == 1
        await advance(8.9)
        assert len(await said(wire)) == 0
        await advance(0.2)
        assert len(await said(wire)) == 1
        warned(server, "Rates(bytes=...)")
        await advance(60)
        assert len(await said(wire)) == 1
        assert wire.code is None  # it paid, and was not silent
        warned(server, "Rates(bytes=...)")


async def test_a_raw_connection_may_be_closed_instead() -> None:
    async with talking(Echo, rates=Rates(messages="2/second", excess="close")) as (server, wire):
        wire.send("0")
        wire.send("1")
        assert await said(wire) == ["0", "1"]
        wire.send("2")
        wire.send("3")
        assert await said(wire) == []
        assert wire.code == 1008
        server.logged("Rates(messages=...)", level=logging.WARNING)
        assert server.endpoint.telemetry.exceeded == {Limit.MESSAGES: 1}


async def test_pings_count() -> None:
    async with talking(Echo, rates=Rates(messages="2/second", excess="close")) as (server, wire):
        assert isinstance(wire, NativeWire)
        for _ in range(3):
            wire.ping(b"x")
        await settle()
        assert wire.code == 1008
        server.logged("Rates(messages=...)", level=logging.WARNING)


async def test_without_rates_nothing_looks_at_them() -> None:
    async with talking(Echo) as (server, _):
        connection = connection_of(server.endpoint)
        assert connection.limiter is None
    async with talking(Echo, rates=Rates()) as (server, wire):
        connection = connection_of(server.endpoint)
        assert connection.limiter is not None
        wire.send("as ever")
        assert await said(wire) == ["as ever"]


def test_a_raw_socket_knows_no_joins() -> None:
    class Handler(RawHandler[Any]):
        async def receive(self, message: str | bytes) -> None: ...

    socket = RawSocket(connect=lambda: None, handler=Handler, rates=Rates(joins="1/s"))
    with pytest.raises(DefinitionError, match="has no joins"):
        Endpoint(sockets={"/raw": socket})
