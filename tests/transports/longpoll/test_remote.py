"""Long polling through a load balancer that sends each request to another node, and letters that are none."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from bennu.bus import MemoryNetwork
from bennu.pubsub.envelope import POLLS
from bennu.testing.clock import VirtualLoop, advance, settle
from bennu.testing.polling import Browser
from tests.support.frames import broadcast, frames_of, joining, ok, pushing, reply
from tests.support.memory import endpoint_of, serve

from .polling import SECRET, polling
from .rooms import CHANNELS

pytestmark = pytest.mark.clock("virtual")


class RoundRobin:
    """A load balancer: each request goes to the next application."""

    def __init__(self, *applications: Any) -> None:
        self.applications = applications
        self.requests = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        self.requests += 1
        await self.applications[self.requests % len(self.applications)](scope, receive, send)


async def test_every_request_can_go_to_another_node() -> None:
    """Pushes, replies and broadcasts of each node arrive once and in order."""
    network = MemoryNetwork()
    async with AsyncExitStack() as stack:
        endpoints = [
            endpoint_of(CHANNELS, pubsub=network.adapter(name), secret_key=SECRET)
            for name in ("one", "two", "three")
        ]
        for endpoint in endpoints:
            await stack.enter_async_context(serve(endpoint))
        balancer = RoundRobin(*endpoints)
        browser = Browser(balancer)
        token = await browser.begin()
        assert await browser.post(token, joining("1", "room:1")) == {"status": 200}
        assert frames_of(await browser.get(token)) == [reply("1", "1", "room:1", ok())]
        for number in range(12):
            ref = str(number + 2)
            sent = pushing("1", ref, "room:1", "echo", {"n": number})
            assert await browser.post(token, sent) == {"status": 200}
            await endpoints[number % 3].broadcast("room:1", "news", {"n": number})
            await settle()
            assert frames_of(await browser.get(token)) == [
                reply("1", ref, "room:1", ok({"n": number})),
                broadcast("room:1", "news", {"n": number}),
            ]
        waiting = browser.start("GET", token)
        await settle()
        await endpoints[2].broadcast("room:1", "news", {"n": 12})
        assert frames_of(await waiting.answer()) == [broadcast("room:1", "news", {"n": 12})]
        assert sum(endpoint.connections for endpoint in endpoints) == 1
        await advance(60)  # the session ends, because nobody polls


letters: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers(-(2**63), 2**63) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.lists(
        st.binary()
        | letters.map(msgspec.msgpack.encode)
        | st.tuples(st.just("session"), letters).map(msgspec.msgpack.encode),
        max_size=5,
    )
)
def test_letters_that_are_none_do_no_harm(sent: list[bytes]) -> None:
    """They are dropped, and logged without a traceback."""

    async def send() -> None:
        network = MemoryNetwork()
        async with polling("elsewhere", CHANNELS, network=network) as (server, browser, _):
            attacker = network.adapter("attacker")
            await attacker.start(lambda *_: None, lambda _: None)
            for data in sent:
                await attacker.publish(POLLS, data)
            await settle()
            token = await browser.begin()
            message = joining("1", "room:1")
            assert await browser.post(token, message) == {"status": 200}
            for record in server.records:
                assert "was dropped" in record.getMessage()
                assert record.exc_info is None
            server.records.clear()
            await attacker.stop()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(send())
