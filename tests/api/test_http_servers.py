"""The HTTP API under each server, below mounts, and in front of another application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from bennu import Endpoint

from ..support.servers import SERVERS, Server, serve
from ..support.wire import connect
from .test_http import AUTH, KEY, endpoint_with

pytestmark = pytest.mark.clock("real")


def alone(endpoint: Endpoint) -> Any:
    return endpoint


def mounted(endpoint: Endpoint) -> Any:
    app = FastAPI(lifespan=endpoint.lifespan())
    app.mount("/rt", endpoint)
    return app


def wrapping(endpoint: Endpoint) -> Any:
    app = FastAPI()

    @app.get("/api/mine")
    async def mine() -> dict[str, bool]:
        return {"mine": True}

    return endpoint.wrap(app)


async def use(server: Server, mount: str) -> None:
    """Publish to a client, and ask, with each kind of request."""
    base = f"http://{server.host}:{server.port}{mount}/api"
    async with (
        connect(server, f"{mount}/socket") as client,
        httpx.AsyncClient(headers=AUTH, trust_env=False) as http,
    ):
        answer = await client.join("room:1", {})
        assert answer["status"] == "ok"
        message = {"topic": "room:1", "event": "news", "payload": {"text": "⚡"}}
        sent = await http.post(f"{base}/publish", json=message)
        assert (sent.status_code, sent.json()) == (200, {"nodes": 1})
        frame = await client.receive()
        assert (frame.event, frame.payload) == ("news", {"text": "⚡"})
        found = await http.get(f"{base}/subscribers", params={"topic": "room:1"})
        assert found.json()["subscribers"] == {"room:1": 1}
        head = await http.head(f"{base}/nodes")
        assert (head.status_code, head.content) == (200, b"")
        assert (await http.options(f"{base}/nodes")).status_code == 204
        document = (await http.get(f"{base}/openapi.json", headers={"x-api-key": ""})).json()
        assert document["servers"] == [{"url": f"{mount}/api"}]
        wrong = await http.get(f"{base}/nodes", headers={"x-api-key": "wrong"})
        assert (wrong.status_code, wrong.json()["reason"]) == (401, "key_wrong")


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize(
    ("make", "mount"),
    [(alone, ""), (mounted, "/rt"), (wrapping, "")],
    ids=["alone", "mounted", "wrapping"],
)
async def test_the_api_works(
    name: str, make: Callable[[Endpoint], Any], mount: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(name, make(endpoint_with())) as server:
        await use(server, mount)


async def test_a_wrapped_application_keeps_its_own_paths() -> None:
    async with (
        serve("native", wrapping(endpoint_with())) as server,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        answer = await http.get(f"http://{server.host}:{server.port}/api/mine")
        assert answer.json() == {"mine": True}


@pytest.mark.parametrize("name", SERVERS)
async def test_a_body_that_stops_is_answered_and_the_connection_closed(name: str) -> None:
    """The client has announced more than it sends."""
    async with serve(name, endpoint_with(body_timeout=0.2)) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(
            b"POST /api/publish HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n"
            b"x-api-key: " + KEY.encode() + b"\r\ncontent-length: 100\r\n\r\n{"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 408 " in head.split(b"\r\n")[0]
        size = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        assert json.loads(await reader.readexactly(size))["reason"] == "body_too_slow"
        writer.transport.abort()


@pytest.mark.parametrize("name", SERVERS)
async def test_a_stranger_with_a_large_body_is_answered_at_once(name: str) -> None:
    """The answer comes before the body, which never comes."""
    async with serve(name, endpoint_with()) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(
            b"POST /api/publish HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n"
            b"content-length: 1000000000\r\n\r\n"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 401 " in head.split(b"\r\n")[0]
        writer.transport.abort()
