"""Several buses carry the topics as one bus does."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from bennu.bus import BusAdapter, LocalAdapter
from bennu.bus.broker.adapter import BrokerAdapter
from bennu.bus.spread import SpreadAdapter
from bennu.errors import DefinitionError, NotStarted
from bennu.testing.bus_contract import BusContract
from bennu.testing.contract_node import ContractNode, until

from .broker.memory_broker import MemoryBroker


class TestSpread(BusContract):
    """Over three brokers in memory."""

    @pytest.fixture(autouse=True)
    def brokers(self) -> None:
        self.buses = {f"cache-{number}": MemoryBroker() for number in range(3)}

    def adapter(self, node: str) -> BusAdapter:
        return SpreadAdapter(
            {name: BrokerAdapter(bus.driver(node), node) for name, bus in self.buses.items()}
        )

    @asynccontextmanager
    async def interrupted(self, one: BusAdapter, other: BusAdapter) -> AsyncGenerator[None]:
        for bus in self.buses.values():
            bus.stop()
        yield
        for bus in self.buses.values():
            bus.start()


def spread(*names: str) -> SpreadAdapter:
    return SpreadAdapter({name: LocalAdapter("one") for name in names})


def name_of(adapter: SpreadAdapter, names: tuple[str, ...], topic: str) -> str:
    return next(name for name in names if adapter.adapter_of(topic) is adapter.adapters[name])


def test_topics_are_spread_evenly_and_stay_where_they_are() -> None:
    names = ("a", "b", "c")
    adapter, other, more = spread(*names), spread("c", "b", "a"), spread(*names, "d")
    counts: Counter[str] = Counter()
    moved = 0
    for number in range(3000):
        topic = f"room:{number}"
        name = name_of(adapter, names, topic)
        counts[name] += 1
        assert name_of(other, names, topic) == name
        after = name_of(more, (*names, "d"), topic)
        moved += after != name
        assert after in (name, "d")
    assert all(900 < counts[name] < 1100 for name in names)
    assert 650 < moved < 850


def test_the_choice_is_the_same_in_each_version() -> None:
    """Nodes of two versions of Bennu run side by side during a deploy."""
    names = ("cache-1", "cache-2", "cache-3")
    adapter = spread(*names)
    chosen = [name_of(adapter, names, topic) for topic in ("", "room:1", "room:2", "ä", "\ud800")]
    assert chosen == ["cache-2", "cache-2", "cache-1", "cache-3", "cache-1"]


def test_adapters_of_different_nodes_are_refused() -> None:
    with pytest.raises(DefinitionError, match="adapters of 'one', 'two'"):
        SpreadAdapter({"a": LocalAdapter("one"), "b": LocalAdapter("two")})
    with pytest.raises(DefinitionError, match="no adapter"):
        SpreadAdapter({})


@pytest.mark.clock("real")
async def test_the_topics_of_other_buses_go_on_while_one_is_down() -> None:
    buses = {name: MemoryBroker() for name in ("a", "b")}

    def node(name: str) -> ContractNode:
        adapters = {bus: BrokerAdapter(buses[bus].driver(name), name) for bus in buses}
        return ContractNode(SpreadAdapter(adapters))

    one, two = node("one"), node("two")
    await one.start()
    await two.start()
    assert isinstance(two.adapter, SpreadAdapter)
    adapter = two.adapter
    topics = {name_of(adapter, ("a", "b"), topic): topic for topic in "tuvwxyz"}
    await two.adapter.subscribe([*topics.values()])
    buses["a"].stop()
    await one.adapter.publish(topics["b"], b"1")
    await until(lambda: two.heard)
    assert two.adapter.nodes() == {"one"}
    await one.adapter.stop()
    await two.adapter.stop()


@pytest.mark.clock("real")
async def test_a_bus_that_cannot_start_stops_the_others() -> None:
    good = BrokerAdapter(MemoryBroker().driver("one"), "one")
    bad = BrokerAdapter(MemoryBroker().driver("one"), "one", prefix="")
    node = ContractNode(SpreadAdapter({"good": good, "bad": bad}))
    with pytest.raises(DefinitionError, match="prefix"):
        await node.start()
    with pytest.raises(NotStarted):
        good.nodes()
    await node.adapter.stop()
