"""An endpoint inside other people's applications, served for real."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from bennu import Channel, ConnectInfo, Endpoint, Socket, on
from tests.support.frames import ok
from tests.support.raw import ask
from tests.support.servers import SERVERS, Server, serve
from tests.support.steps import Steps
from tests.support.wire import broadcast, connect, reply

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=list(SERVERS))
def name(request: pytest.FixtureRequest) -> str:
    """Every server."""
    found: str = request.param
    return found


class Room(Channel):
    """A channel that knows what the lifespan yielded, and where its client came in."""

    @on("where")
    async def where(self) -> dict[str, Any]:
        info: ConnectInfo = self.assigns
        return {"path": info.uri.path, "state": self.state}


async def admit(params: dict[str, Any], info: ConnectInfo) -> ConnectInfo:
    """Let everybody in."""
    return info


def make_endpoint(steps: Steps) -> Endpoint:
    """Return an endpoint whose lifespan is written down."""
    return Endpoint(
        sockets={"/socket": Socket(connect=admit, channels={"room:*": Room})},
        lifespan=lambda: steps.of("endpoint", "its state"),
    )


async def works(server: Server, mount: str) -> None:
    """Check that clients connect there."""
    async with connect(server, mount) as client:
        assert await client.join("room:1") == ok()
        await client.send("1", "2", "room:1", "where")
        where = {"path": f"{mount}/websocket", "state": "its state"}
        await client.expect(reply("1", "2", "room:1", ok(where)))


# FastAPI and Starlette.


def fastapi_app(steps: Steps, endpoint: Endpoint) -> FastAPI:
    """Return an application with routes of both kinds, and a lifespan and middleware of its own."""
    app = FastAPI(lifespan=endpoint.lifespan(lambda app: steps.of("application", {"a": 1})))
    app.add_middleware(CORSMiddleware, allow_origins=["https://example.com"])

    @app.get("/hello")
    async def hello(request: Request) -> dict[str, Any]:
        return {"hello": request.state.a}

    @app.post("/shout")
    async def shout(event: str, background: BackgroundTasks) -> None:
        await endpoint.broadcast("room:1", event, {"from": "handler"})
        background.add_task(endpoint.broadcast, "room:1", event, {"from": "background"})

    @app.post("/shout-in-a-thread")
    def shout_in_a_thread(event: str) -> None:
        endpoint.sync.broadcast("room:1", event, {"from": "thread"})

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    app.mount("/rt", endpoint)
    return app


async def test_in_fastapi(name: str) -> None:
    """Beside its own routes of HTTP and WebSockets, with its middleware and its lifespan."""
    steps = Steps()
    app = fastapi_app(steps, make_endpoint(steps))
    async with serve(name, app) as server, httpx.AsyncClient() as http:
        assert steps == ["endpoint begins", "application begins"]
        await works(server, "/rt/socket")
        response = await http.get(
            server.url("/hello", "http"), headers={"Origin": "https://example.com"}
        )
        assert response.json() == {"hello": 1}
        assert response.headers["access-control-allow-origin"] == "https://example.com"
        async with connect(server, "/echo", transport_path="") as client:
            await client.send_raw("echo")
            assert await client.receive_raw() == "echo"
            assert (await client.closed())[0] == 1000
        assert (await http.get(server.url("/rt/nothing", "http"))).status_code == 404
        await http.aclose()
    assert steps[2:] == ["application ends", "endpoint ends"]


async def test_broadcasts_of_other_parts_of_the_application(name: str) -> None:
    """From an HTTP handler, from a background task, and from a handler that runs in a thread."""
    steps = Steps()
    app = fastapi_app(steps, make_endpoint(steps))
    async with (
        serve(name, app) as server,
        httpx.AsyncClient() as http,
        connect(server, "/rt/socket") as client,
    ):
        assert await client.join("room:1") == ok()
        await http.post(server.url("/shout?event=a", "http"))
        await client.expect(
            broadcast("room:1", "a", {"from": "handler"}),
            broadcast("room:1", "a", {"from": "background"}),
        )
        await http.post(server.url("/shout-in-a-thread?event=b", "http"))
        await client.expect(broadcast("room:1", "b", {"from": "thread"}))


async def test_broadcasts_and_disconnects_of_another_thread(name: str) -> None:
    """Of a thread that knows nothing of event loops."""
    endpoint = Endpoint(
        sockets={
            "/socket": Socket(
                connect=admit, channels={"room:*": Room}, id=lambda info: info.uri.query
            )
        }
    )

    def work(query: str) -> None:
        endpoint.sync.broadcast("room:1", "a", {"n": 1})
        endpoint.sync.local_broadcast("room:1", "b")
        endpoint.sync.disconnect(query)

    async with serve(name, endpoint) as server, connect(server) as client:
        assert await client.join("room:1") == ok()
        thread = threading.Thread(target=work, args=("vsn=2.0.0",))
        thread.start()
        await client.expect(broadcast("room:1", "a", {"n": 1}), broadcast("room:1", "b", {}))
        assert await client.closed() == (1001, "")
        await asyncio.to_thread(thread.join)


async def test_in_starlette(name: str) -> None:
    """Below two mounts: paths are relative to where the endpoint is."""
    steps = Steps()

    async def index(request: Request) -> Response:
        return JSONResponse({"path": request.url.path})

    endpoint = make_endpoint(steps)
    app = Starlette(
        routes=[
            Route("/", index),
            Mount("/api", routes=[Route("/", index), Mount("/v1", endpoint)]),
        ],
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"])],
        lifespan=endpoint.lifespan(),
    )
    async with serve(name, app) as server:
        assert steps == ["endpoint begins"]
        await works(server, "/api/v1/socket")
        assert (await ask(server, "/socket/websocket?vsn=2.0.0")).status in {403, 404}
    assert steps == ["endpoint begins", "endpoint ends"]


async def test_an_endpoint_that_nobody_started_starts_by_itself(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At its first request, however many come at once; it says so once, and what to write."""
    steps = Steps()
    endpoint = make_endpoint(steps)
    app = Starlette(routes=[Mount("/rt", endpoint)])
    async with serve(name, app) as server:
        assert not endpoint.is_started
        await asyncio.gather(*[works(server, "/rt/socket") for _ in range(3)])
        assert steps == ["endpoint begins"]
        await endpoint.stop()
    assert [r.levelno for r in caplog.records if r.name == "bennu"] == [logging.WARNING]
    assert "FastAPI(lifespan=endpoint.lifespan(...))" in caplog.text


