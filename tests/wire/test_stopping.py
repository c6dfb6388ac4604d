"""The stop of a server, and the drain of an endpoint: docs/deploys.md."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest

from bennu import Endpoint, Socket
from tests.support.raw import ask
from tests.support.servers import SERVERS, serve
from tests.support.wire import connect

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PLAIN: Final[dict[str, str | None]] = {"Upgrade": None, "Connection": "close"}


def make() -> Endpoint:
    socket: Socket[None] = Socket(connect=lambda: None, channels={})
    return Endpoint(sockets={"/socket": socket}, health="/health")


class Watched:
    """An application that records the order of ends."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.seen: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched() -> MutableMapping[str, Any]:
            event = await receive()
            if event["type"] == "lifespan.shutdown":
                self.seen.append("lifespan")
            return event

        try:
            await self.app(scope, watched, send)
        finally:
            if scope["type"] == "websocket":
                self.seen.append("connection")


@pytest.mark.parametrize("name", ["uvicorn", "hypercorn"])
async def test_others_close_connections_before_they_tell_the_application(name: str) -> None:
    """The lifespan ends too late to drain.

    From Python 3.12 on, hypercorn closes no connection: it waits for all clients, for any time.
    """
    app = Watched(make())
    async with AsyncExitStack() as stack:
        async with serve(name, app) as server:
            client = await stack.enter_async_context(connect(server))
            await client.expect_silence()
            if name == "hypercorn" and sys.version_info >= (3, 12):
                leaving = asyncio.create_task(client.websocket.close())
                stack.push_async_callback(asyncio.wait, [leaving])
        assert await client.receive_or_close() is None
    assert app.seen == ["connection", "lifespan"]


@pytest.mark.parametrize("name", SERVERS)
async def test_an_endpoint_drains_under_any_server(name: str) -> None:
    """A drain while the server runs: 1012 for clients, not ready, and 503 for new clients."""
    endpoint = make()
    async with serve(name, endpoint) as server, connect(server) as client:
        assert (await ask(server, "/health/ready", PLAIN)).status == 200
        await client.expect_silence()
        await endpoint.drain()
        assert await client.closed() == (1012, "draining")
        assert (await ask(server, "/health/ready", PLAIN)).status == 503
        refused = await ask(server, "/socket/websocket?vsn=2.0.0")
        assert refused.status == 503
        assert refused.headers["retry-after"] == "1"
