"""Sessions in other processes that do not answer."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.bus import MemoryNetwork
from bennu.testing.clock import running_loop, settle
from tests.support.frames import broadcast, frames_of, joining, pushing

from .polling import joined, polling, token_of
from .rooms import CHANNELS

pytestmark = pytest.mark.clock("virtual")


@pytest.mark.conformance("LP020")
async def test_a_session_whose_process_does_not_answer_is_gone() -> None:
    """After the time limit a post gets 410, and a poll begins another session."""
    network = MemoryNetwork()
    async with polling("elsewhere", CHANNELS, network=network) as (_, browser, _):
        token = await joined(browser)
        network.cut("one", "two")
        assert await browser.post(token, pushing("1", "2", "room:1", "news")) == {"status": 410}
        assert running_loop().time() == 2
        answer = await browser.get(token)
        assert answer.status == 410
        assert answer.token != token
        assert running_loop().time() == 4
        network.heal()


async def test_a_session_whose_process_dies_while_it_is_at_it() -> None:
    """The post gets 408 in the end."""
    network = MemoryNetwork()
    async with polling("elsewhere", CHANNELS, network=network) as (_, browser, _):
        token = await browser.begin()
        post = browser.start_post(token, joining("1", "slow:1", {"seconds": 9}))
        await settle()
        network.cut("one", "two")
        assert (await post.answer()).body == {"status": 408}
        assert running_loop().time() == 12


async def test_the_sessions_of_a_process_that_has_ended_are_gone_at_once() -> None:
    network = MemoryNetwork()
    async with polling("elsewhere", CHANNELS, network=network) as (_, browser, _):
        token = await joined(browser)
        network.kill("one")
        assert await browser.post(token, pushing("1", "2", "room:1", "news")) == {"status": 410}
        assert (await browser.get(token)).status == 410
        assert running_loop().time() == 0


async def test_a_session_that_has_ended_is_gone_at_once() -> None:
    """Its node is there, and says that the session is not."""
    async with polling("elsewhere", CHANNELS) as (_, browser, _):
        token = token_of("phx:lp:gone")
        assert await browser.post(token, pushing("1", "2", "room:1", "news")) == {"status": 410}
        assert (await browser.get(token)).status == 410
        assert running_loop().time() == 0


async def test_what_was_said_before_the_end_reaches_a_poll_that_asks_again() -> None:
    """The poll was woken, and the session ends before the poll asks for the messages."""
    options: dict[str, Any] = {"params": {"name": "ann"}}
    async with polling("elsewhere", CHANNELS, **options) as (server, browser, _):
        token = await joined(browser)
        waiting = browser.start("GET", token)
        await settle()
        await server.endpoint.broadcast("room:1", "news", {})
        await server.endpoint.disconnect("ann")
        assert frames_of(await waiting.answer()) == [broadcast("room:1", "news", {})]
        assert running_loop().time() == 0
