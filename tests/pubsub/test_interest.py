"""The topics that a node hears from other nodes: when they begin and end, and what happens if the bus fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from bennu.bus import MemoryAdapter, MemoryNetwork
from bennu.errors import EncodeError
from bennu.logs.log import Log
from bennu.pubsub.interest import LINGER, PATIENCE, RETRY, TopicInterest
from bennu.testing.clock import advance, running_loop, settle
from tests.support.clock import timers

from ..support.hostile_adapter import HostileAdapter
from .hearing import Tasks


class Ends(NamedTuple):
    """Both ends of a bus: the interest of one node, and another node that publishes."""

    interest: TopicInterest
    adapter: HostileAdapter
    inner: MemoryAdapter
    other: MemoryAdapter
    heard: list[bytes]

    async def hears(self, topic: str) -> bool:
        """Return whether the other node reaches the first."""
        before = len(self.heard)
        await self.other.publish(topic, b"hello")
        await settle()
        return len(self.heard) > before


@asynccontextmanager
async def ends(linger: float = LINGER) -> AsyncIterator[Ends]:
    network = MemoryNetwork()
    inner, other = network.adapter("one"), network.adapter("two")
    adapter, tasks, heard = HostileAdapter(inner), Tasks(), list[bytes]()
    await adapter.start(lambda _node, _topic, data: heard.append(data), lambda _: None)
    await other.start(lambda *_: None, lambda _: None)
    interest = TopicInterest(adapter, tasks.spawn, Log(), linger)
    yield Ends(interest, adapter, inner, other, heard)
    interest.stop()
    await tasks.end()
    assert timers() == 0
    await adapter.stop()
    await other.stop()


async def test_a_topic_is_heard_while_it_is_kept_and_lingers() -> None:
    """It is heard for ten seconds more. Then nothing of it is left, here and at the adapter."""
    async with ends() as both:
        interest, _, inner, _, _ = both
        assert not await both.hears("A")
        interest.keep("A")
        assert await interest.heard("A")
        assert await both.hears("A")
        interest.let_go("A")
        await advance(LINGER - 1)
        assert await both.hears("A")
        await advance(2)
        assert not await both.hears("A")
        assert len(interest) == 0
        assert inner.topics == set()


async def test_a_topic_that_is_taken_again_is_not_subscribed_again() -> None:
    """A user who reloads a page costs no round trip to the bus."""
    async with ends() as both:
        interest, adapter, _, _, _ = both
        interest.keep("A")
        await settle()
        for _ in range(10):
            interest.let_go("A")
            await advance(LINGER / 2)
            interest.keep("A")
        await advance(10 * LINGER)
        assert await both.hears("A")
        assert adapter.subscribed == [{"A"}]


async def test_topics_end_in_the_order_in_which_they_were_let_go() -> None:
    """One that is let go again lingers for its full time, and holds up no other."""
    async with ends() as (interest, _, inner, _, _):
        for topic in "ABC":
            interest.keep(topic)
        await settle()
        interest.let_go("A")
        await advance(1)
        interest.let_go("B")
        await advance(1)
        interest.let_go("A")
        await advance(LINGER - 1)
        assert inner.topics == {"A", "C"}
        await advance(1)
        assert inner.topics == {"C"}


async def test_the_new_topics_of_a_turn_go_to_the_adapter_in_one_call() -> None:
    """A thousand clients that connect at once cost one call."""
    async with ends() as (interest, adapter, _, _, _):
        topics = {f"room:{number}" for number in range(1000)}
        for topic in topics:
            interest.keep(topic)
        assert await interest.heard("room:1")
        assert adapter.subscribed == [topics]


async def test_a_wait_without_a_subscriber_lets_the_topic_linger() -> None:
    """A client that goes away while it joins leaves nothing behind."""
    async with ends() as (interest, _, inner, _, _):
        assert await interest.heard("A")
        assert inner.topics == {"A"}
        await advance(LINGER + 1)
        assert inner.topics == set()
        assert len(interest) == 0


async def test_a_topic_that_somebody_waits_for_does_not_end_meanwhile() -> None:
    """The topic was about to end. Its subscriber comes after the wait, and must not subscribe anew."""
    async with ends() as both:
        interest, adapter, _, _, _ = both
        adapter.hangs.add("subscribe")
        interest.keep("A")
        await settle()
        interest.let_go("A")
        await advance(LINGER - 0.1)
        waiting = asyncio.create_task(interest.heard("A"))
        await advance(0.5)
        adapter.release()
        assert await waiting
        interest.keep("A")
        assert await both.hears("A")
        assert adapter.subscribed == [{"A"}]


async def test_a_wait_ends_after_a_second_if_the_bus_hangs() -> None:
    """Ten thousand clients that join one topic wait together. What the bus confirms later is heard."""
    async with ends() as both:
        interest, adapter, _, _, _ = both
        adapter.hangs.add("subscribe")
        interest.keep("A")
        answers = await asyncio.gather(*(interest.heard("A") for _ in range(10_000)))
        assert running_loop().time() == PATIENCE
        assert not any(answers)
        assert not await both.hears("A")
        adapter.release()
        await settle()
        assert await both.hears("A")
        assert await interest.heard("A")
        assert running_loop().time() == PATIENCE


async def test_a_wait_without_patience_does_not_wait() -> None:
    """While the bus is known to be down, a join is answered at once."""
    async with ends() as (interest, adapter, _, _, _):
        adapter.hangs.add("subscribe")
        assert not await interest.heard("A", 0)
        assert running_loop().time() == 0


async def test_a_wait_that_is_cancelled_disturbs_no_other() -> None:
    """The other waits get their confirmation."""
    async with ends() as (interest, adapter, _, _, _):
        adapter.hangs.add("subscribe")
        one, two = (asyncio.create_task(interest.heard("A")) for _ in range(2))
        await settle()
        one.cancel()
        await settle()
        adapter.release()
        assert await two
        assert one.cancelled()


async def test_an_old_confirmation_does_not_count_for_a_new_subscription() -> None:
    """The topic was dropped while the bus hung, and taken again. The bus must confirm the second subscription."""
    async with ends() as both:
        interest, adapter, _, _, _ = both
        adapter.hangs.add("subscribe")
        interest.keep("A")
        await settle()
        interest.let_go("A")
        await advance(LINGER + 1)
        first = interest
        adapter.release()
        adapter.hangs.add("subscribe")
        interest.keep("A")
        await settle()
        assert not await first.heard("A")
        adapter.release()
        await settle()
        assert await interest.heard("A")
        assert await both.hears("A")


async def test_a_topic_that_ends_before_it_begins_is_not_subscribed_to() -> None:
    """The event loop hung between the two turns. A subscription that nobody wants would stay for ever."""
    async with ends(linger=0) as (interest, adapter, inner, _, _):
        interest.keep("A")
        interest.let_go("A")
        await advance(1)
        assert inner.topics == set()
        assert adapter.subscribed == []
        interest.keep("B")
        interest.keep("C")
        interest.let_go("C")
        await advance(1)
        assert inner.topics == {"B"}


async def test_a_topic_that_the_bus_refuses_does_not_cost_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The topics are tried one by one. One that can't be sent is logged once, and nobody waits for it."""
    async with ends() as (interest, adapter, inner, _, _):
        bad = "\ud800"

        async def subscribe(topics: object) -> None:
            if bad in topics:  # type: ignore[operator]
                raise EncodeError("a topic is text")
            await inner.subscribe(topics)  # type: ignore[arg-type]

        adapter.subscribe = subscribe  # type: ignore[method-assign]
        for topic in ("A", bad, "B"):
            interest.keep(topic)
        assert await interest.heard("B")
        assert inner.topics == {"A", "B"}
        await interest.heard(bad)
        await advance(10 * RETRY)
        assert running_loop().time() == 10 * RETRY
        [record] = caplog.records
        assert "can't be heard from other nodes" in record.getMessage()


