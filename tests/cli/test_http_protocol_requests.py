"""Requests of ``bennu run``: behind proxies, pipelined, and malformed; and their log lines."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from bennu import Endpoint
from bennu.protocol.proxies import TrustedProxies
from tests.support.frames import heartbeat, ok, reply
from tests.support.raw import ask, open_raw, text_frames
from tests.support.servers import Server, serve
from tests.support.until import until
from tests.support.wire import connect
from tests.wire.app import make_endpoint

TARGET = "/socket/websocket?vsn=2.0.0"


FORWARDED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "app.example:8443",
}


async def show(request: Request) -> JSONResponse:
    """Answer with the data that another route of the application sees."""
    client = request.client.host if request.client else None
    return JSONResponse({"client": client, "scheme": request.url.scheme})


def mounting(endpoint: Endpoint) -> Starlette:
    """Return an application with an endpoint and another route."""
    routes = [Route("/show", show), Mount("/", endpoint)]
    return Starlette(routes=routes, lifespan=endpoint.lifespan())


async def info_of(server: Server) -> Any:
    """Return the request's data that a forwarded client's channel sees."""
    async with connect(server, headers=FORWARDED) as client:
        return (await client.join("info:1"))["response"]


async def shown(server: Server) -> Any:
    """Return the data that a route sees of a forwarded client."""
    plain = {"Connection": "close", "Upgrade": None}
    return json.loads((await ask(server, "/show", {**FORWARDED, **plain})).body)


@pytest.mark.parametrize("is_mounted", [False, True])
async def test_nobody_is_believed_who_says_where_the_client_is(
    *, is_mounted: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """This holds for clients on this machine too. uvicorn's setting is ignored, and a log line says so."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    endpoint = make_endpoint()
    async with serve("native", mounting(endpoint) if is_mounted else endpoint) as server:
        info = await info_of(server)
        assert (info["peer"][0], info["uri"]["scheme"]) == ("127.0.0.1", "http")
        assert info["uri"]["host"] == "127.0.0.1"
        if is_mounted:
            assert await shown(server) == {"client": "127.0.0.1", "scheme": "http"}
    assert "write --trusted-proxies *" in caplog.text


@pytest.mark.parametrize("is_mounted", [False, True])
async def test_proxies_that_the_endpoint_trusts_are_known_by_their_socket(
    *, is_mounted: bool
) -> None:
    """Other routes of the application do not use the endpoint's proxies."""
    endpoint = make_endpoint(trusted_proxies=["127.0.0.1"])
    async with serve("native", mounting(endpoint) if is_mounted else endpoint) as server:
        info = await info_of(server)
        assert info["peer"][0] == "203.0.113.7"
        assert info["uri"]["scheme"] == "https"
        assert (info["uri"]["host"], info["uri"]["port"]) == ("app.example", 8443)
        if is_mounted:
            assert await shown(server) == {"client": "127.0.0.1", "scheme": "http"}


@pytest.mark.parametrize("own", [(), ("127.0.0.1",), ("192.0.2.1",)], ids=["none", "same", "other"])
@pytest.mark.parametrize("is_mounted", [False, True])
async def test_proxies_that_the_server_trusts_are_believed_everywhere(
    own: tuple[str, ...], *, is_mounted: bool
) -> None:
    """This holds for all routes and WebSockets, with any setting of the endpoint."""
    endpoint = make_endpoint(trusted_proxies=own)
    app = mounting(endpoint) if is_mounted else endpoint
    async with serve("native", app, trusted_proxies=TrustedProxies(["127.0.0.1"])) as server:
        info = await info_of(server)
        assert info["peer"][0] == "203.0.113.7"
        assert info["uri"]["scheme"] == "https"
        assert (info["uri"]["host"], info["uri"]["port"]) == ("app.example", 8443)
        if is_mounted:
            assert await shown(server) == {"client": "203.0.113.7", "scheme": "https"}


