"""Long polling over real sockets, under every server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import pytest

from bennu import Endpoint
from bennu.connect_info import URI
from tests.support.frames import ok
from tests.support.inside import connection_of, polls_of
from tests.support.servers import Server
from tests.support.until import until

NDJSON: Final = "application/x-ndjson"
PATIENCE: Final = 20.0


@asynccontextmanager
async def polling(server: Server, name: str) -> AsyncIterator[httpx.AsyncClient]:
    """Return a function that sends requests to one path, without the machine's proxy."""
    async with httpx.AsyncClient(
        base_url=server.url("/poll/longpoll", "http"),
        params={"vsn": "2.0.0", "name": name},
        timeout=PATIENCE,
        trust_env=False,
    ) as client:
        yield client


async def get(client: httpx.AsyncClient, token: str | None = None) -> dict[str, Any]:
    """Poll."""
    headers = {} if token is None else {"x-phoenix-longpoll-token": token}
    answer = await client.get("", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


async def messages(client: httpx.AsyncClient, token: str) -> list[Any]:
    """Poll, and return the messages."""
    body = await get(client, token)
    assert body["status"] == 200, body
    return [json.loads(message) for message in body["messages"]]


async def post(client: httpx.AsyncClient, token: str, *lines: Any) -> dict[str, Any]:
    """Send a batch."""
    headers = {"x-phoenix-longpoll-token": token, "content-type": NDJSON}
    content = "\n".join(map(json.dumps, lines))
    answer = await client.post("", content=content, headers=headers)
    body: dict[str, Any] = answer.json()
    return body


async def until_waiting(endpoint: Endpoint, waiting: bool = True) -> None:
    """Wait until the only session has a waiting poll, or has none."""
    await until(lambda: (polls_of(endpoint) > 0) is waiting)


@pytest.mark.conformance("LP001", "LP002", "LP011", "LP015", "LP029")
async def test_a_session(server: Server, endpoint: Endpoint) -> None:
    """The session begins, joins, gets broadcasts and replies, and ends."""
    async with polling(server, "ann") as client:
        token = (await get(client))["token"]
        joins: list[Any] = [
            [str(ref), str(ref), f"room:poll-{ref}", "phx_join", {}] for ref in (1, 2)
        ]
        assert await post(client, token, *joins) == {"status": 200}
        replies = [[str(ref), str(ref), f"room:poll-{ref}", "phx_reply", ok()] for ref in (1, 2)]
        assert await messages(client, token) == replies
        waiting = asyncio.create_task(messages(client, token))
        await endpoint.broadcast("room:poll-1", "news", {"text": "Grüße 🐦"})
        assert await waiting == [[None, None, "room:poll-1", "news", {"text": "Grüße 🐦"}]]
        end = asyncio.create_task(get(client, token))
        await until_waiting(endpoint)
        await endpoint.disconnect("ann")
        assert await end == {"status": 500}
        assert await post(client, token, joins[0]) == {"status": 410}


async def test_a_client_that_goes_away_frees_its_poll(server: Server, endpoint: Endpoint) -> None:
    """Later messages wait for the next poll."""
    async with polling(server, "bob") as client:
        token = (await get(client))["token"]
        await post(client, token, ["1", "1", "room:gone", "phx_join", {}])
        await messages(client, token)
        async with polling(server, "bob") as going:
            waiting = asyncio.create_task(get(going, token))
            await until_waiting(endpoint)
            waiting.cancel()
            await asyncio.wait([waiting])
        await until_waiting(endpoint, False)
        await endpoint.broadcast("room:gone", "news", {})
        assert await messages(client, token) == [[None, None, "room:gone", "news", {}]]
        await endpoint.disconnect("bob")


@pytest.mark.conformance("OB020")
async def test_what_is_no_poll(server: Server, endpoint: Endpoint) -> None:
    """Other methods, a preflight and a too long body have the same answers under every server."""
    async with polling(server, "eve") as client:
        token = (await get(client))["token"]
        assert (await client.delete("")).status_code == 400
        asked = {"access-control-request-headers": "content-type"}
        preflight = await client.options("", headers=asked)
        assert preflight.headers["access-control-allow-headers"] == "content-type"
        assert preflight.headers["access-control-allow-origin"] == "*"
        headers = {"x-phoenix-longpoll-token": token, "content-type": NDJSON}
        answer = await client.post("", content=b"[" * 2000, headers=headers)
        assert answer.status_code == 400
        await endpoint.disconnect("eve")


@pytest.mark.conformance("LP009", "LP010")
async def test_connect_knows_the_request(server: Server, endpoint: Endpoint) -> None:
    """connect gets the address and the URI of the request."""
    async with polling(server, "info") as client:
        await get(client)
        info = connection_of(endpoint).info
        assert info.transport == "longpoll"
        assert info.peer.host == "127.0.0.1"
        query = "vsn=2.0.0&name=info"
        assert info.uri == URI("http", server.host, server.port, "/poll/longpoll/", query)
        await endpoint.disconnect("info")
