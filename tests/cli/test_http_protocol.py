"""The server of ``bennu run``: the way of a request for a WebSocket to the endpoint."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from bennu import Endpoint
from tests.support.frames import ok, reply
from tests.support.raw import ask, open_raw
from tests.support.servers import serve
from tests.support.until import until
from tests.support.wire import connect
from tests.wire.app import CHANNELS, admit, make_endpoint, socket

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TARGET = "/socket/websocket?vsn=2.0.0"


class Watching:
    """A middleware that records what it sees of WebSockets."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.seen: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return

        async def watched_receive() -> MutableMapping[str, Any]:
            event = await receive()
            self.seen.append(event["type"])
            return event

        async def watched_send(event: MutableMapping[str, Any]) -> None:
            self.seen.append(event["type"])
            await send(event)

        self.seen.append("begins")
        try:
            await self.app(scope, watched_receive, watched_send)
        finally:
            self.seen.append("ends")


# The call of the application.


async def test_middleware_sees_a_connection_end_at_accept() -> None:
    """It sees no messages, because the socket then belongs to the endpoint."""
    endpoint = make_endpoint()
    watching = Watching(endpoint)
    async with serve("native", watching) as server, connect(server) as client:
        assert await client.join("room:1") == ok()
        assert watching.seen == ["begins", "ends"]
        await client.push("room:1", "echo", {"a": 1})
        await client.expect(reply("1", "2", "room:1", ok({"a": 1})))
    assert watching.seen == ["begins", "ends"]


async def test_an_endpoint_that_is_not_native_shows_middleware_everything() -> None:
    endpoint = Endpoint(sockets={"/socket": socket(connect=admit, channels=CHANNELS)}, native=False)
    watching = Watching(endpoint)
    async with serve("native", watching) as server:
        async with connect(server) as client:
            await client.expect_silence()
        await until(lambda: watching.seen[-1] == "ends")
    assert watching.seen == [
        "begins",
        "websocket.connect",
        "websocket.accept",
        "websocket.receive",
        "websocket.send",
        "websocket.disconnect",
        "ends",
    ]


async def test_an_endpoint_alone_that_is_not_native() -> None:
    endpoint = Endpoint(sockets={"/socket": socket(connect=admit, channels=CHANNELS)}, native=False)
    async with serve("native", endpoint) as server, connect(server) as client:
        await client.expect_silence()
    assert endpoint.connections == 0


async def test_what_middleware_adds_to_the_scope_reaches_connect() -> None:
    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope["headers"] = [*scope["headers"], (b"x-added", b"by middleware")]
        await endpoint(scope, receive, send)

    endpoint = make_endpoint()
    async with serve("native", middleware) as server, connect(server) as client:
        info = (await client.join("info:1"))["response"]
        assert info["x_headers"] == [["x-added", "by middleware"]]


@pytest.mark.parametrize(
    "denial",
    [
        [{"type": "websocket.close", "code": 1000}],
        [
            {"type": "websocket.http.response.start", "status": 403, "headers": []},
            {"type": "websocket.http.response.body", "body": b""},
        ],
    ],
    ids=["close", "response"],
)
async def test_middleware_may_refuse(denial: list[dict[str, Any]]) -> None:
    """It refuses in ASGI, and the endpoint is not called."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await endpoint(scope, receive, send)
            return
        for event in denial:
            await send(event)

    endpoint = make_endpoint()
    async with serve("native", middleware) as server:
        assert (await ask(server, TARGET)).status == 403
        await until(lambda: not server.tasks)


async def test_middleware_may_receive_before_the_endpoint_does() -> None:
    """Then uvicorn has the connection, and the endpoint uses plain ASGI."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await endpoint(scope, receive, send)
            return
        events = [await receive()]

        async def replay() -> MutableMapping[str, Any]:
            return events.pop() if events else await receive()

        await endpoint(scope, replay, send)

    endpoint = make_endpoint()
    async with serve("native", middleware) as server:
        async with connect(server) as client:
            assert await client.join("room:1") == ok()
            await client.push("room:1", "echo", {"a": 1})
            await client.expect(reply("1", "2", "room:1", ok({"a": 1})))
        await until(lambda: not endpoint.connections)
        await until(lambda: not server.tasks)


async def test_middleware_may_go_on_behind_an_accepted_connection() -> None:
    """It receives the disconnect, and its messages are dropped."""
    seen: list[str] = []

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        await endpoint(scope, receive, send)
        if scope["type"] == "websocket":
            seen.append((await receive())["type"])
            await send({"type": "websocket.close", "code": 1000})
            seen.append("sent")

    endpoint = make_endpoint()
    async with serve("native", middleware) as server, connect(server) as client:
        assert await client.join("room:1") == ok()
        await until(lambda: not server.tasks)
        assert seen == ["websocket.disconnect", "sent"]
        await client.expect_silence()


async def test_an_application_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            raise RuntimeError("as the test wanted")
        await endpoint(scope, receive, send)

    endpoint = make_endpoint()
    async with serve("native", app) as server:
        response = await ask(server, TARGET)
        assert (response.status, response.body) == (500, "Internal Server Error")
    assert "Exception in the application" in caplog.text
    assert "as the test wanted" in caplog.text


async def test_an_application_that_answers_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await endpoint(scope, receive, send)

    endpoint = make_endpoint()
    async with serve("native", app) as server:
        assert (await ask(server, TARGET)).status == 500
    assert "returned without an answer" in caplog.text


async def test_an_application_that_raises_behind_an_accepted_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The error is logged, and the connection goes on."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await endpoint(scope, receive, send)
        if scope["type"] == "websocket":
            raise RuntimeError("as the test wanted")

    endpoint = make_endpoint()
    async with serve("native", app) as server, connect(server) as client:
        assert await client.join("room:1") == ok()
        await until(lambda: "as the test wanted" in caplog.text)
        await client.expect_silence()


async def test_a_client_that_is_gone_when_the_endpoint_accepts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The client went away in the same turn of the event loop. Nothing happens, and nothing is logged."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope["extensions"]["bennu.native"].transport.abort()
        await endpoint(scope, receive, send)

    endpoint = make_endpoint()
    async with serve("native", app) as server, open_raw(server) as client:
        client.request(TARGET)
        assert await client.end() == b""
        await until(lambda: not server.connections)
        assert endpoint.connections == 0
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


class Stamping(BaseHTTPMiddleware):
    """A middleware as most applications have."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["x-stamped"] = "yes"
        return response


async def test_in_a_starlette_application() -> None:
    """The request passes its middleware and mounts. Its HTTP routes work as usual."""

    async def index(request: Request) -> Response:
        return PlainTextResponse(f"hello {request.url.path}")

    endpoint = make_endpoint()
    app = Starlette(
        routes=[Route("/", index), Mount("/rt", endpoint)],
        middleware=[Middleware(Stamping)],
        lifespan=endpoint.lifespan(),
    )
    async with serve("native", app) as server:
        plain: dict[str, str | None] = {"Connection": "close", "Upgrade": None}
        response = await ask(server, "/", plain)
        assert (response.status, response.body) == (200, "hello /")
        assert response.headers["x-stamped"] == "yes"
        async with connect(server, "/rt/socket") as client:
            info = (await client.join("info:1"))["response"]
            assert info["uri"]["path"] == "/rt/socket/websocket"
        response = await ask(server, "/rt/nothing/websocket?vsn=2.0.0")
        assert (response.status, response.body) == (404, "Not Found")
