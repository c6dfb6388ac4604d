"""A node that does not answer, accept or read holds nobody up for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from bennu.bus import IPCAdapter, LossReason
from bennu.bus.ipc.frames import Interest, InterestTaken
from bennu.errors import NotStarted
from bennu.testing.contract_node import ContractNode

from ...support.until import until
from .paths import short_directory
from .raw_node import raw_node

pytestmark = pytest.mark.clock("both loops")


@pytest.fixture
def path() -> Iterator[Path]:
    with short_directory() as path:
        yield path / "bus"


async def test_a_start_does_not_wait_for_a_node_that_does_not_answer(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with raw_node(path) as raw:
        one = ContractNode(IPCAdapter(path, "one", patience=0.1))
        with caplog.at_level(logging.WARNING, "bennu.bus"):
            await one.start()
        assert "nodes don't answer yet: raw" in caplog.text
        assert one.adapter.nodes() == frozenset()
        connection = await raw.accept()
        await raw.welcome(connection, b"t")
        assert await one.adapter.publish("t", b"1") == 1
        assert one.adapter.nodes() == frozenset(["raw"])
        await one.adapter.stop()


async def test_a_node_that_does_not_accept_is_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many connections wait: the kernel says so at once."""
    monkeypatch.setattr("bennu.bus.ipc.directory.BACKLOG", 0)
    async with raw_node(path) as raw:
        waiting = raw.connect_silently("raw")
        with pytest.raises(BlockingIOError):
            raw.connect_silently("raw")
        one = ContractNode(IPCAdapter(path, "one", patience=0.1))
        await one.start()
        waiting.close()
        with pytest.raises(AssertionError):
            await raw.accept()  # the connection that waited, without a hello
        connection = await raw.accept()
        assert await raw.welcome(connection, b"t") == InterestTaken(1, False, {})
        await one.adapter.stop()


async def test_a_stop_does_not_wait_for_a_node_that_does_not_read(path: Path) -> None:
    """What the node misses is reported. A publisher that waits is told of the stop."""
    async with raw_node(path) as raw:
        one = ContractNode(IPCAdapter(path, "one", max_queue=50_000, patience=30))
        starting = asyncio.create_task(one.start())
        connection = await raw.accept()
        await raw.welcome(connection, b"t")
        await starting
        sent = 0

        async def publish() -> None:
            nonlocal sent
            while True:
                await one.adapter.publish("t", bytes(10_000))
                sent += 1

        publishing = asyncio.create_task(publish())
        await until(lambda: sent)
        stopping = asyncio.create_task(one.adapter.stop())
        raw.close()
        with pytest.raises(NotStarted):
            await publishing
        await stopping


async def test_a_stop_cuts_a_node_that_does_not_read(path: Path) -> None:
    async with raw_node(path) as raw:
        one = ContractNode(IPCAdapter(path, "one", max_queue=500_000, patience=0.1))
        starting = asyncio.create_task(one.start())
        connection = await raw.accept()
        await raw.welcome(connection, b"t")
        await starting
        for _ in range(70):
            await one.adapter.publish("t", bytes(10_000))
        await one.adapter.stop()
        assert {(loss.node, loss.reason) for loss in one.losses} == {("raw", LossReason.CUT)}


async def test_a_node_that_asks_for_more_than_it_reads_is_cut(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The answers to its interests are bounded too."""
    monkeypatch.setattr("bennu.bus.ipc.outlet.CONTROL_ROOM", 1000)
    async with raw_node(path) as raw:
        one = ContractNode(IPCAdapter(path, "one", max_queue=1000))
        starting = asyncio.create_task(one.start())
        connection = await raw.accept()
        await raw.welcome(connection)
        await starting
        with caplog.at_level(logging.WARNING, "bennu.bus"):
            accepting = asyncio.create_task(raw.accept())
            number = 1
            while not accepting.done():  # the node opens a new connection
                number += 1
                await connection.send(Interest(number, [b"t"]))
                await asyncio.sleep(0)
        assert "asks for more than it reads" in caplog.text
        raw.close()
        await one.adapter.stop()
