"""Limits on the bodies, polls and sessions of clients that poll."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from bennu import LongPoll
from bennu.errors import DefinitionError
from bennu.testing.clock import advance, running_loop, settle
from bennu.testing.polling import Browser, Request
from bennu.transports.longpoll.bodies import OVERHEAD
from tests.support.frames import broadcast, frames_of, heartbeat
from tests.support.inside import polls_of, sessions_of

from .polling import Reach, joined, polling
from .rooms import CHANNELS

pytestmark = pytest.mark.clock("virtual")


BEAT = json.dumps(heartbeat("9")).encode()


def unfinished(browser: Browser, token: str, piece: bytes = b"x", **scope: Any) -> Request:
    """Begin a POST whose body does not end."""
    return browser.start("POST", token, piece, stays_open=True, **scope)


def tables(polled: Any) -> int:
    """Return the number of entries that are left of served requests."""
    return polls_of(polled.server.endpoint) + polls_of(polled.elsewhere)


# Bodies: number and time.


async def test_a_slot_is_taken_before_the_body_is_read(reach: Reach) -> None:
    """A POST beyond the limit is answered at once, before its body is read."""
    async with polling(reach, CHANNELS, longpoll=LongPoll(max_posts=3)) as polled:
        token = await joined(polled.browser)
        posts = [unfinished(polled.browser, token) for _ in range(3)]
        await settle()
        assert (await unfinished(polled.browser, token).answer()).status == 408
        assert not any(post.is_answered for post in posts)
        for post in posts:
            post.disconnect()
        await settle()
        assert await polled.browser.post(token, BEAT.decode()) == {"status": 200}
        assert tables(polled) == 0


async def test_a_body_has_a_deadline(reach: Reach) -> None:
    """The HTTP status is 408, for any part of the body that has come."""
    async with polling(reach, CHANNELS) as polled:
        token = await joined(polled.browser)
        post = unfinished(polled.browser, token)
        keeping = asyncio.create_task(poll_on(polled.browser, token))
        start = running_loop().time()
        for _ in range(29):
            await advance(1)
            post.feed(b"x")
        assert not post.is_answered
        answer = await post.answer()
        assert (answer.http_status, answer.headers["connection"]) == (408, "close")
        assert b"within 30 seconds" in answer.content
        assert running_loop().time() == start + 30
        keeping.cancel()
        polled.server.logged("body_timeout", level=logging.WARNING)
        assert polled.server.endpoint.telemetry.exceeded if reach == "here" else True
        await settle()
        assert tables(polled) == 0


async def poll_on(browser: Browser, token: str) -> None:
    """Poll until cancelled."""
    while True:
        await browser.get(token)


async def test_unfinished_bodies_end_with_their_session() -> None:
    async with polling("here", CHANNELS, longpoll=LongPoll(body_timeout=300)) as polled:
        token = await joined(polled.browser)
        posts = [unfinished(polled.browser, token) for _ in range(3)]
        await settle()
        await advance(30)
        assert polled.server.endpoint.connections == 0
        assert [post.is_answered for post in posts] == [True] * 3
        assert [(await post.answer()).status for post in posts] == [410] * 3
        assert tables(polled) == 0


# Bodies: bytes.

SMALL = LongPoll(max_body=100_000, max_bodies=800_000)


async def test_all_bodies_of_a_session_have_the_bytes_of_one() -> None:
    async with polling("here", CHANNELS, longpoll=SMALL) as polled:
        token = await joined(polled.browser)
        first = unfinished(polled.browser, token, b"x" * 99_000)
        await settle()
        second = unfinished(polled.browser, token, b"x" * 99_000)
        answer = await second.answer()
        assert (answer.http_status, answer.headers["retry-after"]) == (503, "5")
        polled.server.logged("LongPoll(max_bodies=...)", level=logging.WARNING)
        first.disconnect()
        await settle()
        third = unfinished(polled.browser, token, b"x" * 99_000)
        await settle()
        assert not third.is_answered
        third.disconnect()
        await settle()
        assert tables(polled) == 0


@pytest.mark.parametrize(
    ("address", "per_session", "fits"),
    [("203.0.113.{0}", 90_000, 7), ("203.0.113.1", 90_000, 2), ("2001:db8::{0}", 90_000, 2)],
    ids=["all", "an address", "a network"],
)
async def test_bodies_have_a_bound_in_bytes(address: str, per_session: int, fits: int) -> None:
    """An address can have a quarter of all bytes. Each POST counts some additional bytes."""
    async with polling("here", CHANNELS, longpoll=SMALL) as polled:
        posts = []
        for number in range(12):
            token = await polled.browser.begin()
            client = (address.format(number + 1), 1000 + number)
            posts.append(unfinished(polled.browser, token, b"x" * per_session, client=client))
            await settle()
        assert sum(not post.is_answered for post in posts) == fits
        refused = [(await post.answer()).http_status for post in posts if post.is_answered]
        assert set(refused) == {503}
        polled.server.logged("LongPoll(max_bodies=...)", level=logging.WARNING)
        for post in posts:
            post.disconnect()
        await settle()
        assert tables(polled) == 0


async def test_tiny_bodies_have_a_bound_too() -> None:
    options = LongPoll(max_body=OVERHEAD, max_bodies=8 * OVERHEAD, max_posts=100)
    async with polling("here", CHANNELS, longpoll=options) as polled:
        posts = []
        for _ in range(10):
            token = await polled.browser.begin()
            posts.append(unfinished(polled.browser, token))
            await settle()
        assert sum(not post.is_answered for post in posts) == 2
        polled.server.logged("LongPoll(max_bodies=...)", level=logging.WARNING)
        for post in posts:
            post.disconnect()


async def test_a_body_that_says_it_is_too_long_is_not_read(reach: Reach) -> None:
    async with polling(reach, CHANNELS) as polled:
        token = await joined(polled.browser)
        post = unfinished(polled.browser, token, headers={"content-length": "8000001"})
        assert (await post.answer()).http_status == 400


async def test_the_largest_body_fits_whatever_else_is_set() -> None:
    options = LongPoll(max_body=1000, max_bodies=1000)
    async with polling("here", CHANNELS, longpoll=options) as polled:
        token = await joined(polled.browser)
        body = BEAT[:-2] + b" " * (1000 - len(BEAT)) + BEAT[-2:]
        assert len(body) == 1000
        assert await polled.browser.post(token, body.decode()) == {"status": 200}


async def test_a_request_without_a_session_is_answered_before_its_body() -> None:
    async with polling("here", CHANNELS) as polled:
        post = polled.browser.start("POST", None, b"x", stays_open=True)
        assert (await post.answer()).status == 410


# Polls.


async def test_of_too_many_polls_the_oldest_is_answered(reach: Reach) -> None:
    """The answer has no messages. The newest poll gets the next messages, as in Phoenix."""
    async with polling(reach, CHANNELS) as polled:
        token = await joined(polled.browser)
        polls = []
        for _ in range(20):
            polls.append(polled.browser.start("GET", token))
            await settle()
        assert [poll.is_answered for poll in polls] == [True] * 16 + [False] * 4
        assert (await polls[0].answer()).status == 204
        await polled.server.endpoint.broadcast("room:1", "news", {})
        await settle()
        assert frames_of(await polls[-1].answer()) == [broadcast("room:1", "news", {})]
        assert [(await poll.answer()).status for poll in polls[16:19]] == [204] * 3
        assert tables(polled) == 0


# Sessions.


@pytest.mark.parametrize(
    ("addresses", "begun"),
    [
        (["203.0.113.1"] * 5, 3),
        ([f"203.0.113.{n}" for n in range(5)], 5),
        ([f"2001:db8::{n}" for n in range(5)], 3),
        ([None] * 5, 5),
    ],
    ids=["one", "several", "one network", "unknown"],
)
async def test_an_address_has_a_limit_of_sessions(addresses: list[Any], begun: int) -> None:
    options = LongPoll(max_sessions_per_ip=3)
    async with polling("here", CHANNELS, longpoll=options) as polled:
        answers = [
            await polled.browser.get(client=address and (address, 1000)) for address in addresses
        ]
        assert [answer.http_status for answer in answers] == [200] * begun + [429] * (5 - begun)
        if begun < 5:
            assert answers[-1].headers["retry-after"] == "5"
            polled.server.logged("LongPoll(max_sessions_per_ip=...)", level=logging.WARNING)
        await advance(30)
        assert (await polled.browser.get(client=("203.0.113.1", 1000))).status == 410


async def test_no_limit_of_an_address() -> None:
    options = LongPoll(max_sessions_per_ip=None, max_sessions=5)
    async with polling("here", CHANNELS, longpoll=options) as polled:
        statuses = [(await polled.browser.get()).http_status for _ in range(6)]
        assert statuses == [200] * 5 + [503]
        polled.server.logged("LongPoll(max_sessions=...)", level=logging.WARNING)


async def test_a_client_that_goes_while_it_is_decided_on_leaves_its_place() -> None:
    """The user's connect is cancelled."""
    cancelled: list[bool] = []

    async def connect() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    options: dict[str, Any] = {"connect": connect, "id": None}
    async with polling("here", CHANNELS, longpoll=LongPoll(max_sessions=1), **options) as polled:
        for number in range(1, 4):
            poll = polled.browser.start("GET")
            await settle()
            assert not poll.is_answered
            poll.disconnect()
            await settle()
            assert poll.task.done()
            assert len(cancelled) == number
        assert not sessions_of(polled.server.endpoint)


# What may be set.


@pytest.mark.parametrize(
    "options",
    [
        {"body_timeout": 0},
        {"max_posts": -1},
        {"max_polls": 0},
        {"max_bodies": None},
        {"max_sessions_per_ip": 0},
        {"max_body": "8"},
        {"window": True},
        {"max_body": 100, "max_bodies": 99},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError) as caught:
        LongPoll(**options)
    assert f"LongPoll({list(options)[-1]}=...)" in str(caught.value)
