"""Sessions in other processes that do not answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.clock import running_loop, settle

from .polling import joined, polling, token_of
from .rooms import CHANNELS

pytestmark = pytest.mark.clock("virtual")


@pytest.mark.conformance("LP020")
async def test_a_session_whose_process_does_not_answer_is_gone() -> None:
    """After the time limit a post gets 410, and a poll begins another session."""
    async with polling("elsewhere", CHANNELS) as (server, browser, _):
        topic = "phx:lp:dead"
        token = token_of(topic)
        deaf = server.endpoint.pubsub.subscribe(topic, lambda message: None)
        assert await browser.post(token, ["1", "1", "room:1", "phx_join", {}]) == {"status": 410}
        assert running_loop().time() == 2
        answer = await browser.get(token)
        assert answer.status == 410
        assert answer.token != token
        assert running_loop().time() == 4
        deaf.cancel()


async def test_a_session_whose_process_dies_while_it_is_at_it() -> None:
    """The post gets 408 in the end."""
    from bennu.transports.longpoll.messages import Posted, Progress

    async with polling("elsewhere", CHANNELS) as (server, browser, _):
        topic, pubsub = "phx:lp:dying", server.endpoint.pubsub
        token = token_of(topic)

        def take_and_die(message: Any) -> None:
            if isinstance(message, Posted):
                pubsub.local_broadcast(topic, Progress(message.ref))

        dying = pubsub.subscribe(topic, take_and_die)
        assert await browser.post(token, ["1", "1", "room:1", "phx_join", {}]) == {"status": 408}
        assert running_loop().time() == 12
        dying.cancel()


async def test_what_was_said_before_the_end_reaches_a_poll_that_asks_again() -> None:
    """The poll was woken, and the session ends while the poll asks for the messages."""
    options: dict[str, Any] = {"params": {"name": "ann"}}
    async with polling("elsewhere", CHANNELS, **options) as (server, browser, elsewhere):
        token = await joined(browser)
        waiting = browser.start("GET", token)
        await settle()
        ask = elsewhere.pubsub.broadcast_from

        async def end_first(sender: object, topic: str, message: Any) -> None:
            await server.endpoint.disconnect("ann")
            await ask(sender, topic, message)

        elsewhere.pubsub.broadcast_from = end_first  # type: ignore[method-assign]
        await server.endpoint.broadcast("room:1", "news", {})
        assert (await waiting.answer()).messages == [[None, None, "room:1", "news", {}]]
        assert running_loop().time() == 0
