"""The feed of a store on a broker in memory, which fails on request. Time is virtual."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from bennu.bus.broker.driver import Gap
from bennu.bus.broker.settings import BrokerSettings, Channels
from bennu.errors import DefinitionError, EncodeError, StoreUnavailable
from bennu.store.feed import Feed
from bennu.testing.contract_node import until
from tests.bus.broker.memory_broker import MemoryBroker, MemoryDriver

CHANNELS = Channels("chat")
BEAT = "chat:beat"
SETTINGS = BrokerSettings(first_delay=0.1, last_delay=2.0)


class FeedOnMemory:
    """A feed, and what it heard.

    Attributes:
        heard: The topic and bytes of each message.
        again: The topics that must be read again.
    """

    def __init__(self, broker: MemoryBroker, heartbeat: str | None = BEAT) -> None:
        self.broker = broker
        self.heard: list[tuple[str, bytes]] = []
        self.again: list[str] = []
        self.feed = Feed(
            broker.driver(),
            CHANNELS,
            lambda topic, data: self.heard.append((topic, data)),
            self.again.append,
            heartbeat=heartbeat,
            settings=SETTINGS,
        )

    def publish(self, topic: str, data: bytes) -> None:
        self.broker.publish(CHANNELS.of_topic(topic), data)

    async def hears(self, topic: str) -> None:
        """Publish until a message comes."""
        count = len(self.heard)
        self.publish(topic, b"?")
        await until(lambda: len(self.heard) > count)


@asynccontextmanager
async def started(
    broker: MemoryBroker, heartbeat: str | None = BEAT
) -> AsyncGenerator[FeedOnMemory]:
    on_memory = FeedOnMemory(broker, heartbeat)
    on_memory.feed.start()
    try:
        yield on_memory
    finally:
        await on_memory.feed.stop()
        assert broker.channels == {}
        assert broker.connections == []


async def test_messages_of_subscribed_topics_are_heard() -> None:
    async with started(MemoryBroker()) as one:
        await one.feed.subscribe(["a", "b"])
        assert one.feed.is_connected
        one.publish("a", b"1")
        one.publish("other", b"2")
        one.publish("b", b"3")
        await until(lambda: len(one.heard) == 2)
        assert one.heard == [("a", b"1"), ("b", b"3")]
        one.feed.unsubscribe(["a", "never"])
        await one.feed.subscribe(["c"])
        one.publish("a", b"4")
        await one.hears("c")
        assert one.heard[2:] == [("c", b"?")]
        assert one.again == []


async def test_a_subscription_waits_for_the_confirmation() -> None:
    broker = MemoryBroker()
    async with started(broker) as one:
        await one.feed.subscribe(["a"])
        broker.confirms.clear()
        waiting = asyncio.ensure_future(one.feed.subscribe(["a", "b"]))
        await asyncio.sleep(1)
        assert not waiting.done()
        broker.confirms.set()
        await waiting


async def test_a_cancelled_subscription_still_subscribes() -> None:
    broker = MemoryBroker()
    broker.confirms.clear()
    async with started(broker) as one:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await one.feed.subscribe(["a"])
        broker.confirms.set()
        await one.feed.subscribe(["a"])
        await one.hears("a")


async def test_a_topic_that_is_too_long_is_refused() -> None:
    async with started(MemoryBroker()) as one:
        with pytest.raises(EncodeError):
            await one.feed.subscribe(["a", "x" * 65_536])


@pytest.mark.parametrize("heartbeat", [BEAT, None])
async def test_after_a_lost_connection_every_topic_is_read_again(
    heartbeat: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    broker = MemoryBroker()
    caplog.set_level(logging.WARNING)
    async with started(broker, heartbeat) as one:
        await one.feed.subscribe(["a", "b"])
        broker.stop()
        await until(lambda: not one.feed.is_connected)
        one.publish("a", b"lost")
        await asyncio.sleep(30)
        assert 10 < len(broker.attempts) < 60  # the pauses grow to two seconds at most
        broker.start()
        await until(lambda: one.feed.is_connected)
        assert sorted(one.again) == ["a", "b"]
        await one.hears("a")
        assert one.heard == [("a", b"?")]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "memory://broker announces no new entries" in caplog.text
    assert "announces new entries again" in caplog.text


async def test_a_subscription_while_the_broker_is_down_fails_and_holds_later() -> None:
    broker = MemoryBroker()
    broker.stop()
    async with started(broker) as one:
        first = asyncio.ensure_future(one.feed.subscribe(["a"]))  # before the first attempt
        with pytest.raises(StoreUnavailable, match=r"memory://broker can't be reached: nobody"):
            await first
        with pytest.raises(StoreUnavailable):
            await one.feed.subscribe(["b"])
        broker.start()
        await until(lambda: one.feed.is_connected)
        await one.feed.subscribe(["a", "b"])
        assert one.again == []  # there was no earlier connection
        await one.hears("b")


async def test_a_broker_that_refuses_is_tried_again_too() -> None:
    """A password can be changed, and changed back."""
    broker = MemoryBroker()
    broker.stop()
    broker.refuses = DefinitionError("the bus x", expected="y", got="it refused z", write="w")
    async with started(broker) as one:
        with pytest.raises(StoreUnavailable, match=r"reached: it refused z \(expected y\)$"):
            await one.feed.subscribe(["a"])
        broker.start()
        await until(lambda: one.feed.is_connected)
        await one.hears("a")


async def test_a_broker_that_hangs_is_noticed_by_the_heartbeat() -> None:
    broker = MemoryBroker()
    async with started(broker) as one:
        await one.feed.subscribe(["a"])
        await asyncio.sleep(20)
        assert broker.connects == 1
        broker.hang()
        begun = asyncio.get_running_loop().time()
        await until(lambda: not one.feed.is_connected)
        assert asyncio.get_running_loop().time() - begun <= SETTINGS.deaf + SETTINGS.beat
        await asyncio.sleep(10)
        broker.wake()
        await until(lambda: one.again)
        await one.hears("a")


async def test_a_broker_that_takes_nothing_is_noticed() -> None:
    broker = MemoryBroker()
    async with started(broker) as one:
        await one.feed.subscribe(["a"])
        broker.takes.clear()
        await until(lambda: not one.feed.is_connected)
        broker.takes.set()
        await until(lambda: one.again == ["a"])


async def test_an_event_loop_that_was_held_is_not_the_fault_of_the_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = MemoryBroker()
    async with started(broker) as one:
        await one.feed.subscribe(["a"])
        loop = asyncio.get_running_loop()
        real, jump = loop.time, 0.0
        monkeypatch.setattr(loop, "time", lambda: real() + jump)
        for _ in range(5):
            jump += 60
            await asyncio.sleep(2)
        assert broker.connects == 1


async def test_a_subscription_that_fails_ends_the_connection() -> None:
    """A call of the driver that raises is the end of its connection, also if the driver does not say so."""
    broker = MemoryBroker()
    async with started(broker) as one:
        await one.feed.subscribe(["a"])
        broker.connections[0].connection = 0
        waiting = asyncio.ensure_future(one.feed.subscribe(["b"]))
        with pytest.raises(StoreUnavailable, match="not connected"):
            await waiting
        await until(lambda: one.again)
        await one.hears("b")


async def test_a_gap_of_a_part_of_the_broker_makes_every_topic_be_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = FeedOnMemory(MemoryBroker())
    gaps: list[Gap] = []
    monkeypatch.setattr(MemoryDriver, "on_gap", lambda _, gap: gaps.append(gap))
    one.feed.start()
    await one.feed.subscribe(["a", "b"])
    gaps[0](1.5)
    assert one.again == ["a", "b"]
    await one.feed.stop()


async def test_a_feed_that_stops_lets_a_connection_be_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = MemoryBroker()
    one = FeedOnMemory(broker)
    one.feed.start()
    await one.feed.subscribe(["a"])
    closes = 0
    may_close, close = asyncio.Event(), MemoryDriver.close

    async def slow(driver: MemoryDriver) -> None:
        nonlocal closes
        closes += 1
        await may_close.wait()
        await close(driver)

    monkeypatch.setattr(MemoryDriver, "close", slow)
    broker.connections[0].cut()
    await until(lambda: closes)
    stopping = asyncio.ensure_future(one.feed.stop())
    await asyncio.sleep(0.1)
    assert not stopping.done()
    may_close.set()
    await stopping
    assert closes == 1
    assert broker.connects == 1


async def test_a_feed_that_stops_lets_nobody_wait() -> None:
    broker = MemoryBroker()
    broker.hang()
    one = FeedOnMemory(broker)
    one.feed.start()
    waiting = asyncio.ensure_future(one.feed.subscribe(["a"]))
    await asyncio.sleep(0.1)
    await one.feed.stop()
    await waiting
    await one.feed.stop()
