"""Posts: their messages, and their answers. Protocol document, §4."""

from __future__ import annotations

import logging

import pytest

from bennu import LongPoll
from bennu.testing.clock import advance, running_loop, settle
from bennu.testing.polling import NDJSON
from tests.support.frames import (
    broadcast,
    decode_v1,
    encode_v1,
    error,
    frames_of,
    joining,
    ok,
    push,
    pushing,
    reply,
)

from .polling import Reach, joined, polling
from .rooms import CHANNELS, handled

pytestmark = [pytest.mark.conformance("LP020"), pytest.mark.clock("virtual")]


@pytest.mark.conformance("LP004")
async def test_v1_messages_have_no_join_ref(reach: Reach) -> None:
    """Each body is one message, with any content type, or without one."""
    async with polling(reach, CHANNELS, vsn="1.0.0") as (_, browser, _):
        token = await browser.begin()
        text = encode_v1(joining("1", "room:1"))
        assert await browser.post(token, text, content_type="application/json") == {"status": 200}
        answer = await browser.get(token)
        assert frames_of(answer, decode_v1) == [reply(None, "1", "room:1", ok())]


async def test_v1_clients_may_batch(reach: Reach) -> None:
    """A line that begins with a brace is text (in Phoenix it would be base64)."""
    async with polling(reach, CHANNELS, vsn=None) as (_, browser, _):
        token = await browser.begin()
        joins = [encode_v1(joining("1", topic)) for topic in ("room:1", "room:2")]
        assert await browser.post(token, *joins) == {"status": 200}
        answers = frames_of(await browser.get(token), decode_v1)
        assert [answer.topic for answer in answers] == ["room:1", "room:2"]


@pytest.mark.conformance("LP031")
@pytest.mark.parametrize("content_type", [None, "", "application/json", "text/plain"])
async def test_a_post_of_any_type_is_one_message(reach: Reach, content_type: str | None) -> None:
    """This also holds without a content type."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await browser.begin()
        posted = await browser.post(token, joining("1", "room:1"), content_type=content_type)
        assert posted == {"status": 200}
        assert frames_of(await browser.get(token)) == [reply("1", "1", "room:1", ok())]


@pytest.mark.conformance("OB020")
async def test_the_type_of_a_batch_may_have_parameters(reach: Reach) -> None:
    """A trailing line feed is no message. Phoenix ends the session in both cases."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await browser.begin()
        posted = await browser.post(
            token,
            joining("1", "room:1"),
            joining("2", "room:2"),
            "",
            content_type=f"{NDJSON}; charset=utf-8",
        )
        assert posted == {"status": 200}
        assert [message.ref for message in frames_of(await browser.get(token))] == ["1", "2"]


@pytest.mark.conformance("LP006")
async def test_a_session_joins_as_many_channels_as_a_websocket(reach: Reach) -> None:
    """The limit is a hundred. The next join is refused."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await browser.begin()
        joins = [joining(str(number), f"room:{number}") for number in range(101)]
        assert await browser.post(token, *joins[:100]) == {"status": 200}
        assert [one.payload for one in frames_of(await browser.get(token))] == [ok()] * 100
        assert await browser.post(token, joins[100]) == {"status": 200}
        server.logged("Socket(max_channels=...)", level=logging.WARNING)
        refused = reply("100", "100", "room:100", error("too many channels joined"))
        assert frames_of(await browser.get(token)) == [refused]


@pytest.mark.conformance("LP011")
async def test_what_a_post_broadcasts_is_heard(reach: Reach) -> None:
    """All clients of the topic get it, on each transport."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        other = await server.connect()
        await other.join("room:1")
        posted = await browser.post(token, pushing("1", "2", "room:1", "shout", {"n": 1}))
        assert posted == {"status": 200}
        await other.expect(broadcast("room:1", "shout", {"n": 1}))
        heard = broadcast("room:1", "shout", {"n": 1})
        assert frames_of(await browser.get(token)) == [heard]


