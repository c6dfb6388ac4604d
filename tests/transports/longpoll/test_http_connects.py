"""Clients that can begin a session, and the request that connect sees."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bennu import (
    ConnectInfo,
    LongPoll,
    Refused,
)
from bennu.connect_info import URI
from bennu.testing.polling import Browser
from tests.support.frames import joining

from .polling import Reach, joined, polling
from .rooms import CHANNELS

pytestmark = pytest.mark.clock("virtual")


@pytest.mark.conformance("LP020", "LP023")
@pytest.mark.parametrize("why", ["", "bad token"])
async def test_a_refused_connect(reach: Reach, why: str) -> None:
    """The body has only 403."""

    async def connect() -> None:
        raise Refused(why)

    async with polling(reach, CHANNELS, connect=connect, id=None) as (server, browser, _):
        assert (await browser.get()).body == {"status": 403}
        assert server.endpoint.connections == 0


@pytest.mark.conformance("LP020", "LP024")
async def test_pages_of_other_origins(reach: Reach) -> None:
    """A page of a refused origin gets 403 for each request. A page of an allowed origin gets its session."""
    async with polling(reach, CHANNELS, check_origin=["https://ours.com"]) as (
        server,
        browser,
        _,
    ):
        token = await joined(browser)
        theirs, ours = {"origin": "https://theirs.com"}, {"origin": "https://ours.com"}
        for method in ("GET", "POST", "OPTIONS", "DELETE"):
            answer = await browser.ask(method, token, headers=theirs)
            assert answer.body == {"status": 403}
            server.logged("https://theirs.com")
        assert (await browser.get(headers=theirs)).body == {"status": 403}
        server.logged("https://theirs.com")
        assert (await browser.get(headers=ours)).status == 410
        assert (await browser.get(token, headers=ours)).status == 204


@pytest.mark.conformance("LP020", "LP030")
@pytest.mark.parametrize("vsn", ["123.1.1", "nonsense"])
async def test_a_vsn_that_nobody_speaks(reach: Reach, vsn: str) -> None:
    """The answer is 403, and the log has a line."""
    async with polling(reach, CHANNELS, vsn=vsn) as (server, browser, _):
        assert (await browser.get()).body == {"status": 403}
        server.logged(vsn, level=logging.WARNING)


@pytest.mark.conformance("LP025")
async def test_secrets_do_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """This holds for the connect and for a join."""
    caplog.set_level(logging.DEBUG, "bennu")
    async with polling("here", CHANNELS, params={"password": "one"}) as (_, browser, _):
        token = await browser.begin()
        await browser.post(token, joining("1", "room:1", {"token": "two", "name": "ann"}))
        assert "CONNECTED TO /socket" in caplog.text
        assert " (longpoll, V2 JSON) Parameters: " in caplog.text
        assert "JOINED room:1" in caplog.text
        assert "{'token': '[FILTERED]', 'name': 'ann'}" in caplog.text
        assert "'password': '[FILTERED]'" in caplog.text
        assert "'one'" not in caplog.text
        assert "'two'" not in caplog.text


@pytest.mark.conformance("LP007", "LP008", "LP009", "LP010")
async def test_connect_knows_the_request_that_began_the_session() -> None:
    """It has the headers, address, URI, and transport."""
    infos: list[ConnectInfo] = []

    async def connect(params: dict[str, Any], info: ConnectInfo) -> str:
        infos.append(info)
        return str(params["name"])

    async with polling("here", CHANNELS, connect=connect, params={"name": "ann"}) as (
        _,
        browser,
        _,
    ):
        headers = {
            "x-application": "Phoenix",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "tracestate": "congo=t61rcWkgMzE",
            "host": "example.com:8080",
        }
        token = await browser.begin(headers=headers)
        await browser.get(token, headers={"x-application": "another"})
        (info,) = infos
        assert info.transport == "longpoll"
        assert info.peer == ("127.0.0.1", 50000)
        for name, value in headers.items():
            assert info.headers[name] == value
        query = "name=ann&vsn=2.0.0&"
        assert info.uri == URI("http", "example.com", 8080, "/socket/longpoll", query)


@pytest.mark.conformance("LP020", "LP034")
async def test_variables_of_the_path_are_parameters(reach: Reach) -> None:
    """They come from the mount and from the path below it. They win over the query."""
    seen: list[Any] = []

    async def connect(params: dict[str, str]) -> None:
        seen.append(params)

    longpoll = LongPoll(path="poll/{project}")
    options: dict[str, Any] = {"connect": connect, "id": None, "longpoll": longpoll}
    async with polling(reach, CHANNELS, **options) as (server, _, elsewhere):
        then = server.endpoint if reach == "here" else elsewhere
        browser = Browser(
            server.endpoint,
            elsewhere=then,
            path="/socket/poll/7",
            params={"project": "8", "a": "b"},
        )
        await joined(browser)
        assert seen == [{"project": "7", "a": "b", "vsn": "2.0.0"}]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_connect_that_crashes_is_a_server_error(method: str) -> None:
    """The HTTP status is 500, after which clients try again."""

    async def connect() -> None:
        raise RuntimeError("by intent")

    async with polling("here", CHANNELS, connect=connect, id=None) as (server, browser, _):
        if method == "POST":  # begins nothing
            assert await browser.post(None, "[]") == {"status": 410}
            return
        assert (await browser.ask("GET")).http_status == 500
        server.logged("connect of /socket crashed")


async def test_an_error_handler_has_no_say() -> None:
    """The body has 403, which clients understand."""

    async def connect() -> None:
        raise Refused("no")

    options: dict[str, Any] = {"connect": connect, "error_handler": lambda _: (302, b"go away")}
    async with polling("here", CHANNELS, **options, id=None) as (_, browser, _):
        assert (await browser.get()).body == {"status": 403}


@pytest.mark.parametrize("auth_token", [True, False])
async def test_the_auth_token_comes_in_a_header(auth_token: bool) -> None:
    """The socket must have auth_token. The header is not in `info.headers`. Subprotocols are ignored."""
    infos: list[ConnectInfo] = []

    async def connect(params: dict[str, Any], info: ConnectInfo) -> None:
        infos.append(info)

    options: dict[str, Any] = {"connect": connect, "auth_token": auth_token, "id": None}
    async with polling("here", CHANNELS, **options, subprotocols=["ours"]) as (_, browser, _):
        await browser.begin(headers={"x-phoenix-authtoken": "1234"})
        await browser.begin(headers={"sec-websocket-protocol": "theirs"})
        with_token, without = infos
        assert with_token.auth_token == ("1234" if auth_token else None)
        assert ("x-phoenix-authtoken" in with_token.headers) is not auth_token
        assert without.auth_token is None
