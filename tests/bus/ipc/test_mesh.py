"""Nodes find each other, and a hostile or broken one ends only its own connection."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from bennu.bus import IPCAdapter, Loss, LossReason
from bennu.bus.ipc.frames import (
    VERSION,
    Farewell,
    Flush,
    Flushed,
    Hello,
    Interest,
    InterestReady,
    InterestTaken,
    NoInterest,
    Welcome,
    message_frame,
)
from bennu.errors import DefinitionError
from bennu.testing.contract_node import ContractNode

from ...support.until import until
from .paths import short_directory
from .raw_node import Connection, RawNode, raw_node

pytestmark = pytest.mark.clock("both loops")


@pytest.fixture
def path() -> Iterator[Path]:
    with short_directory() as path:
        yield path / "bus"


@pytest.fixture
def foreign(path: Path) -> Path:
    """Return a directory with an entry that is no socket."""
    path.mkdir(0o700)
    (path / "file.sock").touch()
    return path


@asynccontextmanager
async def nodes(
    path: Path, *names: str, patience: float = 30.0
) -> AsyncIterator[list[ContractNode]]:
    async with AsyncExitStack() as stack:
        started = []
        for name in names:
            node = ContractNode(IPCAdapter(path, name, patience=patience))
            stack.push_async_callback(node.adapter.stop)
            await node.start()
            started.append(node)
        yield started


async def meet(raw: RawNode, one: ContractNode, *, epoch: int = 1) -> Connection:
    """Let a raw node connect; both directions are ready. Return the connection that the raw node has opened."""
    connection = await raw.connect(one.adapter.node, epoch=epoch)
    back = await raw.accept()
    await raw.welcome(back, epoch=epoch)
    assert isinstance(await connection.receive(), Welcome)
    while not isinstance(await connection.receive(), InterestReady):
        pass
    return connection


@pytest.mark.parametrize(
    "bad",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        message_frame(b"t", b"before the hello"),
        Flush(1),
        Hello(VERSION + 1, "raw", 1),
        Hello(VERSION, "one", 1),
        Hello(VERSION, "../raw", 1),
        Hello(VERSION, "raw\n", 1),
    ],
)
async def test_a_stranger_that_says_no_hello_is_refused(
    path: Path, bad: bytes | Hello | Flush, caplog: pytest.LogCaptureFixture
) -> None:
    """The other nodes notice nothing."""
    async with nodes(path, "one", "two") as (one, two), raw_node(path.with_name("x"), "raw"):
        await two.adapter.subscribe(["t"])
        async with raw_node(path, "raw") as raw:
            connection = raw.connect_silently("one")
            with caplog.at_level(logging.ERROR, "bennu.bus"):
                await connection.send(bad)
                assert await connection.ended()
            assert "broke the protocol" in caplog.text
            await one.adapter.publish("t", b"1")
            await until(lambda: two.heard)
            assert one.adapter.nodes() == frozenset(["two"])


@pytest.mark.parametrize(
    "bad",
    [b"\0\0\0\0\0", Hello(VERSION, "raw", 1), Welcome("raw", 1), Interest(1, []), NoInterest([])],
)
async def test_a_node_that_breaks_the_protocol_loses_its_connection(
    path: Path, bad: bytes | Hello, caplog: pytest.LogCaptureFixture
) -> None:
    async with nodes(path, "one") as (one,), raw_node(path) as raw:
        connection = await meet(raw, one)
        with caplog.at_level(logging.ERROR, "bennu.bus"):
            await connection.send(bad)
            assert await connection.ended()
        assert "broke the protocol" in caplog.text


@pytest.mark.parametrize(
    "bad",
    [
        message_frame(b"t", b"1"),
        Flush(1),
        Farewell(),
        Welcome("another", 1),
        Interest(1, []),
        InterestReady(1),
        InterestTaken(1, True, {}),
    ],
)
async def test_a_node_that_answers_with_something_else_is_tried_again(
    path: Path, bad: bytes | Flush, caplog: pytest.LogCaptureFixture
) -> None:
    async with nodes(path, "one") as (one,), raw_node(path) as raw:
        await raw.connect("one")
        back = await raw.accept()
        with caplog.at_level(logging.ERROR, "bennu.bus"):
            await back.send(bad)
            assert await back.ended()
        again = await raw.accept()
        assert await raw.welcome(again, b"t") == InterestTaken(1, False, {})
        assert await one.adapter.publish("t", b"1") == 1
        assert await again.receive() == (b"t", b"1")


async def test_a_message_of_an_unconfirmed_topic_is_not_delivered(path: Path) -> None:
    """It was published for an earlier subscription."""
    async with nodes(path, "one") as (one,), raw_node(path) as raw:
        connection = await meet(raw, one)
        subscribing = asyncio.create_task(one.adapter.subscribe(["t"]))
        interest = await connection.receive()
        assert interest.topics == [b"t"]
        await connection.send(message_frame(b"t", b"early"), message_frame(b"u", b"never"))
        await connection.send(InterestTaken(interest.number, True, {}))
        await connection.send(message_frame(b"t", b"1"))
        await subscribing
        await until(lambda: one.heard)
        assert one.heard == [("raw", "t", b"1")]
        one.adapter.unsubscribe(["t"])
        assert await connection.receive() == NoInterest([b"t"])
        await connection.send(message_frame(b"t", b"late"), Flush(1))
        assert await connection.receive() == Flushed(1)
        assert len(one.heard) == 1


async def test_a_gap_is_counted_when_a_node_connects_again(path: Path) -> None:
    async with nodes(path, "one") as (one,), raw_node(path) as raw:
        connection = await meet(raw, one)
        for topic in ("t", "u", "v"):
            subscribing = asyncio.create_task(one.adapter.subscribe([topic]))
            interest = await connection.receive()
            await connection.send(InterestTaken(interest.number, True, {}))
            await subscribing
        await connection.send(message_frame(b"t", b"1"))
        connection.finish()
        again = await raw.connect("one")
        one.adapter.unsubscribe(["v"])
        subscribing = asyncio.create_task(one.adapter.subscribe(["v"]))  # a new subscription
        while not isinstance(frame := await again.receive(), InterestReady):
            pass
        counts = {b"t": 4, b"u": 2, b"v": 9, b"unknown": 5}
        await again.send(InterestTaken(0, True, counts), InterestTaken(99, True, {}))
        await subscribing
        assert frame.number >= 4
        assert one.losses == [
            Loss("raw", "t", 3, LossReason.GAP),
            Loss("raw", "u", 2, LossReason.GAP),
        ]


async def test_the_last_of_several_connections_counts(path: Path) -> None:
    """The next one waits until the first one is read to its end."""
    async with nodes(path, "one") as (one,), raw_node(path) as raw:
        first = await meet(raw, one)
        second, third = await raw.connect("one"), await raw.connect("one")
        assert await second.ended()
        await first.send(Flush(1))
        assert await first.receive() == Flushed(1)
        assert third.found == []
        first.close()
        assert isinstance(await third.receive(), Welcome)
        fourth = await raw.connect("one")
        fourth.close()
        await third.send(Flush(2))
        assert isinstance(await third.receive(), InterestReady)
        assert await third.receive() == Flushed(2)


async def test_a_node_that_took_this_one_for_dead_leaves_an_unknown_gap(path: Path) -> None:
    async with nodes(path, "one") as (one,), raw_node(path) as raw:
        connection = await meet(raw, one)
        subscribing = asyncio.create_task(one.adapter.subscribe(["t"]))
        interest = await connection.receive()
        await connection.send(
            InterestTaken(interest.number, True, {}), message_frame(b"t", b"1"), Flush(1)
        )
        await subscribing
        assert await connection.receive() == Flushed(1)
        connection.close()
        again = await raw.connect("one")
        await again.send(InterestTaken(interest.number, False, {}), Flush(1))
        while await again.receive() != Flushed(1):
            pass
        assert one.losses == [Loss("raw", None, None, LossReason.TAIL)]


async def test_a_new_epoch_ends_the_old_one(path: Path) -> None:
    async with nodes(path, "one", patience=0.1) as (one,), raw_node(path) as raw:
        connection = await meet(raw, one)
        await one.adapter.subscribe(["t"])  # returns, though the raw node confirms nothing
        connection.close()
        again = await raw.connect("one", epoch=2)
        assert isinstance(await again.receive(), Welcome)
        assert one.losses == [Loss("raw", None, None, LossReason.TAIL)]


async def test_two_nodes_of_one_name_are_refused(path: Path) -> None:
    async with nodes(path, "one") as (one,):
        other = ContractNode(IPCAdapter(path, "one"))
        with pytest.raises(DefinitionError, match="living process"):
            await other.start()
        await other.adapter.stop()
        assert one.adapter.nodes() == frozenset()
        assert (path / "one.sock").is_socket()


async def test_a_stop_that_is_cancelled_leaves_nothing_behind(path: Path) -> None:
    before = asyncio.all_tasks()
    async with nodes(path, "one") as (one,), raw_node(path) as raw:
        connection = await meet(raw, one)  # it does not read the farewell
        stopping = asyncio.create_task(one.adapter.stop())
        await until(lambda: not (path / "one.sock").exists())
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        assert await connection.ended()
        assert asyncio.all_tasks() == before


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the sockets of the closed event loop
def test_a_node_whose_event_loop_was_closed_starts_on_another_one(path: Path) -> None:
    one = ContractNode(IPCAdapter(path, "one"))
    asyncio.run(one.start())

    async def again() -> None:
        await one.adapter.stop()
        assert not (path / "one.sock").exists()
        await one.start()
        assert (path / "one.sock").is_socket()
        await one.adapter.stop()

    asyncio.run(again())
    gc.collect()


async def test_a_handler_that_raises_ends_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with nodes(path, "one") as (one,):
        adapter = IPCAdapter(path, "two")
        heard = []

        def receive(node: str, topic: str, data: bytes) -> None:
            heard.append(data)
            raise ZeroDivisionError

        await adapter.start(receive, lambda loss: None)
        await adapter.subscribe(["t"])
        with caplog.at_level(logging.ERROR, "bennu.bus"):
            await one.adapter.publish("t", b"1")
            await one.adapter.publish("t", b"2")
            await until(lambda: len(heard) == 2)
        assert "could not be handled" in caplog.text
        await adapter.stop()


async def test_a_socket_that_was_removed_is_made_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nodes that start later find the node."""
    monkeypatch.setattr("bennu.bus.ipc.mesh.LOOK", 0.01)
    async with nodes(path, "one") as (one,):
        (path / "one.sock").unlink()
        await until((path / "one.sock").is_socket)
        async with nodes(path, "two") as (two,):
            await one.adapter.subscribe(["t"])
            await two.adapter.publish("t", b"1")
            await until(lambda: one.heard)


