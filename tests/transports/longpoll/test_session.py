"""Sessions, their polls and their ends: the answer to each request. Protocol document, §4."""

from __future__ import annotations

import logging

import pytest

from bennu import LongPoll
from bennu.testing.clock import advance, running_loop, settle
from bennu.testing.polling import NDJSON
from tests.support.frames import (
    broadcast,
    closed,
    crashed,
    decode_v2,
    frames_of,
    joining,
    leaving,
    ok,
    push,
    pushing,
    reply,
)

from .polling import Reach, joined, polling
from .rooms import CHANNELS, ended

pytestmark = [pytest.mark.conformance("LP020"), pytest.mark.clock("virtual")]


@pytest.mark.conformance("LP001", "LP037")
async def test_the_first_poll_begins_a_session(reach: Reach) -> None:
    """The HTTP status is 200, and the body has 410 with a token. The headers allow any page, and no cache."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        answer = await browser.get()
        assert answer.http_status == 200
        assert answer.body == {"status": 410, "token": answer.token, "messages": []}
        assert answer.headers == {
            "access-control-allow-origin": "*",
            "content-type": "application/json; charset=utf-8",
            "cache-control": "no-store",
            "content-length": str(len(answer.content)),
        }
        assert server.endpoint.connections == 1


@pytest.mark.conformance("LP002", "LP003", "LP005", "LP037")
async def test_a_join_is_posted_and_answered_to_the_next_poll(reach: Reach) -> None:
    """The poll gets the reply, and then later messages in order.

    A poll without messages waits, and then gets 204.
    """
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await browser.begin()
        posted = await browser.start_post(token, joining("1", "greeting:1")).answer()
        assert posted.body == {"status": 200}
        polled = await browser.get(token)
        assert (polled.status, polled.token) == (200, token)
        assert frames_of(polled) == [
            reply("1", "1", "greeting:1", ok()),
            broadcast("greeting:1", "entered", {"who": "ann"}),
            push("1", "greeting:1", "joined", {"status": "connected"}),
        ]
        assert running_loop().time() == 0
        empty = await browser.get(token)
        assert empty.body == {"status": 204, "token": token, "messages": []}
        assert running_loop().time() == 10
        for answer in (posted, polled, empty):
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["access-control-allow-origin"] == "*"


async def test_the_text_of_a_message_comes_as_it_was_written(reach: Reach) -> None:
    """The answer has the text as a string, with any characters."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser)
        payload = {"text": 'Grüße "🐦"\n\\'}
        await browser.post(token, pushing("1", "2", "room:1", "echo", payload))
        [text] = (await browser.get(token)).body["messages"]
        assert text.endswith('{"text":"Grüße \\"🐦\\"\\n\\\\"}}]')
        assert decode_v2(text) == reply("1", "2", "room:1", ok(payload))


async def test_a_poll_that_waits_is_answered_when_something_comes(reach: Reach) -> None:
    """The answer comes at once, with all messages of that moment."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        waiting = browser.start("GET", token)
        await advance(3)
        assert not waiting.is_answered
        for number in range(3):
            await server.endpoint.broadcast("room:1", "news", {"n": number})
        assert frames_of(await waiting.answer()) == [
            broadcast("room:1", "news", {"n": number}) for number in range(3)
        ]
        assert running_loop().time() == 3


async def test_what_comes_between_two_polls_waits(reach: Reach) -> None:
    """The next poll gets broadcasts, pushes and replies in order."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        await server.endpoint.broadcast("room:1", "news", {"n": 1})
        await browser.post(
            token,
            pushing("1", "2", "room:1", "tell", {"n": 2}),
            pushing("1", "3", "room:1", "echo", {"n": 3}),
            pushing("1", "4", "room:1", "shout", {"n": 4}),
        )
        await server.endpoint.broadcast("room:1", "news", {"n": 5})
        assert frames_of(await browser.get(token)) == [
            broadcast("room:1", "news", {"n": 1}),
            push("1", "room:1", "told", {"n": 2}),
            reply("1", "3", "room:1", ok({"n": 3})),
            broadcast("room:1", "shout", {"n": 4}),
            broadcast("room:1", "news", {"n": 5}),
        ]


