"""What one node knows of the others: who is there, and what it has missed of them."""

from __future__ import annotations

import asyncio

import pytest

from bennu.bus import Loss, LossReason
from bennu.bus.broker.adapter import BrokerAdapter
from bennu.bus.broker.frames import NodeHeartbeat, Probe, Sender
from bennu.testing.clock import advance, settle
from bennu.testing.contract_node import ContractNode

from .bus_in_memory import BusInMemory, gap, settings

CONTROL = "bennu:c"


def tail(node: str) -> Loss:
    return Loss(node, None, None, LossReason.TAIL)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


async def publish(node: ContractNode, topic: str, count: int, to: str | None = None) -> None:
    for _ in range(count):
        await node.adapter.publish(topic, b"x", to)


# Who is there.


async def test_nodes_know_each_other_at_once() -> None:
    bus = BusInMemory()
    one = await bus.join("one")
    two = await bus.join("two")
    assert one.adapter.nodes() == {"two"}
    assert two.adapter.nodes() == {"one"}
    await two.adapter.stop()
    await settle()
    assert one.adapter.nodes() == frozenset()
    assert one.losses == []


async def test_a_node_that_is_silent_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    bus = BusInMemory()
    one = await bus.join("one", ["t"])
    deaf = await bus.join("deaf")
    two = await bus.join("two")
    bus.isolate("two")
    await advance(4.0)
    assert one.adapter.nodes() == {"deaf", "two"}
    await publish(two, "t", 1)
    await advance(3.0)
    assert one.adapter.nodes() == {"deaf"}
    assert one.losses == [tail("two")]
    assert deaf.losses == []  # it hears no topic
    assert "The node two is gone: it was silent for 5 s" in lines(caplog)
    bus.broker.start()
    await advance(10.0)
    assert one.adapter.nodes() == {"deaf", "two"}
    assert len(one.heard) == 1
    assert one.losses == [tail("two")]


async def test_a_node_that_was_gone_is_counted_on() -> None:
    bus = BusInMemory()
    one = await bus.join("one", ["t"])
    two = await bus.join("two", limits=settings(max_queue=100))
    await publish(two, "t", 3)
    await advance(1.0)
    bus.isolate("two")
    await advance(100.0)
    await publish(two, "t", 50)
    bus.broker.start()
    await advance(10.0)
    assert len(one.heard) + sum(loss.count or 0 for loss in one.losses) == 53


async def test_after_minutes_a_node_is_forgotten_and_is_asked_when_it_is_back() -> None:
    bus = BusInMemory()
    one = await bus.join("one", ["t"])
    two = await bus.join("two")
    await publish(two, "t", 3)
    await advance(1.0)
    bus.isolate("two")
    await advance(400.0)
    bus.broker.start()
    await advance(10.0)
    assert one.adapter.nodes() == {"two"}
    await publish(two, "t", 2)
    await advance(0.1)
    assert len(one.heard) == 5
    assert one.losses == [tail("two")]


async def test_while_this_node_hears_nothing_nobody_is_gone() -> None:
    bus = BusInMemory()
    one = await bus.join("one", ["t"])
    await bus.join("two", ["t"])
    bus.broker.stop()
    await advance(60.0)
    bus.broker.start()
    await advance(30.0)
    assert one.adapter.nodes() == {"two"}
    assert one.losses == []


async def test_a_new_life_of_a_node_ends_the_old_one() -> None:
    """The process was killed, and another one has its name at once."""
    bus = BusInMemory()
    one = await bus.join("one", ["t"])
    two = await bus.join("two")
    await publish(two, "t", 3)
    await advance(0.1)
    bus.drivers["two"].freeze()
    again = await bus.join("two")
    assert one.losses == [tail("two")]
    assert one.adapter.nodes() == {"two"}
    await publish(again, "t", 2)
    await advance(0.1)
    assert len(one.heard) == 5
    assert one.losses == [tail("two")]
    await again.adapter.stop()


async def test_two_processes_of_one_name_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    bus = BusInMemory()
    await bus.join("one")
    await bus.join("one")
    await advance(5.0)
    found = [line for line in lines(caplog) if "has the name of this node, one" in line]
    assert len(found) == 2
    assert "Give each process a name of its own" in found[0]


# What was missed.


async def test_the_last_message_is_missed_too() -> None:
    """Nothing follows but the mark of a quiet topic."""
    bus = BusInMemory()
    one = await bus.join("one", ["t"])
    two = await bus.join("two")
    await publish(two, "t", 2)
    await publish(two, "t", 1, "one")
    await advance(0.1)
    bus.broker.drops = lambda driver, channel, frame: driver == "one"
    await publish(two, "t", 2)
    await publish(two, "t", 3, "one")
    await settle()
    bus.broker.drops = lambda driver, channel, frame: False
    await advance(2.1)
    assert len(one.heard) == 3
    assert set(one.losses) == {gap("two", "t", 2), gap("two", "t", 3)}


