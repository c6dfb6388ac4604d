"""An endpoint on a second event loop after the first, and a start or stop that fails."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bennu import (
    Endpoint,
    NotStarted,
    Presence,
    Socket,
    WrongThread,
)

from ..support.frames import Frame, broadcast, decode_v2, encode_v2, joining
from ..support.memory import endpoint_of

# A second event loop after the first.
from .calls import Room, world


def test_an_endpoint_that_was_stopped_starts_on_another_event_loop() -> None:
    """A server that is started again in the same process uses another event loop."""
    endpoint = endpoint_of({"room:*": Room})

    async def use() -> None:
        await endpoint.start()
        await endpoint.broadcast("room:1", "news")
        await asyncio.to_thread(endpoint.sync.broadcast, "room:1", "news")
        await endpoint.stop()

    for _ in range(2):
        asyncio.run(use())
        assert not endpoint.is_started


def test_an_endpoint_whose_event_loop_was_closed_starts_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The event loop of a test can be closed without a stop. The endpoint can then start again, and serves clients."""
    endpoint = Endpoint(
        sockets={"/socket": Socket(connect=lambda: None, channels={"room:*": Room}, longpoll=True)},
        presence=Presence(),
    )
    sent: list[str] = []
    heard: list[Frame] = []
    tasks: list[asyncio.Task[None]] = []

    async def once() -> None:
        received: asyncio.Queue[Any] = asyncio.Queue()
        answers: asyncio.Queue[Any] = asyncio.Queue()
        received.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket",
            "path": "/socket/websocket",
            "query_string": b"vsn=2.0.0",
            "headers": [],
            "scheme": "ws",
        }
        tasks.append(asyncio.create_task(_serve(endpoint, scope, received, answers)))
        sent.append((await answers.get())["type"])
        text = encode_v2(joining("1", "room:1"))
        received.put_nowait({"type": "websocket.receive", "text": text})
        await answers.get()
        await endpoint.broadcast("room:1", "news")
        heard.append(decode_v2((await answers.get())["text"]))
        # The loop is closed while the client is connected, and the endpoint is not stopped.

    for _ in range(3):
        asyncio.run(once())
        with pytest.raises(WrongThread, match="is closed"):
            asyncio.run(endpoint.broadcast("room:1", "news"))
        with pytest.raises(WrongThread, match="is closed"):
            endpoint.sync.broadcast("room:1", "news")
    assert sent == ["websocket.accept"] * 3
    assert heard == [broadcast("room:1", "news", {})] * 3
    assert endpoint.connections <= 1
    assert sum("starts anew" in record.getMessage() for record in caplog.records) == 2
    gc.collect()


async def _serve(
    endpoint: Endpoint, scope: Any, received: asyncio.Queue[Any], answers: asyncio.Queue[Any]
) -> None:
    await endpoint(scope, received.get, answers.put)


def test_an_event_loop_that_stands_still_is_no_place_to_start_a_second_time() -> None:
    """An event loop that does not run can run again, so the endpoint must be stopped on that event loop."""
    endpoint = endpoint_of({"room:*": Room})
    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(endpoint.start())
        for call in (endpoint.start, lambda: endpoint.broadcast("t", "e"), endpoint.stop):
            with pytest.raises(WrongThread, match="does not run at the moment"):
                second.run(_call(call))
        with pytest.raises(WrongThread, match="does not run at the moment"):
            endpoint.sync.broadcast("t", "e")
        first.run(endpoint.stop())
        second.run(endpoint.start())
        second.run(endpoint.stop())


async def _call(call: Callable[[], Awaitable[None]]) -> None:
    await call()


async def test_a_client_that_comes_on_a_second_event_loop_is_told() -> None:
    """The client gets an error, for example with two servers of one endpoint in one process."""
    async with world() as (_, here):

        async def receive() -> Any:
            raise AssertionError("nothing is read of it")

        async def send(event: Any) -> None:
            raise AssertionError(event)

        scope = {
            "type": "websocket",
            "path": "/socket/websocket",
            "query_string": b"",
            "headers": [],
        }

        async def come() -> None:
            with pytest.raises(WrongThread, match="a client connected outside of the event loop"):
                await here.endpoint(scope, receive, send)

        await asyncio.to_thread(asyncio.run, come())


async def _fail() -> None:
    raise ZeroDivisionError


async def test_a_start_that_fails_leaves_nothing_behind() -> None:
    """After a failed start the endpoint is as before the start."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await endpoint.broadcast("room:1", "it may be used here")
        yield
        await endpoint.broadcast("room:1", "and here")

    @asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        await _fail()
        yield

    endpoint = endpoint_of({"room:*": Room}, lifespan=broken)
    with pytest.raises(ZeroDivisionError):
        await endpoint.start()
    with pytest.raises(NotStarted):
        await endpoint.broadcast("room:1", "e")
    endpoint = endpoint_of({"room:*": Room}, lifespan=lifespan)
    await endpoint.start()
    await endpoint.stop()


async def test_a_lifespan_that_fails_at_its_end_leaves_nothing_behind() -> None:
    """A lifespan that fails at its end leaves nothing behind."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield
        raise ZeroDivisionError

    endpoint = endpoint_of({"room:*": Room}, lifespan=lifespan)
    for _ in range(2):
        await endpoint.start()
        with pytest.raises(ZeroDivisionError):
            await endpoint.stop()
        assert not endpoint.is_started
        with pytest.raises(NotStarted):
            await endpoint.broadcast("room:1", "e")
