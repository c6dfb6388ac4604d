"""The bus in memory loses messages on request, and counts each of them."""

from __future__ import annotations

import asyncio
from typing import Final

from hypothesis import given, strategies as st

from bennu.bus import Loss, LossReason, MemoryNetwork
from bennu.testing.clock import settle
from bennu.testing.contract_node import ContractNode

from ..support.properties import property_test

NAMES: Final = ("one", "two", "three")


async def start(network: MemoryNetwork, *names: str) -> list[ContractNode]:
    nodes = [ContractNode(network.adapter(name)) for name in names]
    for node in nodes:
        await node.start()
    return nodes


async def test_what_a_cut_loses_is_counted_at_the_next_message() -> None:
    network = MemoryNetwork()
    one, two, three = await start(network, "one", "two", "three")
    for node in (two, three):
        await node.adapter.subscribe(["t", "u"])
    network.cut("one", "two")
    for data in (b"1", b"2", b"3"):
        await one.adapter.publish("t", data)
    await one.adapter.publish("t", b"4", "two")
    await settle()
    assert two.heard == []
    network.heal()
    await settle()
    assert two.losses == [
        Loss("one", "t", 3, LossReason.GAP),
        Loss("one", "t", 1, LossReason.GAP),
    ]
    await one.adapter.publish("t", b"5")
    await one.adapter.confirm()
    assert two.data("t") == [b"5"]
    assert three.data("t") == [b"1", b"2", b"3", b"5"]
    assert three.losses == one.losses == []
    assert len(two.losses) == 2
    assert network.sent == 5
    assert network.sent_bytes == 5


async def test_a_subscriber_that_was_first_misses_nothing_in_silence() -> None:
    """The publisher starts after the subscription, and its first messages are lost."""
    network = MemoryNetwork()
    [two] = await start(network, "two")
    await two.adapter.subscribe(["t"])
    network.cut("one", "two")
    [one] = await start(network, "one")
    await one.adapter.publish("t", b"1")
    await settle()
    network.heal()
    await settle()
    assert two.losses == [Loss("one", "t", 1, LossReason.GAP)]


async def test_the_tail_of_a_killed_node_is_unknown() -> None:
    network = MemoryNetwork()
    one, two, three = await start(network, "one", "two", "three")
    await two.adapter.subscribe(["t"])
    await one.adapter.publish("t", b"1")
    await settle()
    network.kill("one")
    assert two.losses == [Loss("one", None, None, LossReason.TAIL)]
    assert three.losses == []
    assert two.adapter.nodes() == {"three"}
    await one.adapter.stop()
    [again] = await start(network, "one")
    await again.adapter.publish("t", b"2")
    await settle()
    assert two.data("t") == [b"1", b"2"]
    assert len(two.losses) == 1


@given(st.data())
@property_test
def test_every_message_is_delivered_or_counted(data: st.DataObject) -> None:
    """Whatever is cut and healed: what a node heard and what it missed is what the others published."""

    async def story() -> None:
        network = MemoryNetwork()
        nodes = dict(zip(NAMES, await start(network, *NAMES), strict=True))
        for node in nodes.values():
            await node.adapter.subscribe(["t"])
        published = dict.fromkeys(NAMES, 0)
        for _ in range(data.draw(st.integers(0, 30))):
            sender, other = data.draw(st.permutations(NAMES))[:2]
            match data.draw(st.sampled_from(["publish", "publish", "cut", "heal", "settle"])):
                case "publish":
                    published[sender] += 1
                    await nodes[sender].adapter.publish("t", b"%d" % published[sender])
                case "cut":
                    network.cut(sender, other)
                case "heal":
                    network.heal()
                case _:
                    await asyncio.sleep(0)
        network.heal()
        for node in nodes.values():
            await node.adapter.confirm()
        for name, node in nodes.items():
            for sender in set(NAMES) - {name}:
                heard = [int(number) for number in node.data("t", sender)]
                missed = sum(loss.count or 0 for loss in node.losses if loss.node == sender)
                assert heard == sorted(set(heard))
                assert len(heard) + missed == published[sender]

    asyncio.run(story())
