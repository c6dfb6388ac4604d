"""Requests as ``bennu run`` gets them: behind proxies, behind each other, and broken; and their log."""

from __future__ import annotations

import logging

import pytest

from tests.support.raw import TEXT, ask, client_frame, open_raw
from tests.support.servers import serve
from tests.support.until import until
from tests.support.wire import connect
from tests.wire.app import make_endpoint

TARGET = "/socket/websocket?vsn=2.0.0"
BEAT = b'[null,"9","phoenix","heartbeat",{}]'


async def test_a_proxy_may_say_where_the_client_is() -> None:
    """uvicorn knows which proxies to trust; so an endpoint alone walks through it for such a request."""
    async with serve("native", make_endpoint()) as server:
        headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
        async with connect(server, headers=headers) as client:
            info = (await client.join("info:1"))["response"]
        assert info["peer"][0] == "203.0.113.7"
        assert info["uri"]["scheme"] == "https"


async def test_trusted_proxies_are_known_by_their_socket() -> None:
    """uvicorn's own middleware, which trusts this machine, has put the client in its place before us."""
    endpoint = make_endpoint(trusted_proxies=["127.0.0.1"])
    async with serve("native", endpoint) as server:
        headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Host": "app.example:8443"}
        async with connect(server, headers=headers) as client:
            info = (await client.join("info:1"))["response"]
        assert info["peer"][0] == "203.0.113.7"
        assert (info["uri"]["host"], info["uri"]["port"]) == ("app.example", 8443)


async def test_an_upgrade_behind_other_requests() -> None:
    """On one connection, as a browser may do it."""
    async with serve("native", make_endpoint()) as server, open_raw(server) as client:
        for _ in range(2):
            client.request("/nothing", {"Connection": None, "Upgrade": None})
            assert (await client.response()).status == 404
        await client.open(behind=client_frame(TEXT, BEAT))
        assert "phx_reply" in await client.text()


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
    """Is no error of ours."""
    async with serve("native", make_endpoint()) as server:
        assert (await ask(server, target, method=method)).status == status
        async with connect(server) as client:
            await client.expect_silence()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_target_with_a_host() -> None:
    """The form that is meant for proxies."""
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
    """Return what was logged of requests, without the client's address."""
    return [
        record.getMessage().partition(" - ")[2]
        for record in caplog.records
        if record.name == "uvicorn.access"
    ]


async def test_requests_for_websockets_are_logged_with_what_became_of_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "uvicorn.access")
    async with serve("native", make_endpoint()) as server:
        for target, status in (
            (TARGET, 101),
            ("/refusing/websocket?vsn=2.0.0", 403),
            ("/nothing", 404),
            ("/busy/websocket?vsn=2.0.0&a=%20b", 429),
        ):
            assert (await ask(server, target)).status == status
        await until(lambda: not server.tasks)
    assert accesses(caplog) == [
        '"GET /socket/websocket?vsn=2.0.0 HTTP/1.1" 101',
        '"GET /refusing/websocket?vsn=2.0.0 HTTP/1.1" 403',
        '"GET /nothing HTTP/1.1" 404',
        '"GET /busy/websocket?vsn=2.0.0&a=%20b HTTP/1.1" 429',
    ]


async def test_a_client_that_leaves_before_an_answer_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "uvicorn.access")
    endpoint = make_endpoint()
    async with serve("native", endpoint) as server, open_raw(server) as client:
        client.request("/waiting/websocket?vsn=2.0.0&gate=log")
        await endpoint.state.read("log", "waits")
        client.reset()
        await until(lambda: not server.tasks)
    assert not accesses(caplog)
