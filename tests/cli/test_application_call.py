"""Other WebSocket routes of an application with an endpoint, under ``bennu run``.

At first the socket belongs to Bennu. It goes to uvicorn's WebSocket protocol as soon as the route calls receive or
send.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket

from tests.support.frames import ok
from tests.support.raw import CLOSE, TEXT, ask, client_frame, close_payload, open_raw
from tests.support.servers import Server, serve
from tests.support.until import until
from tests.support.wire import Phoenix, connect
from tests.wire.app import Journal, make_endpoint

TARGET = "/socket/websocket?vsn=2.0.0"


async def echo(websocket: WebSocket) -> None:
    """Send each message back."""
    await websocket.accept(subprotocol="chat" if websocket.scope["subprotocols"] else None)
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await websocket.send_text(message["text"])
        else:
            await websocket.send_bytes(message["bytes"])
    journal_of(websocket).note("echo", "ended", message["code"])


async def describe(websocket: WebSocket) -> None:
    """Send the scope's data, and close."""
    await websocket.accept()
    await websocket.send_json(
        {
            "path": websocket.url.path,
            "query": dict(websocket.query_params),
            "x": websocket.headers["x-one"],
            "subprotocols": websocket.scope["subprotocols"],
            "client": [websocket.client.host, websocket.client.port] if websocket.client else None,
        }
    )
    await websocket.close(4321, "that is all")


async def refuse(websocket: WebSocket) -> None:
    """Refuse with a close."""
    await websocket.close()


async def deny(websocket: WebSocket) -> None:
    """Refuse with a response."""
    response = PlainTextResponse("no tea left", 418, headers={"x-tea": "none"})
    await websocket.send_denial_response(response)


async def crash_early(websocket: WebSocket) -> None:
    """Raise before the first message."""
    raise RuntimeError("as the test wanted")


async def crash_in_handshake(websocket: WebSocket) -> None:
    """Raise before the accept."""
    await websocket.receive()
    raise RuntimeError("as the test wanted")


async def crash_late(websocket: WebSocket) -> None:
    """Raise after the accept."""
    await websocket.accept()
    await websocket.receive_text()
    raise RuntimeError("as the test wanted")


async def wait(websocket: WebSocket) -> None:
    """Accept when the test allows it."""
    await journal_of(websocket).pass_gate("foreign")
    await echo(websocket)


def journal_of(connection: HTTPConnection) -> Journal:
    """Return the records of the test."""
    journal: Journal = connection.app.state.endpoint.state
    return journal


def make_app() -> Starlette:
    """Return an application with an endpoint and other routes."""
    endpoint = make_endpoint()
    routes = (echo, describe, refuse, deny, crash_early, crash_in_handshake, crash_late, wait)
    app = Starlette(
        routes=[
            *[WebSocketRoute(f"/{route.__name__}", route) for route in routes],
            Mount("/", endpoint),
        ],
        lifespan=endpoint.lifespan(),
    )
    app.state.endpoint = endpoint
    return app


@pytest.fixture
def app() -> Starlette:
    return make_app()


@pytest.fixture
async def server(app: Starlette) -> AsyncIterator[Server]:
    """Return the server. After each test no task and no connection can be left."""
    async with serve("native", app) as server:
        yield server
        await until(lambda: not server.connections)
        await until(lambda: not server.tasks)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the errors in the log."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def test_messages_both_ways(
    server: Server, app: Starlette, caplog: pytest.LogCaptureFixture
) -> None:
    """Messages are text and binary, small and large. A client of the endpoint is connected too."""
    async with (
        connect(server, "/echo", transport_path="") as client,
        connect(server) as phoenix,
    ):
        for message in ("hello", b"\x00\xff", "é" * 70_000, b"", ""):
            await client.send_raw(message)
            assert await client.receive_raw() == message
        assert await phoenix.join("room:1") == ok()
    assert await app.state.endpoint.state.read("echo", "ended") == 1000
    assert not errors(caplog)


async def test_the_request_is_what_it_was(server: Server) -> None:
    async with connect(
        server,
        "/describe",
        transport_path="",
        vsn=None,
        params=[("a", "ü&=")],
        headers={"X-One": "é".encode().decode("latin-1")},
        subprotocols=["one", "two"],
    ) as client:
        host, port = client.websocket.local_address
        assert await receive_json(client) == {
            "path": "/describe",
            "query": {"a": "ü&="},
            "x": "é".encode().decode("latin-1"),
            "subprotocols": ["one", "two"],
            "client": [host, port],
        }
        assert await client.closed() == (4321, "that is all")


async def receive_json(client: Phoenix) -> Any:
    """Return the value of the next frame."""
    return json.loads(await client.receive_raw())


async def test_a_subprotocol_is_agreed_on(server: Server) -> None:
    async with connect(server, "/echo", transport_path="", subprotocols=["chat"]) as client:
        assert client.websocket.subprotocol == "chat"


async def test_a_route_may_refuse(server: Server) -> None:
    assert (await ask(server, "/refuse")).status == 403


async def test_a_route_may_deny_with_a_response(server: Server) -> None:
    response = await ask(server, "/deny")
    assert (response.status, response.body) == (418, "no tea left")
    assert response.headers["x-tea"] == "none"