@pytest.mark.conformance("OB021")
async def test_the_later_of_two_polls_gets_what_comes(reach: Reach) -> None:
    """The earlier poll waits until the end of its window."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        earlier = browser.start("GET", token)
        await advance(1)
        later = browser.start("GET", token)
        await settle()
        await server.endpoint.broadcast("room:1", "news", {})
        assert frames_of(await later.answer()) == [broadcast("room:1", "news", {})]
        assert not earlier.is_answered
        assert (await earlier.answer()).status == 204
        assert running_loop().time() == 10


async def test_a_client_that_went_away_loses_nothing(reach: Reach) -> None:
    """A poll of a client that is gone is removed. Messages wait for the next poll."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        gone = browser.start("GET", token)
        await settle()
        gone.disconnect()
        await settle()
        assert gone.task.done()
        await server.endpoint.broadcast("room:1", "news", {})
        assert frames_of(await browser.get(token)) == [broadcast("room:1", "news", {})]


async def test_a_client_that_goes_away_in_the_same_moment_loses_nothing(reach: Reach) -> None:
    """A message came, and the client went away before the poll took the message."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        gone = browser.start("GET", token)
        await settle()
        await server.endpoint.broadcast("room:1", "news", {})
        gone.disconnect()
        await settle()
        assert frames_of(await browser.get(token)) == [broadcast("room:1", "news", {})]


async def test_a_client_that_is_gone_when_it_is_answered_is_no_error() -> None:
    """The messages of the answer are lost: delivery is at most once."""
    async with polling("here", CHANNELS) as (server, browser, _):
        token = await joined(browser)
        gone = browser.start("GET", token)
        await settle()
        gone.stop_reading()
        await server.endpoint.broadcast("room:1", "news", {})
        await gone.task
        assert (await browser.get(token)).status == 204


async def test_a_poll_whose_task_is_cancelled_waits_no_more(reach: Reach) -> None:
    """Some servers cancel the task of a client that went away."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        cancelled = browser.start("GET", token)
        await settle()
        cancelled.task.cancel()
        await settle()
        await server.endpoint.broadcast("room:1", "news", {})
        assert frames_of(await browser.get(token)) == [broadcast("room:1", "news", {})]


@pytest.mark.conformance("LP019", "OB021")
async def test_a_session_that_nobody_polls_ends(reach: Reach) -> None:
    """Its channels get the reason "inactive". Posts do not prevent the end. Then posts and polls get 410."""
    async with polling(reach, CHANNELS, longpoll=LongPoll(window=2)) as (server, browser, _):
        token = await joined(browser)
        for _ in range(2):
            await advance(2.5)
            assert await browser.post(token, pushing("1", "2", "room:1", "note")) == {"status": 200}
        assert ended == []
        await advance(1)
        assert ended == [("room:1", "inactive")]
        assert running_loop().time() == 6
        assert server.endpoint.connections == 0
        assert await browser.post(token, pushing("1", "3", "room:1", "note")) == {"status": 410}
        again = await browser.get(token)
        assert (again.status, again.messages) == (410, [])
        assert again.token != token


async def test_a_session_that_is_polled_lives(reach: Reach) -> None:
    """It lives longer than its idle limit, and longer than the timeout of a WebSocket."""
    longpoll = LongPoll(window=2)
    async with polling(reach, CHANNELS, longpoll=longpoll, timeout=5.0) as (_, browser, _):
        token = await joined(browser)
        for _ in range(10):
            assert (await browser.get(token)).status == 204
        assert running_loop().time() == 20
        assert ended == []


async def test_many_polls_of_many_sessions() -> None:
    """Each session gets its messages."""
    async with polling("here", CHANNELS) as (server, browser, _):
        tokens = [await joined(browser, f"room:{number}") for number in range(20)]
        waiting = [browser.start("GET", token) for token in tokens]
        await advance(1)
        for number in range(20):
            await server.endpoint.broadcast(f"room:{number}", "news", {"n": number})
        for number, poll in enumerate(waiting):
            news = broadcast(f"room:{number}", "news", {"n": number})
            assert frames_of(await poll.answer()) == [news]


