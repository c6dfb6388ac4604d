"""A node on a broker that is down, hangs or is full; and what the log says of it."""

from __future__ import annotations

import asyncio
import os
import time
from itertools import pairwise

import pytest

from bennu.bus import Loss, LossReason
from bennu.bus.broker.adapter import BrokerAdapter
from bennu.errors import DefinitionError, EncodeError, NotStarted
from bennu.testing.clock import advance, running_loop, settle
from bennu.testing.contract_node import ContractNode, until
from tests.support.clock import timers

from .bus_in_memory import BusInMemory, gap, settings
from .memory_broker import MemoryBroker


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.levelname} {record.getMessage()}" for record in caplog.records]


# Down.


async def test_a_node_starts_while_the_broker_is_down(caplog: pytest.LogCaptureFixture) -> None:
    bus = BusInMemory()
    two = await bus.join("two", ["t"])
    bus.broker.is_down = True
    one = bus.node("one")
    await one.start()
    assert isinstance(one.adapter, BrokerAdapter)
    assert one.adapter.silent_since is not None
    assert one.adapter.nodes() == frozenset()
    assert await one.adapter.publish("t", b"1") is None
    hearing = asyncio.create_task(one.adapter.subscribe(["t"]))
    confirming = asyncio.create_task(one.adapter.confirm())
    await advance(60.0)
    assert not hearing.done()
    assert not confirming.done()
    bus.broker.start()
    await advance(5.0)
    assert hearing.done()
    assert confirming.done()
    assert not one.adapter.silent_since
    assert two.heard == [("one", "t", b"1")]
    assert two.losses == []
    assert one.adapter.nodes() == {"two"}
    down, back = lines(caplog)
    assert down == (
        "ERROR The bus memory://broker is down: nobody listens. This node tries again until it is back"
    )
    assert back.startswith("WARNING The bus memory://broker is back after 6")
    await one.adapter.stop()
    await two.adapter.stop()


async def test_pauses_grow_and_shrink_again() -> None:
    bus = BusInMemory()
    await bus.join("one")
    bus.broker.stop()
    bus.broker.attempts.clear()
    await advance(60.0)
    pauses = [after - before for before, after in pairwise(bus.broker.attempts)]
    assert 12 < len(pauses) < 60  # at random: half of 0.1 s to 5 s
    assert max(pauses[:2]) <= 0.4
    assert max(pauses) > 2.0
    bus.broker.start()
    await advance(10.0)
    bus.broker.attempts.clear()
    bus.cut("one")
    await advance(0.11)
    assert len(bus.broker.attempts) == 1


async def test_an_address_that_can_not_be_used_ends_the_start() -> None:
    bus = BusInMemory()
    bus.broker.is_down = True
    wrong = DefinitionError("the address", expected="a password", got="none", write="redis://:p@h")
    bus.broker.refuses = wrong
    one = bus.node("one")
    with pytest.raises(DefinitionError, match="a password"):
        await one.start()
    with pytest.raises(NotStarted):
        one.adapter.nodes()
    assert timers() == 0
    bus.broker.start()
    await one.start()
    bus.broker.stop()  # the password was changed, and is changed back
    await advance(20.0)
    bus.broker.start()
    await advance(5.0)
    await one.adapter.confirm()
    await one.adapter.stop()


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("", "bennu"), ("x" * 129, "bennu"), ("\ud800", "bennu"), ("one", ""), ("one", "p" * 61)],
)
async def test_a_name_that_can_not_be_used_is_refused(name: str, prefix: str) -> None:
    adapter = BrokerAdapter(MemoryBroker().driver(), name, prefix=prefix)
    with pytest.raises(DefinitionError, match="expected: text of 1 to"):
        await ContractNode(adapter).start()


async def test_without_a_name_a_node_has_a_unique_one() -> None:
    broker = MemoryBroker()
    assert BrokerAdapter(broker.driver()).node != BrokerAdapter(broker.driver()).node
    assert BrokerAdapter(broker.driver()).driver.name == "memory://broker"


