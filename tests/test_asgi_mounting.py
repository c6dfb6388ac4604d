"""An endpoint inside other applications, with real servers."""

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

import tests.support.django_site  # noqa: F401 - Django is set up once for a process
from bennu import Channel, ConnectInfo, Endpoint, Socket, on
from tests.support.frames import broadcast, ok, reply
from tests.support.inside import polls_of
from tests.support.raw import ask
from tests.support.servers import SERVERS, Server, serve
from tests.support.steps import Steps
from tests.support.until import until
from tests.support.wire import connect

pytestmark = pytest.mark.clock("real")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@pytest.fixture(params=list(SERVERS))
def name(request: pytest.FixtureRequest) -> str:
    """The name of a server; each test runs with every server."""
    found: str = request.param
    return found


class Room(Channel):
    """A channel that shows the lifespan's state, and the path of its client."""

    @on("where")
    async def where(self) -> dict[str, Any]:
        info: ConnectInfo = self.assigns
        return {"path": info.uri.path, "state": self.state}


async def admit(params: dict[str, Any], info: ConnectInfo) -> ConnectInfo:
    """Accept every client."""
    return info


def make_endpoint(steps: Steps) -> Endpoint:
    """Return an endpoint whose lifespan records its calls."""
    return Endpoint(
        sockets={"/socket": Socket(connect=admit, channels={"room:*": Room})},
        lifespan=lambda: steps.of("endpoint", "its state"),
    )


async def works(server: Server, mount: str) -> None:
    """Check that clients can connect and join."""
    async with connect(server, mount) as client:
        assert await client.join("room:1") == ok()
        await client.push("room:1", "where")
        where = {"path": f"{mount}/websocket", "state": "its state"}
        await client.expect(reply("1", "2", "room:1", ok(where)))


# FastAPI and Starlette.


def fastapi_app(steps: Steps, endpoint: Endpoint) -> FastAPI:
    """Return an application with routes for HTTP and WebSockets, and its own lifespan and middleware."""
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
    """The endpoint works beside the application's routes, middleware and lifespan."""
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
    """Broadcasts from an HTTP handler, from a background task, and from a handler that runs in a thread."""
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
    """Broadcasts from a thread that has nothing to do with the event loop."""
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
    """Below two mounts the endpoint's paths are relative to the inner mount."""
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
    """An endpoint that is not started starts at the first of several requests. It logs once what to write."""
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
    """Each endpoint has its own sockets, topics and lifespan."""
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
    """Django gets all other requests, and does not know lifespans. The endpoint's lifespan runs in any case."""
    from django.core.asgi import get_asgi_application
    from django.http import HttpRequest, HttpResponse
    from django.test import override_settings
    from django.urls import path

    async def hello(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"hello {request.path}")

    class Urls:
        urlpatterns = (path("hello/", hello),)

    steps = Steps()
    endpoint = make_endpoint(steps)
    with override_settings(ALLOWED_HOSTS=["*"], ROOT_URLCONF=Urls, MIDDLEWARE=[]):
        async with (
            serve(name, endpoint.wrap(get_asgi_application())) as server,
            httpx.AsyncClient() as http,
        ):
            assert steps == ["endpoint begins"]
            response = await http.get(server.url("/hello/", "http"))
            assert (response.status_code, response.text) == (200, "hello /hello/")
            await works(server, "/socket")
            assert (await http.get(server.url("/nothing", "http"))).status_code == 404
            assert (await http.get(server.url("/socket/websocketx", "http"))).status_code == 404
            caplog.set_level(logging.INFO)
            assert (await ask(server, "/sockets/websocket?vsn=2.0.0")).status == 404
            assert "TO /sockets/websocket: no socket has this path" in caplog.text
            assert "WebSockets are at: /socket/websocket" in caplog.text
            assert "Traceback" not in caplog.text
            assert endpoint.is_started
            assert steps == ["endpoint begins"]
        assert steps == ["endpoint begins", "endpoint ends"]
        assert "was not started" not in caplog.text


