"""The pages about the health of a server."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from bennu import DefinitionError, Drain, Endpoint, Socket
from bennu.bus import MemoryNetwork
from bennu.testing.clock import advance, settle

from ..support.hostile_adapter import HostileAdapter
from ..support.memory import serve

pytestmark = pytest.mark.clock("virtual")


Answer = tuple[int, bytes]

NOT_FOUND: Answer = (404, b"Not Found")


def make(health: str | None = "/health", **drain: Any) -> Endpoint:
    """Return an endpoint with these pages."""
    socket: Socket[None] = Socket(connect=lambda: None, channels={}, drain=Drain(**drain))
    return Endpoint(sockets={"/socket": socket}, health=health)


async def get(app: Any, path: str, root_path: str = "", method: str = "GET") -> Answer:
    """Request a page; return status and body."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": root_path,
        "headers": [],
        "query_string": b"",
        "http_version": "1.1",
    }
    await app(scope, receive, send)
    start, body = sent
    headers = dict(start["headers"])
    if method != "HEAD":
        assert headers[b"content-length"] == str(len(body["body"])).encode()
    return start["status"], body["body"]


async def test_a_server_that_serves_is_live_and_ready() -> None:
    """Both pages answer in JSON, which must not be cached."""
    async with serve(make()) as server:
        assert await get(server.endpoint, "/health/live") == (200, b'{"status":"live"}')
        assert await get(server.endpoint, "/health/ready") == (200, b'{"status":"ready"}')


async def test_a_server_that_drains_is_not_ready() -> None:
    """It is unready from the beginning, while it still serves. It is live until its end."""
    async with serve(make(batch_size=1, batch_interval=5.0)) as server:
        endpoint = server.endpoint
        await server.connect()
        draining = asyncio.create_task(endpoint.drain(delay=5.0))
        await settle()
        assert await get(endpoint, "/health/ready") == (503, b'{"status":"draining"}')
        assert await get(endpoint, "/health/live") == (200, b'{"status":"live"}')
        await draining
        assert await get(endpoint, "/health/ready") == (503, b'{"status":"draining"}')


@pytest.mark.parametrize(("health", "path"), [("/", "/ready"), ("/up/", "/up/ready")])
async def test_the_path_is_the_applications_choice(health: str, path: str) -> None:
    """A slash at the end has no meaning."""
    async with serve(make(health)) as server:
        assert await get(server.endpoint, path) == (200, b'{"status":"ready"}')


async def test_the_path_is_relative_to_the_mount() -> None:
    """The paths of sockets are too."""
    async with serve(make()) as server:
        assert (await get(server.endpoint, "/rt/health/ready", "/rt"))[0] == 200
        assert await get(server.endpoint, "/rt/health/ready") == NOT_FOUND


async def test_a_wrapped_application_answers_all_other_paths() -> None:
    """The endpoint answers only its paths."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": [LENGTH]})
        await send({"type": "http.response.body", "body": b""})

    async with serve(make()) as server:
        wrapped = server.endpoint.wrap(app)
        assert (await get(wrapped, "/health/ready"))[0] == 200
        assert (await get(wrapped, "/health"))[0] == 299


LENGTH = (b"content-length", b"0")


async def test_there_is_no_such_page_unless_it_is_wanted() -> None:
    """The default is off."""
    async with serve(make(None)) as server:
        assert await get(server.endpoint, "/health/ready") == NOT_FOUND
        assert await get(server.endpoint, "/health/live") == NOT_FOUND


async def test_head_is_get_without_the_body() -> None:
    """Some load balancers send HEAD."""
    async with serve(make()) as server:
        assert await get(server.endpoint, "/health/ready", method="HEAD") == (200, b"")


async def test_nothing_can_be_sent_there() -> None:
    """Other methods are refused."""
    async with serve(make()) as server:
        assert (await get(server.endpoint, "/health/ready", method="POST"))[0] == 405


async def test_an_endpoint_that_nobody_started_starts_when_it_is_asked() -> None:
    """Otherwise it would never be ready, and would never get a first request."""
    async with serve(make(), start=False) as server:
        assert (await get(server.endpoint, "/health/ready"))[0] == 200
        server.logged("starts at its first request", level=30)


def test_a_path_begins_with_a_slash() -> None:
    """The error says what to write."""
    with pytest.raises(DefinitionError, match='health="/health"'):
        make("health")


async def test_a_server_that_does_not_hear_the_bus_is_not_ready() -> None:
    """It is live, and ready again when the bus answers. A drain is the stronger reason."""
    adapter = HostileAdapter(MemoryNetwork().adapter("one"))
    endpoint = Endpoint(sockets={}, health="/health", pubsub=adapter)
    async with serve(endpoint) as server:
        assert await get(endpoint, "/health/ready") == (200, b'{"status":"ready"}')
        adapter.hangs.add("confirm")
        await advance(5)
        server.logged("the node is not ready")
        answer = (503, b'{"status":"cut off from the bus"}')
        assert await get(endpoint, "/health/ready") == answer
        assert await get(endpoint, "/health/live") == (200, b'{"status":"live"}')
        adapter.release()
        await advance(5)
        server.logged("hears the bus again", level=logging.WARNING)
        assert await get(endpoint, "/health/ready") == (200, b'{"status":"ready"}')
        adapter.hangs.add("confirm")
        await advance(5)
        await endpoint.drain()
        assert await get(endpoint, "/health/ready") == (503, b'{"status":"draining"}')
        server.logged("the node is not ready")
