"""Invalid requests, bodies that can't be read, and the paths for polling."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bennu import (
    Endpoint,
    LongPoll,
    Socket,
)
from bennu.testing.clock import settle
from bennu.testing.polling import Browser
from tests.support.frames import encode_v2, frames_of, joining, pushing
from tests.support.memory import HandshakeRefused, Over, both_transports, endpoint_of, serve

from .polling import Reach, joined, polling
from .rooms import CHANNELS

pytestmark = pytest.mark.clock("virtual")


@pytest.mark.conformance("OB020")
@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH"])
async def test_other_methods(method: str) -> None:
    """The HTTP status is 400 without a body. Pages of any origin can read it."""
    async with polling("here", CHANNELS) as (_, browser, _):
        answer = await browser.ask(method)
        assert (answer.http_status, answer.content) == (400, b"")
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.conformance("OB020")
@pytest.mark.parametrize("asked", [None, "x-phoenix-authtoken, content-type"])
async def test_a_preflight(asked: str | None) -> None:
    """A browser asks which requests a page can send. All are allowed."""
    async with polling("here", CHANNELS) as (_, browser, _):
        asks = {} if asked is None else {"access-control-request-headers": asked}
        answer = await browser.ask("OPTIONS", headers={"origin": "http://localhost", **asks})
        allowed = {} if asked is None else {"access-control-allow-headers": asked}
        assert (answer.http_status, answer.content) == (200, b"")
        assert answer.headers == {
            "access-control-allow-origin": "*",
            "access-control-allow-methods": "get, post, options",
            "access-control-max-age": "3600",
            "content-length": "0",
            **allowed,
        }


async def test_a_query_that_cannot_be_decoded() -> None:
    """The HTTP status is 400, or 414 for a query that is too long."""
    async with polling("here", CHANNELS) as (server, browser, _):
        assert (await browser.ask("GET", query_string=b"a=%ff")).http_status == 400
        long = b"vsn=2.0.0&token=" + b"a" * 1_000_000
        assert (await browser.ask("GET", query_string=long)).http_status == 414
        server.logged("1000000 bytes", level=logging.WARNING)


async def test_a_token_that_is_a_list_is_none() -> None:
    """A query can decode to any type."""

    async def connect() -> None: ...

    async with polling("here", CHANNELS, connect=connect, id=None) as (_, browser, _):
        answer = await browser.ask("GET", query_string=b"vsn=2.0.0&token[]=a")
        assert answer.status == 410


async def test_a_body_that_is_too_long() -> None:
    """The HTTP status 400 comes at once, and the session goes on."""
    async with polling("here", CHANNELS, longpoll=LongPoll(max_body=1000)) as (_, browser, _):
        token = await joined(browser)
        pieces = [b"[" * 600, b"[" * 600]
        request = browser.start("POST", token, *pieces, stays_open=True)
        answer = await request.answer()
        assert answer.http_status == 400
        assert answer.headers["connection"] == "close"
        assert b"1000 bytes" in answer.content
        assert (await browser.get(token)).status == 204


async def test_a_body_in_several_pieces() -> None:
    """The pieces are joined."""
    async with polling("here", CHANNELS) as (_, browser, _):
        token = await browser.begin()
        text = str(encode_v2(joining("1", "room:1"))).encode()
        pieces = [text[:10], b"", text[10:]]
        assert (await browser.start("POST", token, *pieces).answer()).status == 200
        assert len(frames_of(await browser.get(token))) == 1


async def test_a_client_that_goes_away_while_it_sends() -> None:
    """No part of its body is handled, and no answer is sent."""
    async with polling("here", CHANNELS) as (_, browser, _):
        token = await joined(browser)
        whole = str(encode_v2(pushing("1", "2", "room:1", "echo"))).encode()
        request = browser.start("POST", token, whole, stays_open=True)
        await settle()
        request.disconnect()
        await request.task
        assert (await browser.get(token)).status == 204


@pytest.mark.conformance("OB020")
async def test_a_line_that_is_not_base64(reach: Reach) -> None:
    """The HTTP status is 400. No message of the batch is handled, and the session goes on."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser)
        request = browser.start_post(token, pushing("1", "2", "room:1", "echo"), "nonsense!")
        answer = await request.answer()
        assert answer.http_status == 400
        assert b"base64" in answer.content
        assert (await browser.get(token)).status == 204


async def test_a_message_that_is_too_long_ends_the_session() -> None:
    """It would close a WebSocket too."""
    async with polling("here", CHANNELS, max_frame_size=100) as (server, browser, _):
        token = await joined(browser)
        posted = await browser.post(token, pushing("1", "2", "room:1", "echo", {"a": "b" * 100}))
        assert posted == {"status": 410}
        server.logged("a message of", level=logging.WARNING)


async def test_text_that_is_not_utf8_ends_the_session() -> None:
    """It would close a WebSocket too. UTF-8 text is handled."""
    async with polling("here", CHANNELS) as (server, browser, _):
        token = await joined(browser)
        text = str(encode_v2(pushing("1", "2", "room:1", "echo", {"a": "letter"})))
        assert await browser.post(token, text.replace("letter", "ß")) == {"status": 200}
        body = text.encode().replace(b"letter", b"\xff")
        assert (await browser.start("POST", token, body).answer()).status == 410
        server.logged("not UTF-8", level=logging.WARNING)


@both_transports
async def test_no_websocket_is_to_be_had_there(over: Over) -> None:
    """The path is only for polling."""
    async with serve(endpoint_of(CHANNELS, longpoll=True)) as server:
        with pytest.raises(HandshakeRefused) as refusal:
            await server.connect("/socket/longpoll", over=over)
        assert refusal.value.status == 404


async def test_without_the_option_there_is_no_such_path() -> None:
    """Long polling is off by default."""

    async def connect() -> None: ...

    socket: Socket[Any] = Socket(connect=connect, channels=CHANNELS)
    async with serve(Endpoint(sockets={"/socket": socket})) as server:
        assert (await Browser(server.endpoint).ask("GET")).http_status == 404


async def test_it_works_inside_other_applications() -> None:
    """The endpoint is wrapped, or mounted. Other paths belong to the application."""

    async def other(scope: Any, receive: Any, send: Any) -> None:
        del receive
        head = {"status": 418, "headers": [(b"content-length", b"0")]}
        await send({"type": "http.response.start", **head})
        await send({"type": "http.response.body", "body": b""})

    async with serve(endpoint_of(CHANNELS, longpoll=True)) as server:
        wrapped = server.endpoint.wrap(other)
        await joined(Browser(wrapped))
        assert (await Browser(wrapped, path="/socket").ask("GET")).http_status == 418
        mounted = Browser(server.endpoint, path="/rt/socket/longpoll")
        assert (await mounted.ask("GET", root_path="/rt")).status == 410