async def test_proxies_of_another_address_are_not_believed() -> None:
    app = mounting(make_endpoint())
    async with serve("native", app, trusted_proxies=TrustedProxies(["192.0.2.1"])) as server:
        assert (await info_of(server))["peer"][0] == "127.0.0.1"
        assert await shown(server) == {"client": "127.0.0.1", "scheme": "http"}


async def test_an_upgrade_behind_other_requests() -> None:
    """They use one connection, as a browser can do."""
    async with serve("native", make_endpoint()) as server, open_raw(server) as client:
        for _ in range(2):
            client.request("/nothing", {"Connection": None, "Upgrade": None})
            assert (await client.response()).status == 404
        await client.open(behind=text_frames(heartbeat("9")))
        assert await client.message() == reply(None, "9", "phoenix", ok())


async def test_an_upgrade_to_something_else_is_a_plain_request() -> None:
    async with serve("native", make_endpoint()) as server:
        response = await ask(server, TARGET, {"Upgrade": "h2c", "Connection": "Upgrade, close"})
        assert response.status == 400
        assert "'upgrade' header must contain 'websocket'" in response.body


NONSENSE = {
    "no path": ("*", "OPTIONS", 404),
    "a path that is no URL": ("//[", "GET", 404),
    "a host alone": ("http://example.com", "GET", 404),
    "a host to connect to": ("example.com:80", "CONNECT", 400),
    "a byte that is not ASCII": ("/socket/\xe9", "GET", 400),
}


@pytest.mark.parametrize(("target", "method", "status"), NONSENSE.values(), ids=NONSENSE)
async def test_a_target_that_makes_no_sense(
    target: str, method: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It causes no error of the server."""
    async with serve("native", make_endpoint()) as server:
        assert (await ask(server, target, method=method)).status == status
        async with connect(server) as client:
            await client.expect_silence()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_target_with_a_host() -> None:
    """This is the form for proxies."""
    async with serve("native", make_endpoint()) as server:
        assert (await ask(server, server.url(TARGET, "http"))).status == 101


async def test_a_request_that_is_none() -> None:
    async with serve("native", make_endpoint()) as server, open_raw(server) as client:
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert (await client.response()).status == 400
        await client.end()


async def test_a_path_is_unescaped_once() -> None:
    async with serve("native", make_endpoint()) as server:
        assert (await ask(server, "/soc%6Bet/web%73ocket?vsn=2.0.0")).status == 101
        assert (await ask(server, "/soc%256Bet/websocket?vsn=2.0.0")).status == 404


# The access log.


def accesses(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the log lines of requests, without the client's address."""
    return [
        record.getMessage().partition(" - ")[2]
        for record in caplog.records
        if record.name == "uvicorn.access"
    ]


async def test_requests_for_websockets_have_no_line_in_the_access_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The endpoint writes a line into ``bennu.access``."""
    caplog.set_level(logging.INFO)
    async with serve("native", make_endpoint()) as server:
        for target, status in (
            (TARGET, 101),
            ("/refusing/websocket?vsn=2.0.0", 403),
            ("/nothing", 404),
            ("/busy/websocket?vsn=2.0.0&a=%20b", 429),
        ):
            assert (await ask(server, target)).status == status
        await until(lambda: not server.tasks)
    assert not accesses(caplog)
    lines = [one.getMessage() for one in caplog.records if one.name == "bennu.access"]
    assert [line.partition(" in ")[0].partition(":")[0] for line in lines] == [
        "CONNECTED TO /socket",
        "REFUSED CONNECTION TO /refusing",
        "REFUSED CONNECTION TO /busy",
    ]


async def test_a_client_that_leaves_before_an_answer_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    endpoint = make_endpoint()
    async with serve("native", endpoint) as server, open_raw(server) as client:
        client.request("/waiting/websocket?vsn=2.0.0&gate=log")
        await endpoint.state.read("log", "waits")
        client.reset()
        await until(lambda: not server.tasks)
    assert not [one for one in caplog.records if one.name == "bennu.access"]
    assert not accesses(caplog)
