"""Gauges: what can only be looked at."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bennu import Channel, Endpoint, History, Presence, RawHandler, RawSocket, Socket, on
from bennu.bus.memory import MemoryNetwork
from bennu.exporter import queues as module
from bennu.exporter.sampler import resident_memory
from bennu.testing import connect, running
from bennu.testing.clock import advance, settle
from bennu.testing.shared_store import SharedStore
from bennu.testing.wires import open_wire

from .scrape import scrape


class Room(Channel):
    async def after_join(self) -> None:
        await self.endpoint.presences[0].track(self, "ann", {})

    @on("wait")
    async def wait(self) -> None:
        await asyncio.Event().wait()


class Echo(RawHandler):
    async def receive(self, message: str | bytes) -> None:
        await asyncio.Event().wait()


def make() -> Endpoint:
    return Endpoint(
        sockets={
            "/socket": Socket(connect=lambda: None, channels={"room:*": Room}),
            "/raw": RawSocket(connect=lambda: None, handler=Echo),
        },
        metrics="/metrics",
        presence=Presence(),
    )


async def test_an_answer_has_the_gauges_of_now() -> None:
    app = make()
    async with running(app), connect(app, "/socket") as ann:
        await ann.join("room:1")
        scraped = await scrape(app)
        assert scraped.sum("bennu_workers") == 1
        assert scraped.sum("bennu_draining", worker="1") == 0
        assert scraped.sum("bennu_presences", presence="presence") == 1
        assert scraped.sum("bennu_memory_bytes", worker="1") > 1_000_000
        assert scraped.sum("bennu_cpu_seconds_total") > 0
        assert scraped.sum("bennu_tasks") == 1


async def test_the_lag_of_the_event_loop_is_measured_all_the_time() -> None:
    app = make()
    async with running(app):
        await advance(10)
        scraped = await scrape(app)
        assert scraped.sum("bennu_loop_lag_seconds_count") == 40
        assert scraped.sum("bennu_loop_lag_seconds_sum") == 0


async def test_many_connections_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers of the last whole look count."""
    monkeypatch.setattr(module, "PART", 1)
    app = make()
    async with running(app), connect(app, "/socket") as ann, connect(app, "/socket") as bo:
        for client in (ann, bo):
            room = await client.join("room:1")
            for _ in range(4):
                room.push("wait")
        await advance(2)
        scraped = await scrape(app)
        assert scraped.sum("bennu_mailbox_items", channel="Room", topic="room:*") == 6
        assert scraped.sum("bennu_mailbox_bytes", channel="Room", topic="room:*") == 6 * len("{}")
        assert scraped.sum("bennu_longest_mailbox") == 3


async def test_a_client_that_does_not_read() -> None:
    app = make()
    async with running(app), connect(app, "/socket") as ann:
        await ann.join("room:1")
        ann.stall()
        await app.broadcast("room:1", "news", {"text": "x" * 100_000})
        await app.broadcast("room:1", "news", {"text": "x" * 100_000})
        await settle()
        scraped = await scrape(app)
        assert scraped.sum("bennu_slow_clients") == 1
        assert scraped.sum("bennu_unsent_bytes") > 100_000
        assert scraped.sum("bennu_unsent_messages") == 0


async def test_a_raw_handler_that_is_busy() -> None:
    app = make()
    async with running(app):
        wire = await open_wire(app, "/raw/websocket")
        for _ in range(3):
            wire.send("text")
        await settle()
        scraped = await scrape(app)
        assert scraped.sum("bennu_longest_mailbox") == 2
        assert scraped.sum("bennu_mailbox_items", channel="*", topic="*") == 2
        assert scraped.sum("bennu_mailbox_bytes") == 2 * len("text")
        wire.close()


async def test_what_waited_waits_no_more() -> None:
    app = make()
    async with running(app):
        async with connect(app, "/socket") as ann:
            room = await ann.join("room:1")
            for _ in range(3):
                room.push("wait")
            await settle()
            assert (await scrape(app)).sum("bennu_mailbox_items") == 2
        assert (await scrape(app)).sum("bennu_mailbox_items") == 0


async def test_the_bus_and_the_store() -> None:
    class Kept(Channel):
        history = History()

    socket = Socket(connect=lambda: None, channels={"kept:*": Kept})
    app = Endpoint(
        sockets={"/socket": socket},
        metrics="/metrics",
        pubsub=MemoryNetwork().adapter("one"),
        store=SharedStore(),
    )
    async with running(app), connect(app, "/socket") as ann:
        await ann.join("kept:1")
        await app.broadcast("kept:1", "news", {})
        scraped = await scrape(app)
        assert scraped.sum("bennu_bus_up") == scraped.sum("bennu_store_up") == 1
        assert scraped.sum("bennu_bus_silence_seconds") == 0
        assert scraped.sum("bennu_store_seconds_count", method="append", result="ok") == 1


def test_the_memory_of_a_process(tmp_path: Path) -> None:
    """Without /proc it is the peak, which is at least as much."""
    peak = resident_memory(tmp_path / "statm")
    assert peak >= resident_memory() * 0.9 > 1_000_000