async def test_around_an_application_whose_websockets_fail(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An application that raises for a WebSocket is not taken for an application without WebSockets."""
    steps = Steps()
    app = FastAPI()

    @app.websocket("/fails")
    async def fails(websocket: WebSocket) -> None:
        raise ValueError("as the test wanted")

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    async with serve(name, make_endpoint(steps).wrap(app)) as server:
        assert (await ask(server, "/fails")).status in (403, 500)
        assert (await ask(server, "/echo")).status == 101
        assert (await ask(server, "/nothing")).status in (403, 404)
    assert "no socket has this path" not in caplog.text


# Behind proxies that remove a prefix.


def behind_fastapi(endpoint: Endpoint) -> Any:
    """Return an application with a ``root_path``."""
    app = FastAPI(lifespan=endpoint.lifespan())
    app.root_path = "/api"  # as FastAPI's root_path does, with a warning
    app.mount("/rt", endpoint)
    return app


def in_mounts(endpoint: Endpoint) -> Any:
    """Return an application with mounts in mounts."""
    inner = Starlette(routes=[Mount("/rt", endpoint)])
    app = FastAPI(lifespan=endpoint.lifespan())
    app.root_path = "/api"  # as FastAPI's root_path does, with a warning
    app.mount("/v1", inner)
    return app


@pytest.mark.parametrize(
    ("make_app", "mount"),
    [(behind_fastapi, "/rt"), (in_mounts, "/v1/rt")],
    ids=["one", "in mounts"],
)
@pytest.mark.parametrize("prefix", ["", "/api"], ids=["taken away", "left"])
async def test_behind_a_proxy_that_takes_a_prefix_away_or_leaves_it(
    name: str, make_app: Callable[[Endpoint], Any], mount: str, prefix: str
) -> None:
    """With FastAPI's ``root_path``, WebSockets, polls and health pages are found with and without the prefix.

    Starlette itself does not find a mount within a mount if the prefix was removed.
    """
    if make_app is in_mounts and not prefix:
        async with serve(name, make_app(make_endpoint(Steps()))) as server:
            assert (await ask(server, f"{mount}/socket/websocket?vsn=2.0.0")).status in (403, 404)
        return
    socket: Socket[Any] = Socket(connect=admit, channels={"room:*": Room}, longpoll=True)
    endpoint = Endpoint(sockets={"/socket": socket}, health="/health")
    async with serve(name, make_app(endpoint)) as server, httpx.AsyncClient() as http:
        path = f"{prefix}{mount}"
        async with connect(server, f"{path}/socket") as client:
            assert await client.join("room:1") == ok()
        health = await http.get(server.url(f"{path}/health/live", "http"))
        assert health.status_code == 200
        poll = await http.get(server.url(f"{path}/socket/longpoll?vsn=2.0.0", "http"))
        assert poll.json()["status"] == 410


@pytest.mark.parametrize("is_mounted", [False, True])
async def test_a_server_that_was_told_the_prefix(*, is_mounted: bool) -> None:
    """With ``--root-path`` of uvicorn and ``bennu run`` the proxy removes the prefix, and the server adds it."""
    endpoint = make_endpoint(Steps())
    app = Starlette(routes=[Mount("/rt", endpoint)], lifespan=endpoint.lifespan())
    served, mount = (app, "/rt/socket") if is_mounted else (endpoint, "/socket")
    async with (
        serve("native", served, root_path="/api") as server,
        connect(server, mount) as client,
    ):
        assert await client.join("room:1") == ok()


# Polls.


@pytest.mark.parametrize("server_name", ["native", "uvicorn", "hypercorn"])
async def test_a_poll_that_is_abandoned_under_middleware_logs_nothing(
    server_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Starlette's BaseHTTPMiddleware raises an error for a request without an answer."""
    socket: Socket[Any] = Socket(connect=admit, channels={"room:*": Room}, longpoll=True)
    endpoint = Endpoint(sockets={"/socket": socket})
    app = FastAPI(lifespan=endpoint.lifespan())
    app.mount("/rt", endpoint)
    ended = asyncio.Event()

    @app.middleware("http")
    async def passing(request: Request, call_next: Any) -> Any:
        try:
            return await call_next(request)
        finally:
            if "token" in request.query_params:
                ended.set()

    async with serve(server_name, app) as server:
        async with httpx.AsyncClient() as http:
            url = server.url("/rt/socket/longpoll?vsn=2.0.0", "http")
            token = (await http.get(url)).json()["token"]
            poll = asyncio.create_task(http.get(url, params={"vsn": "2.0.0", "token": token}))
            await until(lambda: polls_of(endpoint))
            poll.cancel()
        await until(ended.is_set)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_around_an_application_with_a_lifespan(name: str) -> None:
    """The endpoint's lifespan begins before the application's, and ends after it."""
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