async def test_an_outage_that_takes_a_human_is_logged_once_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The broker is back with another password: the first reason of the outage is not the one to repair."""
    bus = BusInMemory()
    one = await bus.join("one")
    bus.broker.stop()
    await advance(10.0)
    bus.broker.refuses = DefinitionError("the bus", expected="a password", got="none", write="x")
    await advance(60.0)
    errors = [line for line in lines(caplog) if line.startswith("ERROR")]
    assert len(errors) == 2
    assert "a password" in errors[1]
    await one.adapter.stop()


# Hanging.


async def test_a_broker_that_hangs_at_the_start_delays_it_for_5_s(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus = BusInMemory()
    bus.broker.hang()
    one = bus.node("one")
    await one.start()
    assert running_loop().time() == pytest.approx(5.0)
    bus.broker.wake()
    await advance(5.0)
    await one.adapter.confirm()
    assert len([line for line in lines(caplog) if "no answer within 5 s" in line]) == 1
    await one.adapter.stop()


async def test_a_broker_that_hangs_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    bus = BusInMemory()
    one = await bus.join("one", ["t"])
    two = await bus.join("two", ["t"])
    assert isinstance(one.adapter, BrokerAdapter)
    begun = running_loop().time()
    bus.broker.hang()
    await one.adapter.publish("t", b"1")
    await advance(4.01)
    assert one.adapter.silent_since is not None
    assert begun - 1.0 <= one.adapter.silent_since <= begun
    assert any("returns no heartbeat for" in line for line in lines(caplog))
    await advance(15.0)
    bus.broker.wake()
    await advance(10.0)
    assert not one.adapter.silent_since
    assert len(two.heard) + sum(loss.count or 0 for loss in two.losses) == 1
    assert [
        loss for node in (one, two) for loss in node.losses if loss.reason is LossReason.TAIL
    ] == []
    assert one.adapter.nodes() == {"two"}
    await one.adapter.stop()
    await two.adapter.stop()


async def test_a_broker_that_hangs_does_not_hold_the_stop(caplog: pytest.LogCaptureFixture) -> None:
    bus = BusInMemory()
    one = await bus.join("one")
    bus.broker.hang()
    await one.adapter.publish("t", b"1")
    begun = running_loop().time()
    await one.adapter.stop()
    assert running_loop().time() - begun <= 3.0
    assert any("stops without waiting" in line for line in lines(caplog))
    assert timers() == 0


async def test_a_stop_while_the_broker_is_down_says_what_is_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus = BusInMemory()
    one = await bus.join("one")
    bus.broker.stop()
    await settle()
    for _ in range(3):
        await one.adapter.publish("t", b"1")
    await one.adapter.stop()
    assert any("3 messages are lost" in line for line in lines(caplog))
    assert one.losses == [Loss("one", "t", 3, LossReason.DROPPED)]


@pytest.mark.clock("real")
async def test_a_node_whose_loop_was_held_loses_nothing() -> None:
    bus = BusInMemory()
    quick = settings(beat=0.05, gone=0.2, deaf=0.15)
    one, two = bus.node("one", quick), bus.node("two", quick)
    for node in (one, two):
        await node.start()
        await node.adapter.subscribe(["t"])
    await until(lambda: one.adapter.nodes() and two.adapter.nodes())
    time.sleep(0.5)  # noqa: ASYNC251 - it holds the loop
    await one.adapter.publish("t", b"1")
    await until(lambda: two.heard)
    assert bus.broker.connects == 2
    assert one.losses == two.losses == []
    for node in (one, two):
        await node.adapter.stop()


# Full.


async def test_a_full_queue_does_not_hold_publishers_while_the_broker_is_down() -> None:
    bus = BusInMemory()
    two = await bus.join("two", ["t"])
    one = await bus.join("one", limits=settings(max_queue=1000))
    bus.isolate("one")
    begun = running_loop().time()
    for number in range(20):
        await one.adapter.publish("t", b"%d" % number + bytes(98))
    await one.adapter.publish("t", b"to two", "two")
    assert running_loop().time() == begun
    await advance(1.1)
    [dropped] = one.losses
    assert (dropped.node, dropped.topic, dropped.reason) == ("one", "t", LossReason.DROPPED)
    bus.broker.start()
    await advance(10.0)
    heard = len(two.heard)
    assert 5 < heard < 12
    assert dropped.count == 21 - heard
    assert set(two.losses) == {gap("one", "t", 20 - heard), gap("one", "t", 1)}
    assert one.losses == [dropped]


async def test_publishers_wait_for_a_slow_broker_in_their_order() -> None:
    bus = BusInMemory()
    two = await bus.join("two", ["t"])
    one = await bus.join("one", limits=settings(max_queue=1000))
    bus.broker.takes.clear()
    tasks = [
        asyncio.create_task(one.adapter.publish("t", b"%d" % number + bytes(200)))
        for number in range(20)
    ]
    await settle()
    waiting = [task for task in tasks if not task.done()]
    assert 10 < len(waiting) < 20
    waiting[3].cancel()
    await advance(2.0)
    bus.broker.takes.set()
    await advance(1.0)
    assert all(task.done() for task in tasks)
    missing = tasks.index(waiting[3])
    assert [int(data.rstrip(b"\0")) for data in two.data("t")] == [
        number for number in range(20) if number != missing
    ]
    assert two.losses == []


async def test_a_publisher_that_has_waited_too_long_gives_up() -> None:
    bus = BusInMemory()
    two = await bus.join("two", ["t"], limits=settings(deaf=60.0))
    one = await bus.join("one", limits=settings(max_queue=100, deaf=60.0))
    bus.broker.takes.clear()
    await one.adapter.publish("t", bytes(100))
    begun = running_loop().time()
    assert await one.adapter.publish("t", b"late") is None
    assert running_loop().time() - begun == pytest.approx(5.0)
    waiting = asyncio.create_task(one.adapter.publish("t", b"held"))
    await settle()
    bus.broker.takes.set()
    await advance(10.0)
    assert waiting.done()
    assert two.data("t") == [bytes(100), b"held"]
    assert two.losses == [gap("one", "t", 1)]
    assert one.losses == [Loss("one", "t", 1, LossReason.DROPPED)]


async def test_a_publisher_that_waits_gives_up_when_the_connection_ends() -> None:
    bus = BusInMemory()
    one = await bus.join("one", limits=settings(max_queue=100))
    bus.broker.takes.clear()
    await one.adapter.publish("t", bytes(100))
    waiting = asyncio.create_task(one.adapter.publish("t", b"2"))
    await settle()
    assert not waiting.done()
    bus.broker.stop()
    await settle()
    assert waiting.done()


async def test_a_message_that_is_too_large_is_refused() -> None:
    bus = BusInMemory()
    two = await bus.join("two", ["t", "t" * 1000])
    one = await bus.join("one")
    most = 1024 * 1024 + 64 * 1024 - len("one") - 11
    for topic, node, size in (("t", None, 11), ("t" * 1000, "two", 1011)):
        with pytest.raises(
            EncodeError, match=r"carries at most 1,114,112\. Store large data elsewhere"
        ):
            await one.adapter.publish(topic, bytes(most - size + 1), node)
    await one.adapter.publish("t", bytes(most - 11))
    await advance(0.1)
    assert [len(data) for data in two.data("t")] == [most - 11]
    with pytest.raises(EncodeError, match="65,536"):
        await one.adapter.publish("x" * 65_536, b"")
    with pytest.raises(EncodeError, match="65,536"):
        await one.adapter.subscribe(["x" * 65_536])


async def test_what_breaks_the_connection_twice_is_dropped() -> None:
    """A message that the broker does not survive must not be sent again for ever."""
    bus = BusInMemory()
    two = await bus.join("two", ["t"])
    one = await bus.join("one")
    deadly = bus.broker.publish

    def publish(channel: str, frame: bytes) -> None:
        if frame.endswith(b"deadly"):
            bus.cut("one")
        deadly(channel, frame)

    bus.broker.publish = publish  # type: ignore[method-assign]
    await one.adapter.publish("t", b"deadly")
    await advance(2.0)
    await one.adapter.publish("t", b"good")
    await advance(5.0)
    assert two.data("t")[-1:] == [b"good"]
    assert len(two.data("t")) + sum(loss.count or 0 for loss in two.losses) == 2


# Stops.


async def test_a_stop_that_is_cancelled_leaves_nothing_behind() -> None:
    bus = BusInMemory()
    one = await bus.join("one")
    bus.broker.hang()
    stopping = asyncio.create_task(one.adapter.stop())
    await settle()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    await settle()
    assert timers() == 0
    assert bus.broker.connections == []


async def test_nobody_waits_for_a_bus_that_was_stopped() -> None:
    bus = BusInMemory()
    one = await bus.join("one")
    bus.broker.stop()
    await settle()
    waiting = [
        asyncio.create_task(one.adapter.subscribe(["t"])),
        asyncio.create_task(one.adapter.confirm()),
    ]
    await settle()
    await one.adapter.stop()
    for task in waiting:
        with pytest.raises(NotStarted, match="was stopped before it had confirmed"):
            await task


def test_a_node_whose_event_loop_was_closed_starts_on_another_one() -> None:
    bus = BusInMemory()
    one = bus.node("one")
    reading, writing = os.pipe()
    bus.drivers["one"].fds = [writing]
    asyncio.run(one.start())

    async def again() -> None:
        await one.adapter.stop()
        assert os.read(reading, 1) == b""  # the connection has ended
        bus.drivers["one"].freeze()  # what the old event loop had is gone
        bus.drivers["one"].is_frozen, bus.drivers["one"].connection = False, 0
        await one.start()
        await one.adapter.confirm()
        await one.adapter.stop()

    asyncio.run(again())
    os.close(reading)
    os.close(writing)


async def test_topics_that_come_and_go_while_the_broker_is_down_leave_nothing_behind() -> None:
    bus = BusInMemory()
    one = await bus.join("one", ["t"])
    two = await bus.join("two")
    bus.broker.stop()
    await settle()
    assert isinstance(one.adapter, BrokerAdapter)
    for number in range(100):
        subscribing = asyncio.create_task(one.adapter.subscribe([f"t{number}"]))
        await settle()
        one.adapter.unsubscribe([f"t{number}"])
        await subscribing
    calls = len(bus.drivers["one"].calls)
    bus.broker.start()
    await advance(20.0)
    assert bus.drivers["one"].calls[calls:] == ["+bennu:c", "+bennu:n:one", "+bennu:t:t"]
    await two.adapter.publish("t", b"1")
    await advance(1.0)
    assert one.data("t") == [b"1"]


# Forks.


async def test_a_fork_gives_up_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = BusInMemory()
    one = await bus.join("one")
    reading, writing = os.pipe()
    monkeypatch.setattr(type(bus.drivers["one"]), "fds", property(lambda self: [writing]))
    assert isinstance(one.adapter, BrokerAdapter)
    one.adapter.leave_parent()
    assert os.read(reading, 1) == b""  # nobody can write to it any more
    os.close(reading)
    os.close(writing)
    with pytest.raises(NotStarted, match="is a fork of the one that started the bus"):
        await one.adapter.publish("t", b"1")
    await one.adapter.stop()
    BrokerAdapter(bus.broker.driver(), "two").leave_parent()


# Idle.


async def test_topics_need_no_timers() -> None:
    bus = BusInMemory()
    one = await bus.join("one", [f"t{number}" for number in range(1000)])
    two = await bus.join("two")
    await advance(5.0)
    before = timers()
    for number in range(1000):
        await two.adapter.publish(f"t{number}", b"1")
    await advance(5.0)
    assert len(one.heard) == 1000
    assert timers() == before == 2
    taken = len(bus.broker.messages)
    await advance(10.0)
    assert len(bus.broker.messages) - taken == 20  # two heartbeats a second
