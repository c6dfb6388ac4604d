"""The contract of a bus, as tests that any adapter can run.

Write a subclass whose name begins with ``Test``, in a test module of your own::

    import pytest
    from bennu.testing.bus_contract import BusContract
    from mybus import MyAdapter

    class TestMyAdapter(BusContract):
        @pytest.fixture(autouse=True)
        def bus(self, tmp_path):
            self.address = start_my_bus(tmp_path)

        def adapter(self, node):
            return MyAdapter(self.address, node)

Each test gets a bus without nodes, makes adapters, starts and stops them. For readable failures, call
``pytest.register_assert_rewrite("bennu.testing.bus_contract")`` in ``conftest.py``, before the import.

The tests wait for states, and fail after ``patience`` seconds. They use real time, and no plugin of pytest.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest

from ..bus.bus import BusAdapter
from ..errors import NotStarted
from .contract_node import ContractNode, until

__all__ = ["BusContract"]


class BusContract(ABC):
    """The tests. A subclass says how an adapter is made.

    Attributes:
        patience: Seconds after which a test fails.
        largest: Bytes of the largest message that the tests send.
    """

    patience = 20.0
    largest = 1024 * 1024

    @abstractmethod
    def adapter(self, node: str) -> BusAdapter:
        """Return an adapter for a node of this name, not started. All adapters of a test share one bus."""

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        """Run a test on an event loop. Override it for another kind of loop."""
        asyncio.run(test)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a state."""
        await until(condition, self.patience)

    @asynccontextmanager
    async def interrupted(self, one: BusAdapter, other: BusAdapter) -> AsyncGenerator[None]:
        """Interrupt the bus between two nodes, and restore it at the end. Both nodes live on.

        Override it if messages can be lost on your bus: cut a connection, or restart a broker. What was lost must have
        been counted after the next messages. By default nothing is interrupted.
        """
        yield

    @asynccontextmanager
    async def cluster(
        self, *names: str, can_lose: bool = False
    ) -> AsyncGenerator[list[ContractNode]]:
        """Start nodes. At the end stop them, and check that nothing was lost on the way.

        Args:
            names: The names of the nodes.
            can_lose: Whether the test interrupts the bus, so that messages can be lost.
        """
        async with AsyncExitStack() as stack:
            nodes = [ContractNode(self.adapter(name)) for name in names]
            for node in nodes:
                stack.push_async_callback(node.adapter.stop)
                await node.start()
            yield nodes
        assert can_lose or [loss for node in nodes for loss in node.losses] == []

    # What arrives, and where.

    def test_a_message_reaches_the_other_subscribers_of_its_topic(self) -> None:
        async def test() -> None:
            async with self.cluster("one", "two", "three", "four") as (one, two, three, four):
                for node in (one, two, three):
                    await node.adapter.subscribe(["room:1"])
                await four.adapter.subscribe(["room:2"])
                assert await one.adapter.publish("room:1", b"hello") in (2, None)
                await one.adapter.publish("room:2", b"end")
                await self.until(lambda: two.heard and three.heard and four.heard)
                await one.adapter.confirm()
                assert two.heard == three.heard == [("one", "room:1", b"hello")]
                assert four.heard == [("one", "room:2", b"end")]
                assert one.heard == []  # never to itself

        self.run(test())

    def test_a_message_for_one_node_reaches_that_node_alone(self) -> None:
        async def test() -> None:
            async with self.cluster("one", "two", "three") as (one, two, three):
                for node in (one, two, three):
                    await node.adapter.subscribe(["t"])
                assert await one.adapter.publish("t", b"for two", "two") in (1, None)
                assert await one.adapter.publish("t", b"nobody", "four") in (0, None)
                assert await one.adapter.publish("t", b"myself", "one") in (0, None)
                assert await one.adapter.publish("other", b"no interest", "two") in (0, None)
                await one.adapter.publish("t", b"for all")
                await self.until(
                    lambda: b"for all" in two.data("t") and b"for two" in two.data("t")
                )
                await self.until(lambda: three.data("t"))
                assert sorted(two.data("t")) == [b"for all", b"for two"]
                assert three.data("t") == [b"for all"]
                assert one.heard == []

        self.run(test())

    def test_a_topic_that_nobody_hears_costs_nothing(self) -> None:
        async def test() -> None:
            async with self.cluster("one", "two") as (one, two):
                assert await one.adapter.publish("t", b"1") in (0, None)
                await one.adapter.confirm()
                assert two.heard == []

        self.run(test())

    @pytest.mark.parametrize(
        "topic",
        ["", " ", "a b", "*", ">", "a.b.*", "ä:日本:🐦", "a\r\nb\t\0", "%s{}[]", "x" * 1000],
    )
    def test_any_text_is_a_topic(self, topic: str) -> None:
        async def test() -> None:
            async with self.cluster("one", "two") as (one, two):
                await two.adapter.subscribe([topic])
                await one.adapter.publish(topic + "!", b"another topic")
                await one.adapter.publish(topic, b"1")
                await self.until(lambda: two.heard)
                assert two.heard == [("one", topic, b"1")]

        self.run(test())

    def test_any_bytes_are_a_message(self) -> None:
        async def test() -> None:
            async with self.cluster("one", "two") as (one, two):
                await two.adapter.subscribe(["t"])
                messages = [b"", bytes(range(256)), b"\r\n$5\r\n", b"z" * self.largest, b"last"]
                for data in messages:
                    await one.adapter.publish("t", data)
                await self.until(lambda: len(two.heard) >= len(messages))
                assert two.data("t") == messages

        self.run(test())

    # Interest.

    def test_what_is_published_after_subscribe_has_returned_is_heard(self) -> None:
        async def test() -> None:
            async with self.cluster("one", "two", "three") as (one, two, three):
                for number in range(50):
                    topic = f"room:{number}"
                    await two.adapter.subscribe([topic])
                    await one.adapter.publish(topic, b"1")
                    await three.adapter.publish(topic, b"3")
                await self.until(lambda: len(two.heard) == 100)
                assert all(
                    sorted(two.data(f"room:{number}")) == [b"1", b"3"] for number in range(50)
                )

        self.run(test())

    def test_many_topics_in_one_call(self) -> None:
        async def test() -> None:
            topics = [f"room:{number}" for number in range(5000)]
            async with self.cluster("one", "two") as (one, two):
                await two.adapter.subscribe(topics)
                await two.adapter.subscribe([])
                for topic in topics[::100]:
                    await one.adapter.publish(topic, b"1")
                await self.until(lambda: len(two.heard) >= 50)
                assert sorted(topic for _, topic, _ in two.heard) == sorted(topics[::100])

        self.run(test())

    def test_a_topic_is_subscribed_to_once(self) -> None:
        async def test() -> None:
            async with self.cluster("one", "two") as (one, two):
                await two.adapter.subscribe(["t", "u"])
                await two.adapter.subscribe(["t", "t"])
                await one.adapter.publish("t", b"1")
                await one.adapter.publish("u", b"2")
                await self.until(lambda: two.data("t") and two.data("u"))
                assert two.data("t") == [b"1"]
                two.adapter.unsubscribe(["t", "unknown"])
                two.adapter.unsubscribe(["t"])
                await one.adapter.publish("t", b"3")
                await one.adapter.publish("u", b"4")
                await self.until(lambda: len(two.data("u")) == 2)
                await one.adapter.confirm()
                assert two.data("t") == [b"1"]

        self.run(test())

    def test_nothing_is_heard_after_unsubscribe(self) -> None:
        async def test() -> None:
            async with self.cluster("one", "two") as (one, two):
                await two.adapter.subscribe(["t"])
                for number in range(100):
                    await one.adapter.publish("t", b"%d" % number)
                two.adapter.unsubscribe(["t"])
                before = len(two.heard)
                await one.adapter.confirm()
                await two.adapter.confirm()
                assert len(two.heard) == before
                await two.adapter.subscribe(["t"])
                await one.adapter.publish("t", b"again")
                await self.until(lambda: two.data("t")[-1:] == [b"again"])
                # A bus of several servers may still have been carrying messages from before. None of them comes twice.
                heard = [int(data) for data in two.data("t")[:-1]]
                assert heard == sorted(set(heard))

        self.run(test())

    # Order.

    def test_the_messages_of_a_node_and_topic_keep_their_order(self) -> None:
        async def test() -> None:
            async with self.cluster("one", "two", "three") as (one, two, three):
                for node in (one, two, three):
                    await node.adapter.subscribe(["a", "b"])

                async def talk(node: ContractNode, topic: str) -> None:
                    for number in range(500):
                        await node.adapter.publish(topic, b"%d" % number)
                        if number % 7 == 0:
                            await node.adapter.publish(topic, b"two only", "two")

                await asyncio.gather(
                    *[talk(node, topic) for node in (one, three) for topic in "ab"]
                )
                expected = [b"%d" % number for number in range(500)]
                for hearer, names in ((one, ["three"]), (two, ["one", "three"]), (three, ["one"])):
                    extra = 72 if hearer is two else 0
                    total = 2 * len(names) * (500 + extra)
                    await self.until(partial(hearer.has, total))
                    assert len(hearer.heard) == total
                    for name in names:
                        for topic in "ab":
                            got = hearer.data(topic, name)
                            assert [data for data in got if data != b"two only"] == expected

        self.run(test())

    # Losses.

    def test_what_an_interruption_loses_is_counted(self) -> None:
        """Delivered plus missed is what was published; the rest is in order, and nothing came twice."""

        async def test() -> None:
            async with self.cluster("one", "two", can_lose=True) as (one, two):
                await two.adapter.subscribe(["t", "u"])
                for number in range(10):
                    await one.adapter.publish("t", b"%d" % number)
                # Until a node knows where another stands in a topic, it can't count all that it misses there. It may
                # wait long for the answer about a topic without messages, so both topics have one.
                await one.adapter.publish("u", b"9", "two")
                await self.until(lambda: len(two.heard) == 11)
                async with self.interrupted(one.adapter, two.adapter):
                    for number in range(10, 20):
                        await one.adapter.publish("t", b"%d" % number)
                        await one.adapter.publish("u", b"%d" % number, "two")
                await self.until(lambda: "two" in one.adapter.nodes())
                number = 20
                async with asyncio.timeout(self.patience):
                    while two.last("t") < 20 or two.last("u") < 20:
                        await one.adapter.publish("t", b"%d" % number)
                        await one.adapter.publish("u", b"%d" % number, "two")
                        number += 1
                        await one.adapter.confirm()
                        await asyncio.sleep(0)
                await self.until(lambda: two.accounts_for("t") == number)
                await self.until(lambda: two.accounts_for("u") == number - 9)
                for topic in "tu":
                    numbers = [int(data) for data in two.data(topic)]
                    assert numbers == sorted(set(numbers))

        self.run(test())

    def test_confirm_returns(self) -> None:
        async def test() -> None:
            async with self.cluster("one", "two") as (one, two):
                await one.adapter.confirm()
                await two.adapter.subscribe(["t"])
                for number in range(1000):
                    await one.adapter.publish("t", b"%d" % number)
                await asyncio.gather(one.adapter.confirm(), one.adapter.confirm())
                await self.until(lambda: len(two.heard) == 1000)

        self.run(test())

    # Start and stop.

    def test_a_node_that_starts_later_hears_and_is_heard(self) -> None:
        async def test() -> None:
            async with self.cluster("one", "two") as (one, two):
                await one.adapter.subscribe(["t"])
                later = ContractNode(self.adapter("later"))
                await later.start()
                await later.adapter.publish("t", b"I am here")
                await self.until(lambda: one.heard)
                assert one.heard == [("later", "t", b"I am here")]
                await later.adapter.subscribe(["t"])
                await two.adapter.publish("t", b"welcome")
                await self.until(lambda: later.heard)
                assert later.heard == [("two", "t", b"welcome")]
                await later.adapter.stop()
                assert later.losses == []

        self.run(test())

    def test_what_a_node_published_before_its_stop_arrives(self) -> None:
        async def test() -> None:
            async with self.cluster("one", "two") as (one, two):
                await two.adapter.subscribe(["t"])
                for number in range(300):
                    await one.adapter.publish("t", b"%d" % number)
                await one.adapter.stop()
                await self.until(lambda: len(two.heard) == 300)
                await self.until(lambda: "one" not in two.adapter.nodes())

        self.run(test())

    def test_a_stopped_node_hears_nothing_and_can_start_again(self) -> None:
        async def test() -> None:
            async with self.cluster("one", "two") as (one, two):
                await two.adapter.subscribe(["t"])
                await two.adapter.stop()
                await two.adapter.stop()
                await one.adapter.publish("t", b"1")
                await two.start()
                await one.adapter.publish("t", b"2")  # the subscriptions ended with the stop
                await one.adapter.confirm()
                await two.adapter.subscribe(["t"])
                await one.adapter.publish("t", b"3")
                await self.until(lambda: two.heard)
                assert two.heard == [("one", "t", b"3")]

        self.run(test())

    def test_a_node_knows_the_others(self) -> None:
        async def test() -> None:
            async with self.cluster("one", "two", "three") as (one, two, three):
                assert [node.adapter.node for node in (one, two, three)] == ["one", "two", "three"]
                await self.until(lambda: one.adapter.nodes() == frozenset(["two", "three"]))
                await self.until(lambda: three.adapter.nodes() == frozenset(["one", "two"]))
                await two.adapter.stop()
                await self.until(lambda: one.adapter.nodes() == frozenset(["three"]))

        self.run(test())

    def test_an_adapter_that_is_not_started_says_so(self) -> None:
        async def test() -> None:
            adapter = self.adapter("one")
            await adapter.stop()
            for calls in range(2):
                with pytest.raises(NotStarted):
                    await adapter.publish("t", b"1")
                with pytest.raises(NotStarted):
                    await adapter.subscribe(["t"])
                with pytest.raises(NotStarted):
                    adapter.unsubscribe(["t"])
                with pytest.raises(NotStarted):
                    await adapter.confirm()
                with pytest.raises(NotStarted):
                    adapter.nodes()
                if not calls:
                    await ContractNode(adapter).start()
                    await adapter.stop()

        self.run(test())