@pytest.mark.parametrize("error", [OSError("no route"), asyncio.CancelledError("not by us")])
async def test_a_subscription_that_raises_is_tried_again(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Each try is a line in the log. The topics that are dropped meanwhile are not tried again."""
    async with ends(linger=1) as (interest, adapter, inner, _, _):
        adapter.raises["subscribe"] = error
        for topic in "ABC":
            interest.keep(topic)
        assert not await interest.heard("A")
        assert len(caplog.records) == 3
        assert adapter.subscribed == [{"A", "B", "C"}, {"A"}, {"B"}, {"C"}]
        interest.let_go("C")
        await advance(RETRY)
        assert adapter.subscribed[4:] == [{"A", "B"}, {"A"}, {"B"}]
        del adapter.raises["subscribe"]
        await advance(RETRY)
        assert inner.topics == {"A", "B"}
        interest.let_go("A")
        interest.let_go("B")
        await advance(RETRY)
        assert len(interest) == 0


async def test_an_unsubscription_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The next topics end as before."""
    async with ends() as (interest, adapter, inner, _, _):
        for topic in "AB":
            interest.keep(topic)
        await settle()
        interest.let_go("A")
        await advance(1)
        interest.let_go("B")
        adapter.raises["unsubscribe"] = OSError("no route")
        await advance(LINGER - 0.5)
        del adapter.raises["unsubscribe"]
        await advance(1)
        assert len(interest) == 0
        assert inner.topics == {"A"}
        [record] = caplog.records
        assert "1 topics are still heard" in record.getMessage()


async def test_after_the_stop_nothing_happens() -> None:
    """Whoever waits goes on. Calls that come later have no effect, and leave no timer."""
    async with ends() as (interest, adapter, _, _, _):
        interest.keep("A")
        await settle()
        adapter.hangs.add("subscribe")
        adapter.raises["unsubscribe"] = AssertionError("it is stopped")
        waiting = asyncio.create_task(interest.heard("B"))
        await settle()
        interest.let_go("A")
        interest.stop()
        assert not await waiting
        interest.let_go("A")
        interest.keep("C")
        assert not await interest.heard("D")
        assert len(interest) == 0
        assert timers() == 0
        interest.stop()
        await advance(2 * LINGER)


async def test_a_stop_in_the_turn_of_a_new_topic() -> None:
    """The adapter is stopped, so it is not asked."""
    async with ends() as (interest, adapter, _, _, _):
        interest.keep("A")
        interest.stop()
        await settle()
        assert adapter.subscribed == []


async def test_memory_does_not_grow_with_the_topics_ever_heard() -> None:
    """Thirty thousand topics come and go."""
    async with ends() as (interest, _, inner, _, _):
        for turn in range(30):
            for number in range(1000):
                interest.keep(f"{turn}:{number}")
            await settle()
            for number in range(1000):
                interest.let_go(f"{turn}:{number}")
            await advance(1)
            assert len(interest) <= (LINGER + 1) * 1000
        await advance(LINGER + 1)
        assert len(interest) == 0
        assert inner.topics == set()
        assert timers() == 0
