"""Messages that are published later: their order, their bound, and what happens if the bus fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from bennu.bus import MemoryNetwork
from bennu.errors import EncodeError
from bennu.logs.log import Log
from bennu.pubsub.postman import MAX_WAITING, Postman
from bennu.testing.clock import advance, settle

from ..support.hostile_adapter import HostileAdapter
from .hearing import Tasks, hostile


class Post(NamedTuple):
    """A postman, its adapter, and what another node hears."""

    postman: Postman
    adapter: HostileAdapter
    heard: list[bytes]
    tasks: Tasks


@asynccontextmanager
async def post() -> AsyncIterator[Post]:
    network = MemoryNetwork()
    adapter, other = hostile(network, "one"), hostile(network, "two")
    tasks, heard = Tasks(), list[bytes]()
    await adapter.start(lambda *_: None, lambda _: None)
    await other.start(lambda _node, _topic, data: heard.append(data), lambda _: None)
    await other.subscribe(["A"])
    yield Post(Postman(adapter.publish, tasks.spawn, Log()), adapter, heard, tasks)
    await tasks.end()
    await adapter.stop()
    await other.stop()


async def test_messages_are_published_in_order() -> None:
    """One task publishes all that waits, and ends. A later message begins another task."""
    async with post() as (postman, _, heard, tasks):
        for number in range(100):
            postman.post("A", b"%d" % number)
        postman.post("A", b"for two", "two")
        postman.post("A", b"for nobody", "three")
        await postman.empty()
        await settle()
        assert heard == [*(b"%d" % number for number in range(100)), b"for two"]
        assert len(tasks.all) == 1
        postman.post("A", b"later")
        await postman.empty()
        await settle()
        assert heard[-1] == b"later"
        assert len(tasks.all) == 2


async def test_an_empty_queue_is_empty_at_once() -> None:
    """A stop does not wait for nothing."""
    async with post() as (postman, _, _, _):
        await postman.empty()


async def test_empty_waits_for_the_message_that_the_bus_is_taking() -> None:
    """It is no longer in the queue, but it is not published yet."""
    async with post() as (postman, adapter, heard, _):
        adapter.hangs.add("publish")
        postman.post("A", b"1")
        await settle()
        waiting = asyncio.create_task(postman.empty())
        await settle()
        assert not waiting.done()
        postman.post("A", b"2")
        adapter.release()
        await waiting
        await settle()
        assert heard == [b"1", b"2"]


async def test_the_queue_has_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    """Beyond it messages are dropped. The log says so once, and once that there is room again."""
    async with post() as (postman, adapter, heard, _):
        adapter.hangs.add("publish")
        big = bytes(MAX_WAITING // 4)
        for number in range(10_000):
            postman.post("A", b"%d" % number + big)
        await settle()
        assert postman.dropped == 10_000 - 4
        adapter.release()
        await postman.empty()
        await settle()
        assert [data[:1] for data in heard] == [b"0", b"1", b"2", b"3"]
        postman.post("A", b"again")
        await postman.empty()
        first, second = (record.getMessage() for record in caplog.records)
        assert "and 4 wait" in first or "and 3 wait" in first
        assert second.endswith(f"{10_000 - 4}")
        assert postman.dropped == 0


async def test_messages_without_bytes_count_too() -> None:
    """Each message has objects that hold it."""
    async with post() as (postman, adapter, _, _):
        adapter.hangs.add("publish")
        for _ in range(100_000):
            postman.post("A", b"")
        assert 0 < 100_000 - postman.dropped < 70_000


async def test_a_message_that_is_too_large_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The next message is published."""
    async with post() as (postman, adapter, heard, _):
        adapter.raises["publish"] = EncodeError("at most 1 MiB")
        postman.post("A", b"large")
        await settle()
        adapter.raises.clear()
        postman.post("A", b"small")
        await settle()
        assert heard == [b"small"]
        [record] = caplog.records
        assert record.getMessage() == "A message on 'A' was dropped: at most 1 MiB"


async def test_a_task_that_ends_early_leaves_the_rest_to_the_next() -> None:
    """The task was cancelled in the middle. What waits is published with the next message."""
    async with post() as (postman, adapter, heard, tasks):
        adapter.hangs.add("publish")
        for data in (b"1", b"2"):
            postman.post("A", data)
        await settle()
        tasks.all[0].cancel()
        await postman.empty()
        adapter.release()
        postman.post("A", b"3")
        await advance(1)
        assert heard == [b"2", b"3"]