@pytest.mark.parametrize("path", ["/crash_early", "/crash_in_handshake"])
async def test_a_route_may_crash_before_it_accepts(
    server: Server, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The status is 500, and the log has the reason once."""
    assert (await ask(server, path)).status == 500
    await until(lambda: errors(caplog))
    assert len(errors(caplog)) == 1
    assert "as the test wanted" in caplog.text


async def test_a_route_may_crash_behind_the_accept(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection ends, as under uvicorn. The endpoint's connections go on."""
    async with (
        connect(server, "/crash_late", transport_path="") as client,
        connect(server) as phoenix,
    ):
        await client.send_raw("now")
        await client.closed()
        await phoenix.expect_silence()
    assert len(errors(caplog)) == 1
    assert "as the test wanted" in caplog.text


async def test_frames_behind_the_request_reach_the_route(server: Server, app: Starlette) -> None:
    """They come in the packet of the request, or before the route accepts."""
    journal: Journal = app.state.endpoint.state
    async with open_raw(server) as client:
        client.request("/wait", behind=client_frame(TEXT, b"first"))
        await journal.read("foreign", "waits")
        client.send(client_frame(TEXT, b"second"))
        async with connect(server) as other:
            await other.expect_silence()
        journal.gate("foreign").set()
        assert (await client.response()).status == 101
        assert await client.text() == "first"
        assert await client.text() == "second"
        client.send(client_frame(CLOSE, close_payload(1000)))
        assert await client.close_frame() == (1000, "")


async def test_many_frames_behind_the_request_reach_the_route(
    server: Server, app: Starlette
) -> None:
    """Beyond 64 KB the client waits until the route reads."""
    journal: Journal = app.state.endpoint.state
    async with open_raw(server) as client:
        client.request("/wait")
        await journal.read("foreign", "waits")
        client.send(client_frame(TEXT, b"x" * 10_000) * 1000)
        assert client.writer.transport.get_write_buffer_size() > 0
        journal.gate("foreign").set()
        assert (await client.response()).status == 101
        for _ in range(1000):
            assert await client.text() == "x" * 10_000
        client.send(client_frame(CLOSE, close_payload(1000)))
        assert await client.close_frame() == (1000, "")


async def test_a_large_frame_behind_the_request_reaches_the_route(
    server: Server, app: Starlette
) -> None:
    """Only a part of it has come when reading pauses."""
    journal: Journal = app.state.endpoint.state
    async with open_raw(server) as client:
        client.request("/wait")
        await journal.read("foreign", "waits")
        client.send(client_frame(TEXT, b"x" * 10_000_000))
        async with connect(server) as other:
            for _ in range(50):
                await other.expect_silence()
        journal.gate("foreign").set()
        assert (await client.response()).status == 101
        assert await client.text() == "x" * 10_000_000
        client.send(client_frame(CLOSE, close_payload(1000)))
        assert await client.close_frame() == (1000, "")


@pytest.mark.parametrize(
    ("headers", "statuses"),
    [
        ({"Sec-WebSocket-Version": "12"}, {400, 426}),
        ({"Sec-WebSocket-Key": None}, {400}),
        ({"Sec-WebSocket-Key": "short"}, {400}),
    ],
    ids=["version", "no key", "key"],
)
async def test_a_malformed_upgrade_leaves_nothing(
    server: Server, headers: dict[str, str | None], statuses: set[int]
) -> None:
    """uvicorn refuses it without calling the route, which has begun already."""
    assert (await ask(server, "/echo", headers)).status in statuses


async def test_an_upgrade_by_another_method_is_refused(server: Server) -> None:
    response = await ask(server, "/echo", {"Content-Length": "0"}, method="POST")
    assert response.status in {400, 405}


@pytest.mark.parametrize("ending", ["reset", "closed"])
@pytest.mark.parametrize("moment", ["waiting", "open"])
async def test_a_client_may_vanish(
    server: Server, app: Starlette, moment: str, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal: Journal = app.state.endpoint.state
    async with open_raw(server) as client:
        if moment == "waiting":
            client.request("/wait")
            await journal.read("foreign", "waits")
        else:
            await client.open("/echo")
        if ending == "reset":
            client.reset()
        else:
            client.writer.close()
        await until(lambda: not server.tasks)
    if moment == "open":
        await journal.read("echo", "ended")
    assert not errors(caplog)


async def test_a_server_that_stops_closes_them_too(anyio_backend: object) -> None:
    """The code is 1012, as under uvicorn."""
    assert anyio_backend
    app = make_app()
    running = serve("native", app)
    server = await running.__aenter__()
    async with open_raw(server) as client:
        await client.open("/echo")
        stopped = asyncio.create_task(running.__aexit__(None, None, None))
        assert (await client.close_frame())[0] == 1012
        await client.end()
        await stopped


async def test_an_endpoint_that_is_mounted_behind_them_works(server: Server) -> None:
    """The application chooses the order of its routes. The endpoint gets all other paths."""
    assert (await ask(server, TARGET)).status == 101
    assert (await ask(server, "/nothing")).status == 404
