"""Clients behind a proxy, over WebSockets and by polling."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, cast
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import ClientConnection, connect as connect_websocket

from bennu.testing.polling import Browser
from tests.cluster.members import Member, PolledSocket
from tests.support.servers import HOST as LOOPBACK
from tests.support.wire import V2, Phoenix

from .app import HOST
from .proxies import Proxy

__all__ = ["NEAR", "Through", "enter", "poll"]

PATIENCE: Final = 20.0
NEAR: Final = "127.0.0.2"
"""The address of clients. The proxies have another one."""


@asynccontextmanager
async def enter(
    proxy: Proxy,
    topic: str,
    name: str = "somebody",
    *,
    host: str = HOST,
    origin: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Member]:
    """Connect over a WebSocket, and join a topic."""
    query = urlencode({"vsn": V2, "name": name})
    given = {**(headers or {}), **({} if origin is None else {"Origin": origin})}
    async with connect_websocket(
        f"wss://{host}/socket/websocket?{query}",
        host=LOOPBACK,
        port=proxy.port,
        ssl=proxy.tls,
        server_hostname="localhost",
        local_addr=(NEAR, 0),
        additional_headers=given,
        ping_interval=None,
        open_timeout=PATIENCE,
        close_timeout=PATIENCE,
        proxy=None,
    ) as websocket:
        member = Member(Phoenix(websocket, V2), topic)
        await member.join()
        yield member


class Through:
    """Sends the requests of a polling client through a proxy, as an ASGI application for :class:`Browser`."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        headers = [pair for pair in scope["headers"] if pair[0] != b"host"]
        answer = await self._http.request(
            scope["method"],
            f"{scope['path']}?{scope['query_string'].decode()}",
            headers=[*headers, (b"host", HOST.encode())],
            content=body,
        )
        pairs = [(name.lower(), value) for name, value in answer.headers.raw]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": pairs})
        await send({"type": "http.response.body", "body": answer.content})


@asynccontextmanager
async def poll(proxy: Proxy, topic: str, name: str = "somebody") -> AsyncIterator[Member]:
    """Begin a session of polling, and join a topic."""
    async with httpx.AsyncClient(
        base_url=f"https://{LOOPBACK}:{proxy.port}",
        transport=httpx.AsyncHTTPTransport(verify=proxy.tls, local_address=NEAR),
        timeout=PATIENCE,
    ) as http:
        browser = Browser(Through(http), params={"name": name})
        websocket = PolledSocket(browser, await browser.begin())
        member = Member(Phoenix(cast("ClientConnection", websocket), V2), topic)
        await member.join()
        yield member
