"""Idempotent pushes whose channel, node or event loop ends, and beside topics with history."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from typing import Any

import pytest
from msgspec import Struct

from bennu import Channel, History, on
from bennu.errors import StoreUnavailable
from bennu.history.idempotence import LEASE
from bennu.server.task import GRACE
from bennu.store import Announce, MemoryStore
from bennu.testing.clock import advance, running_loop, settle

from ..support.memory import Client, Server, endpoint_of, error, ok, serve


class Job(Struct):
    """A payload."""

    key: str
    how: str = "ends"


done: list[str] = []
gate = threading.Event()


@pytest.fixture(autouse=True)
def _forget() -> None:
    done.clear()
    gate.clear()


class Works(Channel[Any]):
    """A channel with jobs that do not end as they should."""

    @on("job", idempotent_by="key")
    async def job(self, job: Job) -> Any:
        done.append(job.how)
        if job.how == "never":
            await asyncio.Event().wait()
        if job.how == "stubborn":
            while True:
                with suppress(asyncio.CancelledError):  # a mistake of the application
                    await asyncio.Event().wait()
        return len(done)

    @on("coroutine", idempotent_by="key")
    def coroutine(self, job: Job) -> Any:
        return self.job(job)

    @on("in_thread", idempotent_by="key")
    def in_thread(self, job: Job) -> Any:
        done.append("thread")
        gate.wait()
        return len(done)


class Remembers(Works):
    """A channel with history."""

    history = History(size=10)


class StartedStore(MemoryStore):
    """Counts its starts and stops."""

    def __init__(self) -> None:
        super().__init__(running_loop().time)
        self.starts = self.stops = 0
        self.is_away = False

    async def start(self, announce: Announce) -> None:
        announce("a topic", "an epoch", None)  # no topic of this endpoint
        self.starts += 1

    async def stop(self) -> None:
        self.stops += 1

    async def settle(self, key: str, owner: str, value: bytes, seconds: float) -> bool:
        if self.is_away:
            raise StoreUnavailable("away")
        return await super().settle(key, owner, value, seconds)


def works(store: MemoryStore, channel: type[Channel[Any]] = Works) -> Any:
    return endpoint_of({"work:*": channel}, store=store)


async def visit(server: Server) -> Client:
    client = await server.connect(params={"name": "ann"})
    await client.join("work:1")
    return client


async def begin(server: Server, how: str, event: str = "job") -> Client:
    """Begin a job that does not end."""
    client = await visit(server)
    client.push("work:1", event, {"key": "k", "how": how})
    await settle()
    return client


@pytest.mark.parametrize("channel", [Works, Remembers])
async def test_the_store_is_started_and_stopped_once(channel: type[Channel[Any]]) -> None:
    store = StartedStore()
    endpoint = works(store, channel)
    for starts in (1, 2):
        async with serve(endpoint) as server:
            client = await visit(server)
            assert store.starts == starts
            assert await client.call("work:1", "job", {"key": "k"}) == ok(1)
        assert store.stops == starts
    assert done == ["ends"]


async def test_a_coroutine_that_a_plain_function_returned_is_awaited() -> None:
    async with serve(works(StartedStore())) as server:
        client = await visit(server)
        for _ in range(2):
            assert await client.call("work:1", "coroutine", {"key": "k"}) == ok(1)


async def test_a_handler_that_is_cancelled_at_the_end_of_its_connection_releases_the_key() -> None:
    store = StartedStore()
    async with serve(works(store)) as server:
        client = await begin(server, "never")
        client.close()
        await advance(GRACE)
        server.logged("did not finish in 5s when its end came")
        await settle()
        again = await visit(server)
        assert await again.call("work:1", "job", {"key": "k", "how": "ends"}) == ok(2)


async def test_a_handler_that_was_killed_releases_the_key() -> None:
    async with serve(works(StartedStore())) as server:
        client = await begin(server, "stubborn")
        client.close()
        await advance(GRACE)
        server.logged("did not finish in 5s when its end came")
        await advance(GRACE)
        server.logged("ignored its cancellation and was killed")
        await settle()
        again = await visit(server)
        assert await again.call("work:1", "job", {"key": "k", "how": "ends"}) == ok(2)


async def test_a_plain_function_that_goes_on_in_its_thread_keeps_the_key() -> None:
    async with serve(works(StartedStore())) as server:
        loop = running_loop()
        loop.clock.waits_for_threads = False
        client = await visit(server)
        client.push("work:1", "in_thread", {"key": "k"})
        while not done:  # noqa: ASYNC110 - a thread does it
            await asyncio.sleep(0)
        client.close()
        await advance(GRACE)
        server.logged("did not finish in 5s when its end came")
        again = await visit(server)
        again.push("work:1", "in_thread", {"key": "k"})
        await advance(9)
        frame = await again.receive()
        assert frame.payload == error({"reason": "still_running", "retry_after_ms": 1000})
        assert done == ["thread"]
        gate.set()
        loop.clock.waits_for_threads = True
        while not server.records:  # noqa: ASYNC110 - a thread does it
            await asyncio.sleep(0)
        server.logged("in_thread ended after its channel", level=logging.WARNING)
        await advance(LEASE)
        assert await again.call("work:1", "in_thread", {"key": "k"}) == ok(2)


async def test_an_endpoint_stops_while_the_store_is_away() -> None:
    """The reply was sent; the store has 5 s to take it, and then the endpoint does not wait."""
    store = StartedStore()
    async with serve(works(store)) as server:
        client = await visit(server)
        store.is_away = True
        assert await client.call("work:1", "job", {"key": "k"}, within=6) == ok(1)
        begun = running_loop().time()
    assert running_loop().time() == begun


def test_an_endpoint_that_was_not_stopped_starts_anew() -> None:
    """The tasks of the closed event loop are forgotten."""
    store = MemoryStore()
    endpoint = works(store)

    async def live(*, stops: bool) -> None:
        await endpoint.start()
        if stops:
            await endpoint.stop()

    asyncio.run(live(stops=False))
    asyncio.run(live(stops=True))