async def test_a_foreign_entry_is_reported_once(
    foreign: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bennu.bus.ipc.mesh.LOOK", 0.01)
    with caplog.at_level(logging.ERROR, "bennu.bus"):
        async with nodes(foreign, "one"), nodes(foreign, "two") as (two,):
            await two.adapter.confirm()
    assert [record.getMessage() for record in caplog.records].count(
        caplog.records[0].getMessage()
    ) == 2  # by each node


async def test_strangers_are_bounded(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bennu.bus.ipc.mesh.MAX_STRANGERS", 2)
    async with nodes(path, "one") as (one,), raw_node(path) as raw:
        with caplog.at_level(logging.ERROR, "bennu.bus"):
            silent = [raw.connect_silently("one") for _ in range(3)]
            assert await silent[-1].ended()
        assert "without a hello" in caplog.text
        silent[0].close()
        silent[1].close()
        await meet(raw, one)


async def test_an_interest_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bennu.bus.ipc.outlet.MAX_TOPICS", 2)
    async with nodes(path, "one"), raw_node(path) as raw:
        await raw.connect("one")
        back = await raw.accept()
        await back.send(Welcome("raw", 1), Interest(1, [b"a", b"b", b"c"]), InterestReady(1))
        assert await back.ended()
        again = await raw.accept()
        await raw.welcome(again, b"a", b"b")
        await again.send(Interest(2, [b"c"]))
        assert await again.ended()


async def test_nodes_that_start_together_find_each_other(path: Path) -> None:
    names = [f"node-{number}" for number in range(6)]
    mesh = [ContractNode(IPCAdapter(path, name)) for name in names]
    await asyncio.gather(*[node.start() for node in mesh])
    await asyncio.gather(*[node.adapter.subscribe(["t"]) for node in mesh])
    for node in mesh:
        assert await node.adapter.publish("t", b"") == 5
    await until(lambda: all(len(node.heard) == 5 for node in mesh))
    assert all(node.adapter.nodes() == {*names} - {node.adapter.node} for node in mesh)
    await asyncio.gather(*[node.adapter.stop() for node in mesh])
    assert [loss for node in mesh for loss in node.losses] == []
    assert os.listdir(path) == []