@pytest.mark.conformance("LP012")
async def test_an_intercepted_broadcast_is_pushed(reach: Reach) -> None:
    """The channel pushes it. In V1 a push has no refs."""
    async with polling(reach, CHANNELS, vsn="1.0.0") as (server, browser, _):
        token = await browser.begin()
        text = encode_v1(joining("1", "watching:1"))
        await browser.post(token, text, content_type="application/json")
        await browser.get(token)
        await server.endpoint.broadcast("watching:1", "shout", {"n": 1})
        heard = push(None, "watching:1", "heard", {"n": 1, "transport": "longpoll"})
        assert frames_of(await browser.get(token), decode_v1) == [heard]


@pytest.mark.conformance("LP013")
async def test_an_event_for_a_topic_that_is_not_joined(reach: Reach) -> None:
    """The post is accepted, no channel gets the event, and the client gets an error."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await browser.begin()
        other = await server.connect()
        await other.join("room:1")
        posted = await browser.post(token, pushing("9", "2", "room:1", "shout"))
        assert posted == {"status": 200}
        await other.expect_nothing()
        unmatched = reply(None, "2", "room:1", error("unmatched topic"))
        assert frames_of(await browser.get(token)) == [unmatched]


@pytest.mark.conformance("LP014", "LP015", "LP016", "LP017", "LP018")
async def test_a_batch_is_handled_in_order(reach: Reach) -> None:
    """Lines are text and base64.

    A message without a join_ref is handled, a message with a stale join_ref is ignored.
    """
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser)
        posted = await browser.post(
            token,
            pushing("1", "2", "room:1", "tell", {"n": 1}),
            pushing(None, "3", "room:1", "tell", {"n": 2}),
            pushing("stale", "3", "room:1", "tell", {"n": 3}),
            bytes([0, 1, 1, 6, 4]) + b"14room:1note" + b"\x00\xff",
            pushing("1", "5", "room:1", "tell", {"n": 5}),
        )
        assert posted == {"status": 200}
        told = [push("1", "room:1", "told", {"n": number}) for number in (1, 2, 5)]
        assert frames_of(await browser.get(token)) == told
        assert handled == [b"\x00\xff"]


@pytest.mark.conformance("LP022")
async def test_of_a_batch_the_first_hundred_messages_count(reach: Reach) -> None:
    """Further messages are ignored. Stock clients send no more."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser)
        notes = [pushing("1", None, "room:1", "note", number) for number in range(101)]
        assert await browser.post(token, *notes) == {"status": 200}
        await settle()
        assert handled == list(range(100))


@pytest.mark.conformance("LP021")
async def test_a_message_that_is_not_handled_within_the_window(reach: Reach) -> None:
    """The post gets 408, and later messages of the batch are not handled. The session goes on."""
    longpoll = LongPoll(window=2)
    async with polling(reach, CHANNELS, longpoll=longpoll) as (_, browser, _):
        token = await joined(browser)
        posted = await browser.post(
            token,
            pushing("1", None, "room:1", "note", 1),
            joining("2", "slow:1", {"seconds": 2.5}),
            pushing("1", None, "room:1", "note", 2),
        )
        assert posted == {"status": 408}
        assert running_loop().time() == 2
        assert frames_of(await browser.get(token)) == [reply("2", "2", "slow:1", ok())]
        assert await browser.post(token, pushing("1", None, "room:1", "note", 3)) == {"status": 200}
        await settle()
        assert handled == [1, 3]


async def test_a_post_behind_a_slow_join_waits_for_it(reach: Reach) -> None:
    """A join holds the connection. Posts are handled in order, and each has a separate window."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser)
        first = browser.start_post(
            token,
            joining("2", "slow:2", {"seconds": 6}),
            joining("3", "slow:3", {"seconds": 6}),
        )
        await advance(1)
        second = browser.start_post(token, pushing("1", None, "room:1", "note", 1))
        await advance(4)
        assert not second.is_answered
        assert handled == []
        assert (await second.answer()).body == {"status": 200}
        assert running_loop().time() == 6
        assert (await first.answer()).body == {"status": 200}
        assert running_loop().time() == 12
        assert handled == [1]