# Ends.


@pytest.mark.conformance("LP026")
async def test_a_crash_is_told_to_a_later_poll(reach: Reach) -> None:
    """The message is phx_error with the join_ref in both places. The session goes on."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        assert await browser.post(token, pushing("1", "2", "room:1", "crash")) == {"status": 200}
        assert frames_of(await browser.get(token)) == [crashed("1", "room:1")]
        server.logged("crashed in crash")
        assert await browser.post(token, joining("3", "room:1")) == {"status": 200}


@pytest.mark.conformance("LP027", "LP028")
async def test_leaves(reach: Reach) -> None:
    """A stale leave is ignored. A leave without a join_ref is handled."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser)
        posted = await browser.post(token, leaving("stale", "2", "room:1"))
        assert posted == {"status": 200}
        assert (await browser.get(token)).status == 204
        assert ended == []
        await browser.post(token, leaving(None, "3", "room:1"))
        assert frames_of(await browser.get(token)) == [
            reply("1", "3", "room:1", ok()),
            closed("1", "room:1"),
        ]
        assert ended == [("room:1", "left")]


@pytest.mark.conformance("LP029")
async def test_a_disconnect_ends_the_session(reach: Reach) -> None:
    """And all its channels. A poll that waits learns it at once, a post and the next poll too.

    The poll that waits is answered 500, which makes every stock client connect again. Those of 1.7 would
    take a 410 for a new session, and not rejoin.
    """
    async with polling(reach, CHANNELS, params={"name": "ann"}) as (server, browser, _):
        token = await joined(browser)
        await browser.post(token, joining("2", "room:2"))
        await browser.get(token)
        waiting = browser.start("GET", token)
        await settle()
        await server.endpoint.disconnect("ann")
        assert (await waiting.answer()).body == {"status": 500}
        assert ended == [("room:1", "disconnected"), ("room:2", "disconnected")]
        assert server.endpoint.connections == 0
        assert await browser.post(token, pushing("1", "3", "room:1", "echo")) == {"status": 410}
        again = await browser.get(token)
        assert again.status == 410
        assert again.token != token
        assert running_loop().time() == 0


async def test_what_was_written_before_the_end_reaches_a_poll_that_waits(reach: Reach) -> None:
    """So a channel can say why it ends the connection."""
    async with polling(reach, CHANNELS, params={"name": "ann"}) as (server, browser, _):
        token = await joined(browser)
        waiting = browser.start("GET", token)
        await settle()
        await server.endpoint.broadcast("room:1", "kicked", {"why": "rude"})
        await server.endpoint.disconnect("ann")
        assert frames_of(await waiting.answer()) == [broadcast("room:1", "kicked", {"why": "rude"})]
        assert (await browser.get(token)).status == 410


async def test_the_stop_of_the_endpoint_ends_all_sessions(reach: Reach) -> None:
    """Their polls are answered, so that no server waits for them."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        waiting = browser.start("GET", token)
        await settle()
        await server.endpoint.stop()
        assert (await waiting.answer()).status == 500
        assert running_loop().time() == 0
        assert ended == [("room:1", "shutdown")]


@pytest.mark.parametrize("line", ["[", "[]", '["1"]', "{}", b"", b"\x07", b"\x00\xff"], ids=repr)
async def test_an_undecodable_message_ends_the_session(reach: Reach, line: str | bytes) -> None:
    """Its post gets 410 at once (in Phoenix 408 after a window), and later requests too."""
    content_type = NDJSON if line and isinstance(line, bytes) else "application/json"
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        posted = await browser.post(token, line, content_type=content_type)
        assert posted == {"status": 410}
        server.logged("undecodable frame", level=logging.WARNING)
        assert isinstance(ended[0][1], Exception)
        assert await browser.post(token, pushing("1", "3", "room:1", "echo")) == {"status": 410}
        assert (await browser.get(token)).status == 410
        assert running_loop().time() == 0
