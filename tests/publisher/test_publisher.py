"""Publishers: what they send, what they promise, and what they say when a call can't work."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from msgspec import Struct, defstruct

from bennu import (
    Broadcast,
    Channel,
    DefinitionError,
    EncodeError,
    NotConfirmed,
    NotStarted,
    Publisher,
    ReservedEvent,
    WrongThread,
    on_info,
)
from bennu.bus import BusAdapter, MemoryNetwork
from bennu.bus.broker.adapter import BrokerAdapter
from bennu.testing.clock import advance, settle

from ..bus.broker.memory_broker import MemoryBroker
from ..support.cut_adapter import CutAdapter
from ..support.frames import PHX_REPLY, broadcast, ok, push
from ..support.memory import endpoint_of, serve


class Price(Struct, frozen=True):
    """A message of the application."""

    cents: int


class Room(Channel[Any]):
    """Pushes the prices of its room."""

    room_id: str

    async def join(self, payload: dict[str, Any]) -> None:
        self.subscribe(f"prices:{self.room_id}")

    @on_info(Price)
    async def price(self, price: Price) -> None:
        await self.push("price", {"cents": price.cents})


class Other(Struct, frozen=True):
    """A message that no endpoint registers."""

    cents: int


def publisher_of(network: MemoryNetwork, **options: Any) -> Publisher:
    return Publisher(network.adapter("publisher@cron"), **options)


async def test_what_it_sends_reaches_clients_handlers_and_connections() -> None:
    """Broadcasts as text and binary, typed messages and disconnects by id work as on an endpoint."""
    network = MemoryNetwork()
    endpoint = endpoint_of({"room:{room_id}": Room}, pubsub=network.adapter("web"))
    async with serve(endpoint) as server:
        ann = await server.connect(params={"name": "ann"})
        assert await ann.join("room:1") == ok()
        async with publisher_of(network, messages=[Price]) as publisher:
            assert await publisher.broadcast("room:1", "news", {"text": "⚡"}) == 1
            assert await publisher.broadcast("room:1", "empty") == 1
            assert await publisher.broadcast("room:1", "bytes", b"\x00\xff") == 1
            assert await publisher.send("prices:1", Price(7)) == 1
            assert await publisher.broadcast("room:2", "news", {}) == 0
            await settle()
            await ann.expect(
                broadcast("room:1", "news", {"text": "⚡"}),
                broadcast("room:1", "empty", {}),
                broadcast("room:1", "bytes", b"\x00\xff"),
                push("1", "room:1", "price", {"cents": 7}),
            )
            assert publisher.nodes() == {"web"}
            assert endpoint.nodes() == {"web"}
            assert await publisher.disconnect("ann") == 1
            assert await ann.closed() == 1001


async def test_a_wrong_message_is_refused_before_it_is_sent() -> None:
    """The rules are those of an endpoint."""
    async with publisher_of(MemoryNetwork()) as publisher:
        wrong: Any = 7
        with pytest.raises(ReservedEvent):
            await publisher.broadcast("room:1", PHX_REPLY, {})
        with pytest.raises(EncodeError, match="JSON object"):
            await publisher.broadcast("room:1", "news", [1])
        with pytest.raises(TypeError, match="a topic is text, got 7"):
            await publisher.broadcast(wrong, "news")
        with pytest.raises(TypeError, match="an id is text, got 7"):
            await publisher.disconnect(wrong)
        with pytest.raises(TypeError, match=r"publisher\.broadcast"):
            await publisher.send("room:1", Broadcast("room:1", "news", {}))
        with pytest.raises(EncodeError, match=r"write Publisher\(messages=\[Other\]\)\Z"):
            await publisher.send("room:1", Other(7))


@pytest.mark.parametrize("given", [None, "local://"])
def test_it_needs_the_bus_of_other_processes(
    given: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BENNU_PUBSUB", raising=False)
    with pytest.raises(DefinitionError, match=r"Publisher\(\.\.\.\)"):
        Publisher(given)


def test_its_options_are_checked() -> None:
    wrong: Any = 7
    with pytest.raises(DefinitionError, match="timeout"):
        Publisher("ipc:///run/chat", timeout=0)
    with pytest.raises(DefinitionError, match="address"):
        Publisher(wrong)
    with pytest.raises(DefinitionError, match=r"Publisher\(messages=\.\.\.\)"):
        Publisher("ipc:///run/chat", messages=[Price, defstruct("Price", [], module=__name__)])


def test_the_environment_has_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENNU_PUBSUB", "ipc:///run/chat")
    assert Publisher().address == "ipc:///run/chat"


async def test_it_is_started_once_and_can_be_started_again() -> None:
    publisher = publisher_of(MemoryNetwork())
    await publisher.stop()
    with pytest.raises(NotStarted, match="async with"):
        await publisher.broadcast("room:1", "news")
    for _ in range(2):
        await publisher.start()
        await publisher.start()
        assert publisher.is_started
        await publisher.confirm()
        await publisher.stop()
        assert not publisher.is_started


async def test_an_adapter_that_can_not_start_is_stopped() -> None:
    network = MemoryNetwork()
    async with publisher_of(network):
        with pytest.raises(AssertionError, match="two nodes"):
            await Publisher(network.adapter("publisher@cron")).start()


def test_another_event_loop_is_refused() -> None:
    publisher = publisher_of(MemoryNetwork())
    loop = asyncio.new_event_loop()
    loop.run_until_complete(publisher.start())

    async def call() -> None:
        with pytest.raises(WrongThread, match="BlockingPublisher"):
            await publisher.broadcast("room:1", "news")

    asyncio.run(call())
    loop.close()

    async def start_anew() -> None:
        await publisher.start()
        await publisher.broadcast("room:1", "news")
        await publisher.stop()

    publisher = Publisher(MemoryNetwork().adapter("publisher@cron"))
    asyncio.run(start_anew())


@pytest.mark.clock("real")
async def test_a_child_is_told_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a child of ``fork`` each call raises. An adapter of the parent can't be used there at all."""
    async with publisher_of(MemoryNetwork()) as publisher:
        pid = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: pid + 1)
        with pytest.raises(NotStarted, match="fork"):
            await publisher.broadcast("room:1", "news")
        with pytest.raises(NotStarted, match="after the fork"):
            await publisher.start()
        monkeypatch.undo()
        await publisher.start()


