"""The output of ``bennu run`` when it serves."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount

from bennu import Endpoint, LongPoll, Socket
from bennu.cli.banner import banner, socket_lines

pytestmark = pytest.mark.clock("virtual")


def endpoint_of(*mounts: str) -> Endpoint:
    return Endpoint(
        sockets={
            mount: Socket(connect=lambda: None, channels={}, longpoll=LongPoll())
            for mount in mounts
        }
    )


async def lines(app: Any, endpoint: Endpoint, root_path: str = "") -> list[str]:
    """Return the lines of a banner, after the first, for a started endpoint."""
    await endpoint.start()
    text = banner(["http://127.0.0.1:4000"], socket_lines(app, root_path))
    await endpoint.stop()
    first, *rest = text.splitlines()
    assert first.startswith(f"Bennu {version('bennu')} running on http://127.0.0.1:4000")
    return [line.strip() for line in rest]


async def test_an_endpoint_alone() -> None:
    """Each socket has a line with its transports, in columns."""
    endpoint = endpoint_of("/socket", "/a/{b}")
    assert await lines(endpoint, endpoint) == [
        "/socket  websocket, longpoll",
        "/a/{b}   websocket, longpoll",
    ]


async def test_below_mounts_and_behind_a_proxy() -> None:
    """The paths are as clients see them."""
    endpoint = endpoint_of("/socket")
    app = Starlette(
        routes=[
            Mount("/a", routes=[Mount("/b", endpoint, middleware=[Middleware(CORSMiddleware)])])
        ]
    )
    assert await lines(app, endpoint, "/api/") == ["/api/a/b/socket  websocket, longpoll"]
    web = FastAPI()
    web.mount("/rt", endpoint)
    assert await lines(CORSMiddleware(web), endpoint) == ["/rt/socket  websocket, longpoll"]


async def test_around_another_application() -> None:
    endpoint = endpoint_of("/socket")
    wrapped = endpoint.wrap(Starlette())
    assert await lines(wrapped, endpoint) == ["/socket  websocket, longpoll"]


async def test_an_application_that_cannot_be_looked_into() -> None:
    """The endpoint is named, but its mount is unknown."""
    endpoint = endpoint_of("/socket")

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    assert await lines(app, endpoint) == [".../socket  websocket, longpoll"]


async def test_an_application_in_itself_is_searched_once() -> None:
    endpoint = endpoint_of("/socket")

    class Ring:
        app: Any

    one, two = Ring(), Ring()
    one.app, two.app = two, one
    assert await lines(one, endpoint) == [".../socket  websocket, longpoll"]


async def test_nothing_was_started() -> None:
    """The banner has the likely reason."""
    assert "FastAPI(lifespan=endpoint.lifespan())" in banner(
        ["http://x"], socket_lines(Starlette())
    )


def test_several_workers_are_counted() -> None:
    assert " running on http://x with 4 workers (Press" in banner(["http://x"], [], 4)
    assert " running on http://x (Press" in banner(["http://x"], [])
