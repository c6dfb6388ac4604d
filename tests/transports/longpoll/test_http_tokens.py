"""The tokens of requests: their places, and their validity."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bennu import (
    Endpoint,
    LongPoll,
    Socket,
)
from bennu.bus import MemoryNetwork
from bennu.testing.clock import running_loop
from bennu.testing.polling import Browser
from tests.support.frames import frames_of, joining, ok, reply
from tests.support.memory import endpoint_of, serve

from .polling import SECRET, Reach, polling, token_of
from .rooms import CHANNELS

pytestmark = pytest.mark.clock("virtual")


@pytest.mark.conformance("LP020", "LP035", "LP036")
async def test_a_token_may_come_in_a_header(reach: Reach) -> None:
    """This holds for polls and posts. The header wins over the query, whose token can be stale."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await browser.begin()
        in_header = {"x-phoenix-longpoll-token": token}
        stale = "stale"
        for other in (None, stale):
            ref = str(other)
            assert await browser.post(other, joining(ref, f"room:{ref}"), headers=in_header) == {
                "status": 200
            }
            polled = await browser.get(other, headers=in_header)
            assert (polled.status, polled.token) == (200, token)
            assert frames_of(polled) == [reply(ref, ref, f"room:{ref}", ok())]
        header_is_stale = {"x-phoenix-longpoll-token": stale}
        answer = await browser.get(token, headers=header_is_stale)
        assert answer.status == 410
        assert answer.token != token


async def test_tokens_that_are_not_good_are_none(reach: Reach) -> None:
    """With a forged token, a stale token, or a token of another mount, a poll begins a session, and a post gets
    410.
    """

    async def connect() -> None: ...

    async with polling(reach, CHANNELS) as (server, browser, elsewhere):
        topic, token = "phx:lp:none", await browser.begin()
        bad = [
            "",
            token[:-1],
            token_of(topic, secret="another secret of this length"),
            token_of(topic, max_age=-1),
            token_of(topic, mount="/elsewhere"),
            token_of(topic),
        ]
        for one in bad:
            assert await browser.post(one, joining("1", "room:1")) == {"status": 410}
            answer = await browser.get(one)
            assert answer.status == 410
            assert answer.token not in (one, token)
        assert running_loop().time() == 0
        assert server.endpoint.connections + elsewhere.connections == 1 + len(bad)


async def test_a_token_is_good_for_its_mount_alone() -> None:
    """Each socket has separate sessions."""

    async def connect() -> None: ...

    socket: Socket[Any] = Socket(connect=connect, channels=CHANNELS, longpoll=True)
    other: Socket[Any] = Socket(connect=connect, channels=CHANNELS, longpoll=True)
    async with serve(Endpoint(sockets={"/socket": socket, "/other": other})) as server:
        token = await Browser(server.endpoint).begin()
        assert (await Browser(server.endpoint, path="/other/longpoll").get(token)).token != token


async def test_a_token_has_an_age() -> None:
    """A token that is too old is invalid, even if its session lives."""
    async with polling("here", CHANNELS, longpoll=LongPoll(max_age=1e-9)) as (_, browser, _):
        token = await browser.begin()
        made = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 == made:
            pass  # a token counts in milliseconds
        assert (await browser.get(token)).token != token


async def test_without_a_secret_key_tokens_are_good_in_their_process() -> None:
    """Another endpoint does not accept them."""
    endpoint, other = (endpoint_of(CHANNELS, longpoll=True) for _ in range(2))
    async with serve(endpoint), serve(other):
        token = await Browser(endpoint).begin()
        assert (await Browser(endpoint).get(token)).token == token
        assert (await Browser(other).get(token)).token != token


async def test_a_secret_may_be_changed() -> None:
    """The first secret signs. Tokens of the other secrets are valid."""
    network = MemoryNetwork()
    old, new = (
        endpoint_of(CHANNELS, longpoll=True, secret_key=secret, pubsub=network.adapter(name))
        for name, secret in (("old", SECRET), ("new", ["the secret from now on", SECRET]))
    )
    async with serve(old), serve(new):
        token = await Browser(old).begin()
        assert (await Browser(new).get(token)).token == token