# What is not confirmed


def hanging() -> tuple[MemoryBroker, Publisher]:
    broker = MemoryBroker()
    return broker, Publisher(BrokerAdapter(broker.driver(), "publisher@cron"))


async def test_a_broker_that_hangs_does_not_confirm(caplog: pytest.LogCaptureFixture) -> None:
    """The call ends after its time limit, with an error that says what to check."""
    broker, publisher = hanging()
    await publisher.start()
    assert await publisher.broadcast("room:1", "news") is None
    broker.hang()
    call = asyncio.ensure_future(publisher.broadcast("room:1", "news"))
    await advance(10)
    with pytest.raises(
        NotConfirmed, match=r"BrokerAdapter has not confirmed within 10 s .*timeout="
    ):
        await call
    broker.wake()
    await publisher.stop()


async def test_dropped_messages_are_an_error_of_the_next_confirmation() -> None:
    """The broker takes nothing for too long: the adapter drops messages, and the publisher says how many."""
    broker, publisher = hanging()
    await publisher.start()
    broker.stop()
    big = {"text": "x" * 600_000}
    calls = [
        asyncio.ensure_future(publisher.broadcast("room:1", "news", big, confirm=False))
        for _ in range(4)
    ]
    await advance(9)
    await asyncio.wait(calls)
    broker.start()
    waiting = asyncio.ensure_future(publisher.confirm())
    await advance(9)
    with pytest.raises(NotConfirmed, match=r"\d message\(s\) were dropped"):
        await waiting
    confirmed = asyncio.ensure_future(publisher.confirm())
    await advance(5)
    await confirmed
    await publisher.stop()


async def test_a_stop_waits_for_what_is_unconfirmed() -> None:
    """Leaving the block confirms, unless the block raised an error."""
    broker, publisher = hanging()

    async def leave(error: Exception | None) -> None:
        async with publisher:
            await publisher.broadcast("room:1", "news", confirm=False)
            broker.hang()
            if error is not None:
                raise error

    for error, expected in ((None, NotConfirmed), (KeyError("mine"), KeyError)):
        left = asyncio.ensure_future(leave(error))
        await advance(20)
        with pytest.raises(expected):
            await left
        broker.wake()
        assert not publisher.is_started


async def test_a_block_that_stops_the_publisher_and_fails_keeps_its_error() -> None:
    async def work() -> None:
        async with publisher_of(MemoryNetwork()) as publisher:
            await publisher.stop()
            raise KeyError

    with pytest.raises(KeyError):
        await work()


async def test_a_name_shows_the_kind_of_an_adapter() -> None:
    adapter: BusAdapter = CutAdapter(MemoryNetwork().adapter("publisher@cron"))
    assert Publisher(adapter).address == "CutAdapter"
    assert Publisher("ipc:///run/chat").address == "ipc:///run/chat"