async def test_what_a_node_missed_while_it_was_away_is_counted_when_it_is_back() -> None:
    """Without a wait for the next marks, also in topics that are quiet since then."""
    bus = BusInMemory()
    one = await bus.join("one", ["t", "u"])
    two = await bus.join("two")
    await publish(two, "u", 1)
    await advance(5.0)
    bus.isolate("one")
    await publish(two, "t", 7)
    await publish(two, "u", 2, "one")
    await advance(30.0)
    bus.broker.start()
    while not bus.drivers["one"].connection:
        await advance(0.01)
    await advance(0.05)
    assert set(one.losses) == {gap("two", "t", 7), gap("two", "u", 2)}
    assert len(one.heard) == 1


async def test_what_a_node_published_while_it_was_away_is_counted_when_it_is_back() -> None:
    bus = BusInMemory()
    one = await bus.join("one", ["t"])
    # It tries again often, so that it is never away for as long as a node that is gone.
    two = await bus.join("two", limits=settings(max_queue=1, last_delay=0.5))
    bus.isolate("two")
    await publish(two, "t", 7)
    await advance(3.0)
    bus.broker.start()
    while not bus.drivers["two"].connection:
        await advance(0.01)
    await advance(0.01)
    assert len(one.heard) == 1
    assert one.losses == [gap("two", "t", 6)]


async def test_a_node_that_started_while_this_one_was_away_has_the_base_0() -> None:
    bus = BusInMemory()
    one = await bus.join("one", ["t"])
    await advance(1.0)
    bus.cut("one")
    await settle()
    bus.broker.is_down = True
    held = bus.broker
    held.is_down = False
    two = await bus.join("two")
    held.is_down = True
    await publish(two, "t", 4)
    await publish(two, "t", 2, "one")
    await advance(1.0)
    held.is_down = False
    await advance(6.0)
    assert len(one.heard) + sum(loss.count or 0 for loss in one.losses) == 6
    await publish(two, "t", 1)
    await advance(0.1)
    assert len(one.heard) + sum(loss.count or 0 for loss in one.losses) == 7


async def test_what_was_published_before_a_subscription_is_not_missed() -> None:
    bus = BusInMemory()
    two = await bus.join("two")
    await publish(two, "t", 5)
    await publish(two, "t", 5, "one")
    await advance(1.0)
    one = await bus.join("one", ["t"])
    await advance(2.0)
    await publish(two, "t", 1)
    await publish(two, "t", 1, "one")
    await advance(2.0)
    assert len(one.heard) == 2
    assert one.losses == []


async def test_a_node_that_does_not_answer_is_asked_again() -> None:
    bus = BusInMemory()
    two = await bus.join("two")
    one = await bus.join("one")
    await publish(two, "t", 5)
    await advance(5.0)  # the mark of the topic was sent, too
    bus.broker.drops = lambda driver, channel, frame: driver == "two"
    await one.adapter.subscribe(["t", "u"])
    one.adapter.unsubscribe(["u"])
    await advance(0.5)
    bus.broker.drops = lambda driver, channel, frame: False
    await advance(3.0)
    bus.broker.drops = lambda driver, channel, frame: driver == "one"
    await publish(two, "t", 2)
    await settle()
    bus.broker.drops = lambda driver, channel, frame: False
    await advance(3.0)
    assert one.losses == [gap("two", "t", 2)]
    asked = len(bus.broker.messages)
    await advance(10.0)
    assert len(bus.broker.messages) - asked == 20  # nothing but heartbeats


async def test_many_subscriptions_ask_few_questions() -> None:
    bus = BusInMemory()
    await bus.join("two")
    one = await bus.join("one")
    before = len(bus.broker.messages)
    for number in range(200):
        await one.adapter.subscribe([f"room:{number}"])
        await advance(0.001)
    await advance(0.2)
    assert len(bus.broker.messages) - before < 16


async def test_topics_of_any_number_and_length_are_asked_about() -> None:
    bus = BusInMemory()
    two = await bus.join("two")
    one = await bus.join("one")
    topics = [f"{number}:" + "🐦" * 4000 for number in range(60)]
    for topic in topics:
        await publish(two, topic, 1)
    await asyncio.gather(*[one.adapter.subscribe([topic]) for topic in topics])
    await one.adapter.subscribe(topics)
    await advance(3.0)
    bus.broker.drops = lambda driver, channel, frame: driver == "one" and ":n:" not in channel
    for topic in topics:
        await publish(two, topic, 2)
    await settle()
    bus.broker.drops = lambda driver, channel, frame: False
    await advance(3.0)
    assert len(one.losses) == 60
    assert {loss.count for loss in one.losses} == {2}


async def test_numbers_that_were_forgotten_make_a_count_unknown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus = BusInMemory()
    one = await bus.join("one", [f"t{number}" for number in range(20)], settings(max_known=10))
    two = await bus.join("two")
    for number in range(20):
        await publish(two, f"t{number}", 1)
    await advance(4.0)
    assert any("the older half of those of two was forgotten" in line for line in lines(caplog))
    await publish(two, "t0", 1)
    await advance(0.1)
    assert len(one.heard) == 21
    assert Loss("two", "t0", None, LossReason.GAP) in one.losses
    assert {loss.count for loss in one.losses} == {None}


