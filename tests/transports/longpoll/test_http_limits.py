"""The limits of sessions, of their buffers, and of posts that are handled."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bennu import (
    Endpoint,
    Limits,
    LongPoll,
    Rates,
    Refused,
    Socket,
)
from bennu.testing.clock import running_loop, settle
from bennu.testing.polling import Browser
from tests.support.clock import work
from tests.support.frames import frames_of, joining, ok, pushing, reply
from tests.support.memory import serve

from .polling import Reach, joined, polling
from .rooms import CHANNELS

pytestmark = pytest.mark.clock("virtual")


async def test_there_is_a_bound_of_sessions() -> None:
    """The bound is for each socket.

    A further session gets HTTP status 503, after which stock clients try again later.
    """

    async def connect(params: dict[str, str]) -> str:
        if "refused" in params:
            raise Refused("no")
        if "crash" in params:
            raise RuntimeError("by intent")
        return "ann"

    options: dict[str, Any] = {"connect": connect, "longpoll": LongPoll(max_sessions=2)}
    async with polling("here", CHANNELS, **options) as (server, browser, _):
        assert (await Browser(server.endpoint, params={"refused": "1"}).get()).status == 403
        await Browser(server.endpoint, params={"crash": "1"}).get()
        server.logged("crashed")
        await browser.begin()
        await browser.begin()
        answer = await browser.get()
        assert (answer.http_status, answer.content) == (503, b"")
        server.logged("LongPoll(max_sessions=...)", level=logging.WARNING)
        await server.endpoint.disconnect("ann")
        await browser.begin()


async def test_the_limits_of_the_endpoint_hold() -> None:
    """They count all connections. The refusal is the HTTP status, so that stock clients try again later."""

    async def connect() -> None: ...

    socket: Socket[Any] = Socket(connect=connect, channels=CHANNELS, longpoll=True)
    limits = Limits(connects_per_ip="2/minute")
    async with serve(Endpoint(sockets={"/socket": socket}, limits=limits)) as server:
        browser = Browser(server.endpoint)
        await joined(browser)
        await browser.begin()
        answer = await browser.get()
        assert (answer.http_status, answer.content) == (429, b"rate_limited")
        assert int(answer.headers["retry-after"]) > 0
        server.logged("connects", level=logging.WARNING)


async def test_the_rates_of_a_socket_hold() -> None:
    """A message beyond a rate is answered as on a WebSocket."""
    async with polling("here", CHANNELS, rates=Rates(messages="2/10s")) as (server, browser, _):
        token = await joined(browser)
        echo = pushing("1", "2", "room:1", "echo")
        assert await browser.post(token, echo, echo) == {"status": 200}
        responses = [message.payload["response"] for message in frames_of(await browser.get(token))]
        assert "rate_limited" in [response.get("reason") for response in responses]
        server.logged("Rates(messages=...)", level=logging.WARNING)


async def test_a_connect_that_is_cancelled_leaves_its_place() -> None:
    """The client went away during its connect."""

    async def connect() -> None:
        await work(3)

    options: dict[str, Any] = {"connect": connect, "id": None, "longpoll": LongPoll(max_sessions=1)}
    async with polling("here", CHANNELS, **options) as (_, browser, _):
        request = browser.start("GET")
        await settle()
        request.task.cancel()
        await settle()
        await browser.begin()


@pytest.mark.parametrize("polls", [True, False])
async def test_a_client_that_does_not_poll_loses_its_session(polls: bool) -> None:
    """Its buffer exceeds the bound. A client that polls never exceeds it."""
    longpoll = LongPoll(max_buffer=2000)
    async with polling("here", CHANNELS, longpoll=longpoll) as (server, browser, _):
        token = await joined(browser)
        for _ in range(30):
            if polls:
                browser.start("GET", token)
                await settle()
            await server.endpoint.broadcast("room:1", "news", {"text": "a" * 100})
            await settle()
        assert server.endpoint.connections == polls
        if not polls:
            server.logged("bytes unread", level=logging.WARNING)


async def test_one_message_may_be_longer_than_the_bound() -> None:
    """One such message and the next message are kept. Later messages end the session."""
    longpoll = LongPoll(max_buffer=100)
    async with polling("here", CHANNELS, longpoll=longpoll) as (server, browser, _):
        token = await joined(browser)
        await server.endpoint.broadcast("room:1", "news", {"text": "a" * 1000})
        assert len(frames_of(await browser.get(token))) == 1
        for _ in range(3):
            await server.endpoint.broadcast("room:1", "news", {"text": "a" * 1000})
            await settle()
        server.logged("bytes unread", level=logging.WARNING)
        assert server.endpoint.connections == 0


async def test_a_flood_in_one_turn_ends_the_session_once() -> None:
    """Messages before the end are dropped."""
    longpoll = LongPoll(max_buffer=100)
    async with polling("here", CHANNELS, longpoll=longpoll) as (server, browser, _):
        await joined(browser)
        pubsub = server.endpoint.pubsub
        for number in range(10):
            await server.endpoint.broadcast("room:1", "news", {"n": number})
            pubsub.batch.flush()
        await settle()
        server.logged("bytes unread", level=logging.WARNING)


async def test_a_full_mailbox_makes_posts_wait(reach: Reach) -> None:
    """The post waits until the channel has caught up. On a WebSocket reading pauses."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser, "narrow:1")
        work_on = pushing("1", None, "narrow:1", "work", {"seconds": 1})
        echo = pushing("1", "2", "narrow:1", "echo", {"n": 1})
        posted = browser.start_post(token, work_on, work_on, work_on, echo)
        await settle()
        assert not posted.is_answered
        assert (await posted.answer()).body == {"status": 200}
        assert running_loop().time() > 0
        assert frames_of(await browser.get(token)) == [reply("1", "2", "narrow:1", ok({"n": 1}))]


async def test_a_channel_that_never_catches_up(reach: Reach) -> None:
    """The post gets 408 after a window."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser, "narrow:1")
        work_on = pushing("1", None, "narrow:1", "work", {"seconds": 100})
        posted = browser.start_post(token, work_on, work_on, work_on)
        polls = [browser.start("GET", token) for _ in range(2)]
        assert (await posted.answer()).body == {"status": 408}
        assert running_loop().time() == 10
        for poll in polls:
            await poll.answer()
        await server.endpoint.stop()
        server.logged("did not finish in 5s")


async def test_there_is_a_bound_of_posts_under_way(reach: Reach) -> None:
    """Stock clients send one post after another. A post beyond the bound gets 408."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await browser.begin()
        slow = joining("1", "slow:1", {"seconds": 4})
        waiting = [browser.start_post(token, slow) for _ in range(8)]
        await settle()
        assert await browser.post(token, slow) == {"status": 408}
        assert running_loop().time() == 0
        first = await waiting[0].answer()
        assert first.body == {"status": 200}
        assert running_loop().time() == 4
        for post in waiting[1:]:
            post.task.cancel()


async def test_the_end_of_a_session_frees_posts_that_wait() -> None:
    """They get 410."""
    async with polling("here", CHANNELS, params={"name": "ann"}) as (server, browser, _):
        token = await browser.begin()
        slow = joining("1", "slow:1", {"seconds": 4})
        posts = [browser.start_post(token, slow) for _ in range(2)]
        await settle()
        await server.endpoint.disconnect("ann")
        for post in posts:
            assert (await post.answer()).body == {"status": 410}
        assert running_loop().time() == 0
