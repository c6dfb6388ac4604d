"""What a node sends to another one: bounded, in order, and counted if the other one does not read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from bennu.bus import IPCAdapter, Loss, LossReason
from bennu.bus.ipc.frames import (
    Farewell,
    Flush,
    Flushed,
    Interest,
    InterestReady,
    InterestTaken,
    NoInterest,
    Welcome,
)
from bennu.testing.contract_node import ContractNode

from ...support.until import until
from .paths import short_directory
from .raw_node import Connection, RawNode, raw_node

pytestmark = pytest.mark.clock("both loops")

QUEUE = 100_000
KERNEL = 1_000_000
"""Bytes that the kernel holds for a connection, at most."""
SIZE = 10_000


@pytest.fixture
def path() -> Iterator[Path]:
    with short_directory() as path:
        yield path / "bus"


@asynccontextmanager
async def pair(
    path: Path, *topics: bytes, patience: float = 30.0
) -> AsyncIterator[tuple[ContractNode, RawNode, Connection]]:
    """Run a node and a raw node that hears topics. Yield the connection from the one to the other."""
    async with raw_node(path) as raw:
        adapter = IPCAdapter(path, "one", max_queue=QUEUE, patience=patience)
        one = ContractNode(adapter)
        starting = asyncio.create_task(one.start())
        try:
            connection = await raw.accept()
            assert await raw.welcome(connection, *topics) == InterestTaken(1, False, {})
            await starting
            yield one, raw, connection
        finally:
            raw.close()
            await adapter.stop()


async def publish(node: ContractNode, count: int, sent: list[int]) -> None:
    for number in range(count):
        await node.adapter.publish("t", b"%08d" % number + bytes(SIZE - 8))
        sent.append(number)


async def test_publishers_wait_for_a_node_that_does_not_read(path: Path) -> None:
    """No more than the queue and the kernel hold is published; all of it arrives, in order."""
    async with pair(path, b"t") as (one, _, connection):
        sent: list[int] = []
        publishing = [asyncio.create_task(publish(one, 500, sent)) for _ in range(2)]
        await until(lambda: len(sent) * SIZE > QUEUE)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert len(sent) * SIZE < QUEUE + KERNEL
        assert await one.adapter.publish("unheard", b"not slowed") == 0
        got = [(await connection.receive())[1] for _ in range(1000)]
        await asyncio.gather(*publishing)
        numbers = [int(data[:8]) for data in got]
        assert sorted(numbers) == sorted([*range(500), *range(500)])
        assert one.losses == []


async def test_a_node_that_does_not_read_is_cut_off_and_told_what_it_missed(path: Path) -> None:
    async with pair(path, b"t", b"u", b"v", patience=0.2) as (one, raw, connection):
        sent: list[int] = []
        await publish(one, 200, sent)  # returns, because the node was cut off
        assert await one.adapter.publish("u", b"") == 0
        again = await raw.accept()
        got = 0
        while await connection.receive() is not None:
            got += 1
        assert 0 < got < 200
        await again.send(Welcome("raw", 1), Interest(7, [b"t", b"w"]), Interest(7, [b"u"]))
        assert await one.adapter.publish("u", b"") == 0
        await again.send(InterestReady(7))
        taken = await again.receive()
        assert taken == InterestTaken(0, True, {b"t": 200, b"u": 2})
        assert await again.receive() == InterestTaken(7, True, {})
        said = {loss.topic: loss.count for loss in one.losses if loss.topic == "u"}
        assert said == {"u": 2}
        lost = [loss.count for loss in one.losses if loss.topic == "t"]
        assert sum(count or 0 for count in lost) == 200 - got
        assert await one.adapter.publish("v", b"") == 0  # the node does not want it any more
        assert await one.adapter.publish("w", b"new") == 1
        assert await again.receive() == (b"w", b"new")


async def test_a_new_process_of_the_same_name_missed_nothing(path: Path) -> None:
    async with pair(path, b"t") as (one, raw, connection):
        await one.adapter.publish("t", b"1")
        connection.close()
        again = await raw.accept()
        await one.adapter.publish("t", b"for the old process")
        taken = await raw.welcome(again, b"t", epoch=2)
        assert taken == InterestTaken(1, False, {})
        await one.adapter.publish("t", b"2")
        assert await again.receive() == (b"t", b"2")
        assert one.losses == []


async def test_a_lost_connection_is_opened_again(path: Path) -> None:
    """The process lives, so what was published meanwhile is counted."""
    async with pair(path, b"t") as (one, raw, connection):
        await one.adapter.publish("t", b"1")
        assert await connection.receive() == (b"t", b"1")
        connection.close()
        again = await raw.accept()
        assert await one.adapter.publish("t", b"2") == 0
        assert await raw.welcome(again, b"t") == InterestTaken(0, True, {b"t": 2})
        assert one.losses == [Loss("raw", "t", 1, LossReason.CUT)]


async def test_interest_changes_in_the_order_of_the_messages(path: Path) -> None:
    async with pair(path) as (one, _, connection):
        assert await one.adapter.publish("t", b"1") == 0
        await connection.send(Interest(2, [b"t", b"u"]))
        assert await connection.receive() == InterestTaken(2, True, {})
        assert await one.adapter.publish("t", b"2") == 1
        await connection.send(NoInterest([b"t", b"unknown"]))
        await connection.send(Interest(3, [b"u"]))
        assert await connection.receive() == (b"t", b"2")
        assert await connection.receive() == InterestTaken(3, True, {})
        assert await one.adapter.publish("t", b"3") == 0
        assert await one.adapter.publish("u", b"4", "raw") == 1
        assert await connection.receive() == (b"u", b"4")


async def test_confirm_waits_for_the_node(path: Path) -> None:
    async with pair(path, b"t") as (one, _, connection):
        await one.adapter.publish("t", b"1")
        confirming = asyncio.create_task(one.adapter.confirm())
        assert await connection.receive() == (b"t", b"1")
        flush = await connection.receive()
        assert isinstance(flush, Flush)
        assert not confirming.done()
        await connection.send(Flushed(flush.number + 9), Flushed(flush.number))
        await confirming


async def test_confirm_does_not_wait_for_a_node_that_ends_or_hangs(path: Path) -> None:
    async with pair(path, b"t", patience=0.1) as (one, raw, connection):
        await one.adapter.confirm()  # returns, though there is no answer
        confirming = asyncio.create_task(one.adapter.confirm())
        assert isinstance(await connection.receive(), Flush)
        raw.close()
        await confirming
        await until(lambda: not one.adapter.nodes())


async def test_a_stop_sends_what_waits_and_a_farewell(path: Path) -> None:
    async with pair(path, b"t") as (one, _, connection):
        sent: list[int] = []
        await publish(one, 10, sent)
        stopping = asyncio.create_task(one.adapter.stop())
        got = [await connection.receive() for _ in range(11)]
        assert got[-1] == Farewell()
        assert not stopping.done()
        connection.close()
        await stopping


async def test_a_node_that_hangs_is_waited_for_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is late until it answers."""
    async with pair(path, b"t", patience=0.1) as (one, raw, _):
        back = await raw.connect("one")
        with caplog.at_level(logging.WARNING, "bennu.bus"):
            for number in range(3):
                await one.adapter.subscribe([f"room:{number}"])  # returns without confirmation
                await one.adapter.confirm()
        [record] = caplog.records
        assert "have not confirmed a subscription in time" in record.getMessage()
        await back.send(InterestTaken(2, True, {}))
        for number in count():
            subscribing = asyncio.create_task(one.adapter.subscribe([f"later:{number}"]))
            topic = b"later:%d" % number
            while (
                not isinstance(frame := await back.receive(), Interest) or topic not in frame.topics
            ):
                pass
            if not subscribing.done():
                await back.send(InterestTaken(frame.number, True, {}))
                await subscribing
                break


async def test_publishers_that_wait_keep_their_order(path: Path) -> None:
    """The messages of a topic arrive in the order of the calls, also those of publishers that come later."""
    async with pair(path, b"t") as (one, _, connection):
        calls = [
            asyncio.create_task(one.adapter.publish("t", b"%08d" % number + bytes(SIZE)))
            for number in range(200)
        ]
        await until(calls[0].done)
        got: list[int] = []
        for number in range(200, 300):
            calls.append(asyncio.create_task(one.adapter.publish("t", b"%08d" % number)))
            got.append(int((await connection.receive())[1][:8]))
        while len(got) < 300:
            got.append(int((await connection.receive())[1][:8]))
        await asyncio.gather(*calls)
        assert got == list(range(300))