async def test_two_endpoints_in_one_application(name: str) -> None:
    """Each with sockets, topics and a lifespan of its own."""
    steps = Steps()
    one, two = make_endpoint(steps), make_endpoint(steps)
    app = Starlette(
        routes=[Mount("/one", one), Mount("/two", two)], lifespan=one.lifespan(two.lifespan())
    )
    async with (
        serve(name, app) as server,
        connect(server, "/one/socket") as ann,
        connect(server, "/two/socket") as bob,
    ):
        for client in (ann, bob):
            assert await client.join("room:1") == ok()
        await one.broadcast("room:1", "a", {})
        await two.broadcast("room:1", "b", {})
        await ann.expect(broadcast("room:1", "a", {}))
        await bob.expect(broadcast("room:1", "b", {}))
        for client in (ann, bob):
            await client.expect_silence()
    assert steps == ["endpoint begins"] * 2 + ["endpoint ends"] * 2


# Around any other application.


async def test_around_django(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Django gets what is not ours, and knows nothing of lifespans; ours is kept all the same."""
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    async def hello(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"hello {request.path}")

    class Urls:
        urlpatterns = (path("hello/", hello),)

    if not settings.configured:
        settings.configure(SECRET_KEY="none", ALLOWED_HOSTS=["*"], ROOT_URLCONF=Urls, MIDDLEWARE=[])
    steps = Steps()
    endpoint = make_endpoint(steps)
    async with (
        serve(name, endpoint.wrap(get_asgi_application())) as server,
        httpx.AsyncClient() as http,
    ):
        assert steps == ["endpoint begins"]
        response = await http.get(server.url("/hello/", "http"))
        assert (response.status_code, response.text) == (200, "hello /hello/")
        await works(server, "/socket")
        assert (await http.get(server.url("/nothing", "http"))).status_code == 404
        assert endpoint.is_started
        assert steps == ["endpoint begins"]
    assert steps == ["endpoint begins", "endpoint ends"]
    assert "was not started" not in caplog.text


async def test_around_an_application_with_a_lifespan(name: str) -> None:
    """Ours begins before it, and ends after it."""
    steps = Steps()

    async def hello(request: Request) -> Response:
        return JSONResponse({"state": request.state.a})

    endpoint = make_endpoint(steps)
    app = Starlette(
        routes=[Route("/hello", hello)],
        lifespan=lambda app: steps.of("application", {"a": 1}),
    )
    async with serve(name, endpoint.wrap(app)) as server, httpx.AsyncClient() as http:
        assert steps == ["endpoint begins", "application begins"]
        await works(server, "/socket")
        assert (await http.get(server.url("/hello", "http"))).json() == {"state": 1}
    assert steps[2:] == ["application ends", "endpoint ends"]
