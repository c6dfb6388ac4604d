"""Whatever fails, and whenever: what a node heard and what it missed is what the others published."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Final

from hypothesis import HealthCheck, given, settings, strategies as st

from bennu.bus import LossReason
from bennu.bus.broker.adapter import BrokerAdapter
from bennu.bus.broker.settings import BrokerSettings
from bennu.testing.clock import VirtualLoop, advance
from bennu.testing.contract_node import ContractNode

from .memory_broker import MemoryBroker

NAMES: Final = ("one", "two", "three")
TOPICS: Final = ("t", "u")
LIMITS: Final = BrokerSettings(max_queue=2000)

Step = tuple[Any, ...]

names = st.sampled_from(NAMES)
topics = st.sampled_from(TOPICS)
publishes = st.tuples(st.just("publish"), names, topics, st.integers(1, 5))
times = st.tuples(st.just("time"), st.sampled_from([0.0, 0.001, 0.05, 0.5, 1.0, 2.5, 7.0]))
steps = st.lists(
    st.one_of(
        publishes,
        publishes,
        times,
        times,
        st.tuples(st.just("address"), names, topics, names),
        st.tuples(st.just("publish"), names, topics, st.integers(20, 60)),
        st.tuples(st.just("cut"), names),
        st.tuples(st.just("drop"), names, st.integers(1, 4)),
        st.tuples(st.just("keep"), names),
        st.tuples(st.sampled_from(["stop", "start", "hang", "wake", "take nothing", "take"])),
        st.tuples(st.just("unsubscribe"), names, topics),
        st.tuples(st.just("subscribe"), names, topics),
        st.tuples(st.just("join")),
    ),
    min_size=20,
    max_size=50,
)


class Story:
    """Nodes on a broker, and what they publish.

    Attributes:
        published: The messages for a receiver, by publisher, topic and receiver.
        changed: The receivers and topics whose subscription was changed on the way: their base is not known.
    """

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.broker.drops = self.drops
        self.nodes: dict[str, ContractNode] = {}
        self.published: Counter[tuple[str, str, str]] = Counter()
        self.changed: set[tuple[str, str]] = set()
        self.tasks: list[asyncio.Task[Any]] = []
        self.dropping: dict[str, int] = {}
        self.has_dropped = False
        self.seen = 0

    def drops(self, driver: str, channel: str, frame: bytes) -> bool:
        """Lose each n-th message on its way to a driver."""
        self.seen += 1
        return driver in self.dropping and self.seen % self.dropping[driver] == 0

    async def join(self, name: str) -> ContractNode:
        """Start a node."""
        adapter = BrokerAdapter(self.broker.driver(name), name, settings=LIMITS)
        node = self.nodes[name] = ContractNode(adapter)
        self.spawn(node.start())
        await advance(0.001)
        return node

    def spawn(self, call: Coroutine[Any, Any, Any]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(call))

    def publish(self, sender: str, topic: str, count: int, to: str | None = None) -> None:
        """Publish numbers, from 1 for each publisher and topic."""
        node = self.nodes[sender]
        if to == sender:
            return
        for _ in range(count):
            self.published[sender, topic, ""] += 1
            for receiver in [*NAMES, "later"] if to is None else [to]:
                self.published[sender, topic, receiver] += 1
            data = b"%d" % self.published[sender, topic, ""]
            self.spawn(node.adapter.publish(topic, data, to))

    async def step(self, step: Step) -> None:
        broker = self.broker
        match step:
            case ("publish", sender, topic, count):
                self.publish(sender, topic, count)
            case ("address", sender, topic, to):
                self.publish(sender, topic, 1, to)
            case ("cut", name):
                for driver in [*broker.connections]:
                    if driver.node == name:
                        driver.cut()
            case ("drop", name, every):
                self.dropping[name] = every
                self.has_dropped = True
            case ("keep", name):
                self.dropping.pop(name, None)
            case ("stop",):
                broker.stop()
            case ("start",):
                broker.start()
            case ("hang",):
                broker.hang()
            case ("wake",):
                broker.wake()
            case ("take nothing",):
                broker.takes.clear()
            case ("take",):
                broker.takes.set()
            case ("unsubscribe", name, topic):
                self.changed.add((name, topic))
                self.nodes[name].adapter.unsubscribe([topic])
            case ("subscribe", name, topic):
                self.spawn(self.nodes[name].adapter.subscribe([topic]))
            case ("time", seconds):
                await advance(seconds)
            case ("join",) if "later" not in self.nodes:
                await self.join("later")
            case _:
                pass

    async def heal(self) -> None:
        """End all failures. If single messages were lost, the last mark can be among them: publish once more."""
        self.broker.start()
        self.broker.wake()
        self.broker.takes.set()
        self.dropping.clear()
        await advance(60.0)
        for name in self.nodes if self.has_dropped else ():
            for topic in TOPICS:
                self.publish(name, topic, 1)
                for to in NAMES:
                    self.publish(name, topic, 1, to)
        await advance(5.0)
        await asyncio.gather(*self.tasks)

    def check(self) -> None:
        for name in NAMES:
            node = self.nodes[name]
            assert node.adapter.nodes() == self.nodes.keys() - {name}
            for sender in self.nodes.keys() - {name}:
                for topic in TOPICS:
                    heard = [int(data) for data in node.data(topic, sender)]
                    assert heard == sorted(set(heard))
                    losses = [
                        loss.count
                        for loss in node.losses
                        if (loss.node, loss.topic, loss.reason) == (sender, topic, LossReason.GAP)
                    ]
                    assert None not in losses
                    accounted = len(heard) + sum(count or 0 for count in losses)
                    if (name, topic) in self.changed:
                        assert accounted <= self.published[sender, topic, name]
                    else:
                        assert accounted == self.published[sender, topic, name]


async def tell(story_steps: list[Step]) -> None:
    story = Story()
    for name in NAMES:
        node = await story.join(name)
        await node.adapter.subscribe(TOPICS)
    await advance(0.1)
    for step in story_steps:
        await story.step(step)
    await story.heal()
    story.check()
    for node in story.nodes.values():
        await node.adapter.stop()


@given(steps)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_message_is_delivered_or_counted(story_steps: list[Step]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(tell(story_steps))