async def test_marks_of_forgotten_topics_can_not_be_sent() -> None:
    bus = BusInMemory()
    one = await bus.join("one", ["t"])
    two = await bus.join("two", limits=settings(max_streams=10))
    bus.isolate("one")
    await publish(two, "t", 1)
    await advance(1.0)
    for number in range(20):
        await publish(two, f"u{number}", 1)
    await advance(20.0)
    bus.broker.start()
    await advance(6.0)
    assert one.losses == [Loss("two", None, None, LossReason.GAP)]
    await publish(two, "t", 1)
    await advance(0.1)
    assert len(one.heard) == 1


# What is subscribed to.


async def test_the_last_change_of_a_topic_wins() -> None:
    bus = BusInMemory()
    one = await bus.join("one", ["t"])
    two = await bus.join("two")
    driver = bus.drivers["one"]
    driver.calls.clear()
    one.adapter.unsubscribe(["t"])
    await one.adapter.subscribe(["t"])
    await settle()
    assert driver.calls == []
    bus.broker.confirms.clear()
    waiting = asyncio.create_task(one.adapter.subscribe(["u"]))
    await settle()
    one.adapter.unsubscribe(["u", "t"])
    again = asyncio.create_task(one.adapter.subscribe(["u"]))
    await settle()
    assert not again.done()
    bus.broker.confirms.set()
    await settle()
    assert waiting.done()
    assert again.done()
    assert driver.calls == ["+bennu:t:u", "-bennu:t:t"]
    await publish(two, "t", 1)
    await publish(two, "u", 1)
    await settle()
    assert one.heard == [("two", "u", b"x")]


async def test_a_subscription_that_nobody_waits_for_stays() -> None:
    bus = BusInMemory()
    one = await bus.join("one")
    two = await bus.join("two")
    bus.isolate("one")
    await settle()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await one.adapter.subscribe(["t"])
    waiting = asyncio.create_task(one.adapter.subscribe(["t", "u"]))
    bus.broker.start()
    await advance(6.0)
    assert waiting.done()
    await publish(two, "t", 1)
    await settle()
    assert one.heard == [("two", "t", b"x")]


async def test_all_topics_are_subscribed_to_again() -> None:
    bus = BusInMemory()
    topics = [f"t{number}" for number in range(2500)]
    one = await bus.join("one", topics)
    two = await bus.join("two")
    bus.cut("one")
    await advance(1.0)
    for topic in topics:
        await publish(two, topic, 1)
    await advance(0.1)
    assert len(one.heard) == 2500


# Foreign frames.


@pytest.mark.parametrize("channel", [CONTROL, "bennu:t:t", "bennu:n:one"])
async def test_foreign_frames_are_dropped(channel: str, caplog: pytest.LogCaptureFixture) -> None:
    bus = BusInMemory()
    one = await bus.join("one", ["t"])
    other = Sender("other", 1)
    adapter = one.adapter
    assert isinstance(adapter, BrokerAdapter)
    for frame in (
        b"",
        b'{"another": "application"}',
        other.head,
        b"\xb3\x02" + other.head[2:] + b"\x01" + bytes(20),
        other.head + b"\x01",
        other.head + b"\x05\xc1",
        other.control(Probe(1)),
        Sender("one", 1).message(7, b"x"),
        bytes((0xB3, 1, 1)) + b"\xff" + bytes(8) + b"\x01" + bytes(9),
    ):
        for _ in range(20):
            bus.broker.publish(channel, frame)
    await settle()
    assert one.heard == []
    assert one.losses == []
    found = lines(caplog)
    assert len(found) == 2
    assert any(
        "of version 2; this is version 1. Run one version of Bennu" in line for line in found
    )
    assert any("Give each application its prefix" in line for line in found)
    await one.adapter.confirm()


async def test_old_and_misplaced_frames_do_nothing() -> None:
    bus = BusInMemory()
    one = await bus.join("one", ["t"])
    two = await bus.join("two")
    old = Sender("two", 1)
    for channel, frame in (
        (CONTROL, old.control(NodeHeartbeat(1, 9.0))),
        ("bennu:t:t", old.addressed(1, b"t", b"not for this channel")),
        (CONTROL, old.message(1, b"not on this channel")),
        ("bennu:n:one", old.addressed(1, b"u", b"not heard")),
    ):
        bus.broker.publish(channel, frame)
    await settle()
    assert one.heard == []
    assert one.adapter.nodes() == {"two"}
    await publish(two, "t", 1)
    await settle()
    assert len(one.heard) == 1


async def test_more_nodes_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bennu.bus.broker.members.MAX_MEMBERS", 5)
    bus = BusInMemory()
    one = await bus.join("one")
    for number in range(20):
        bus.broker.publish(CONTROL, Sender(f"n{number}", 1).control(NodeHeartbeat(1, 9.0)))
        await advance(0.01)
    assert one.adapter.nodes() == {f"n{number}" for number in range(15, 20)}
