"""One node among others: what it publishes and hears, with adapters that raise or hang at each method."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from bennu.bus import Loss, MemoryNetwork
from bennu.errors import DecodeError, DefinitionError, EncodeError
from bennu.logs.log import Log
from bennu.pubsub.cluster import FAREWELL, SLOW, Cluster
from bennu.pubsub.envelope import IDS, POLLS, PRESENCES, TOPICS, Envelope, EnvelopeKind, pack
from bennu.pubsub.interest import LINGER, PATIENCE
from bennu.reasons import LossReason
from bennu.telemetry import BusMessagesLost, Telemetry
from bennu.testing.clock import advance, running_loop, settle
from tests.support.clock import timers

from .hearing import Heard, cluster, hostile

NEWS = pack(EnvelopeKind.JSON, "news", b"{}")
FOREIGN = [OSError("no route"), asyncio.CancelledError("not by us")]


async def test_nodes_hear_each_other() -> None:
    """A node hears the topics that it keeps. Every node hears disconnects by id."""
    network = MemoryNetwork()
    async with (
        cluster(hostile(network, "one")) as (one, heard),
        cluster(hostile(network, "two")) as (two, heard_by_two),
    ):
        assert one.node == "one"
        assert one.nodes() == two.nodes() == {"one", "two"}
        two.interest.keep(TOPICS + "A")
        await two.heard("A")
        await one.publish(TOPICS + "A", NEWS)
        await one.publish(TOPICS + "B", NEWS)
        await one.publish(IDS, pack(EnvelopeKind.DISCONNECT, "ann"))
        await settle()
        assert heard_by_two == [
            ("A", Envelope(EnvelopeKind.JSON, "news", b"{}")),
            (None, Envelope(EnvelopeKind.DISCONNECT, "ann", b"")),
        ]
        assert heard == []


async def test_a_handler_of_one_of_bennus_topics() -> None:
    """Handlers get bytes, until they are removed. Removing one twice removes no other."""
    network = MemoryNetwork()
    async with (
        cluster(hostile(network, "one")) as (one, _),
        cluster(hostile(network, "two")) as (two, _),
    ):
        heard: list[tuple[str, bytes]] = []

        def handler(node: str, data: bytes) -> None:
            heard.append((node, data))

        first, second = one.on_publish(POLLS, handler), one.on_publish(POLLS, handler)
        await settle()
        await two.publish(POLLS, b"1", "one")
        await settle()
        assert heard == [("two", b"1")] * 2
        first()
        first()
        await two.publish(POLLS, b"2")
        await settle()
        assert heard[2:] == [("two", b"2")]
        second()
        await advance(LINGER + 1)
        await two.publish(POLLS, b"3")
        await settle()
        assert len(heard) == 3


async def test_a_handler_that_removes_another_while_it_is_called() -> None:
    """The message still goes to both."""
    network = MemoryNetwork()
    async with (
        cluster(hostile(network, "one")) as (one, _),
        cluster(hostile(network, "two")) as (two, _),
    ):
        cancels: list[Callable[[], None]] = []
        calls: list[int] = []

        def handler(number: int) -> Callable[[str, bytes], None]:
            def take(_node: str, _data: bytes) -> None:
                calls.append(number)
                for cancel in cancels:
                    cancel()

            return take

        cancels.extend(one.on_publish(POLLS, handler(number)) for number in range(2))
        await settle()
        await two.publish(POLLS, b"1")
        await settle()
        assert calls == [0, 1]
        assert await one.interest.heard(POLLS)


# What comes over the bus is not to be trusted.


@pytest.mark.parametrize(
    ("topic", "data"), [(TOPICS, b""), (TOPICS + "A", b"\x09\0\0"), (IDS, b"\x04\0\x01\xff")]
)
async def test_bytes_that_are_no_envelope_are_dropped(
    topic: str, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A line in the log names the node and the topic, without a traceback."""
    adapter = hostile(MemoryNetwork(), "one")
    async with cluster(adapter) as (_, heard):
        adapter.receive("evil\nnode", topic, data)
        assert heard == []
        [record] = caplog.records
        assert record.getMessage().startswith(
            rf"A message of the node 'evil\nnode' on '{topic}' was dropped: expected"
        )
        assert record.exc_info is None


@pytest.mark.parametrize(
    ("error", "text"),
    [(DecodeError("no letter"), "was dropped: no letter"), (ZeroDivisionError(), "failed")],
)
async def test_a_handler_that_raises(
    error: Exception, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The other handlers are called. Bytes that can't be decoded are no failure of the handler."""
    adapter = hostile(MemoryNetwork(), "one")
    async with cluster(adapter) as (one, _):

        def bad(_node: str, _data: bytes) -> None:
            raise error

        heard: list[bytes] = []
        one.on_publish(POLLS, bad)
        one.on_publish(POLLS, lambda _, data: heard.append(data))
        adapter.receive("two", POLLS, b"1")
        assert heard == [b"1"]
        [record] = caplog.records
        assert text in record.getMessage()
        assert bool(record.exc_info) is isinstance(error, ZeroDivisionError)


@pytest.mark.parametrize(
    "error", [DecodeError("unknown type"), ZeroDivisionError(), SystemExit("in a constructor")]
)
async def test_pubsub_that_raises(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """The adapter's ``receive`` never raises."""

    def deliver(_topic: str | None, _envelope: Envelope, _node: str) -> None:
        raise error

    adapter = hostile(MemoryNetwork(), "one")
    one = Cluster(adapter, deliver, Telemetry(), Log())
    await one.start()
    adapter.receive("two", TOPICS + "A", NEWS)
    [record] = caplog.records
    assert bool(record.exc_info) is not isinstance(error, DecodeError)
    await one.stop()


# An adapter that raises or hangs.


@pytest.mark.parametrize("error", FOREIGN)
async def test_a_publish_that_raises_is_logged(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Any bus can lose a message, so a broadcast does not fail because of it."""
    adapter = hostile(MemoryNetwork(), "one")
    async with cluster(adapter) as (one, _):
        adapter.raises["publish"] = error
        await one.publish(TOPICS + "A", NEWS)
        [record] = caplog.records
        assert record.getMessage() == "The bus failed: a message on 'tA' was lost"


async def test_a_message_that_is_too_large_is_the_callers_error() -> None:
    """The caller can send less."""
    adapter = hostile(MemoryNetwork(), "one")
    async with cluster(adapter) as (one, _):
        adapter.raises["publish"] = EncodeError("at most 1 MiB")
        with pytest.raises(EncodeError, match="at most 1 MiB"):
            await one.publish(TOPICS + "A", NEWS)


async def test_a_publish_that_hangs_can_be_cancelled() -> None:
    """The cancellation of the caller is not taken for a failure of the bus."""
    adapter = hostile(MemoryNetwork(), "one")
    async with cluster(adapter) as (one, _):
        adapter.hangs.add("publish")
        publishing = asyncio.create_task(one.publish(TOPICS + "A", NEWS))
        await settle()
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing


async def test_a_start_that_raises() -> None:
    """The error is the caller's. A stop afterwards leaves nothing behind."""
    adapter = hostile(MemoryNetwork(), "one")
    adapter.raises["start"] = DefinitionError("the bus", expected="a", got="b", write="c")
    one = Cluster(adapter, Heard().take, Telemetry(), Log())
    with pytest.raises(DefinitionError):
        await one.start()
    await one.stop()
    assert timers() == 0


async def test_a_start_that_hangs_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log says why the endpoint does not start."""
    adapter = hostile(MemoryNetwork(), "one")
    adapter.hangs.add("start")
    one = Cluster(adapter, Heard().take, Telemetry(), Log())
    starting = asyncio.create_task(one.start())
    await advance(10 * SLOW)
    [record] = caplog.records
    assert "has not started for 10 s" in record.getMessage()
    adapter.release()
    await starting
    await one.stop()


async def test_a_bus_that_hangs_from_the_start_delays_the_start_by_two_seconds() -> None:
    """A second for the first subscription, and one for the first confirmation. The node connects later."""
    adapter = hostile(MemoryNetwork(), "one")
    adapter.hangs |= {"subscribe", "confirm"}
    async with cluster(adapter) as (one, _):
        assert running_loop().time() == 2 * PATIENCE
        assert one.watch.silence > 0
        await one.heard("A")
        assert running_loop().time() == 2 * PATIENCE
        adapter.release()
        await advance(10)
        assert one.watch.is_up
        assert await one.interest.heard("A")


@pytest.mark.parametrize("method", ["subscribe", "confirm"])
async def test_a_start_that_is_cancelled(method: str) -> None:
    """The stop ends all tasks and timers."""
    before = asyncio.all_tasks()
    adapter = hostile(MemoryNetwork(), "one")
    adapter.hangs.add(method)
    one = Cluster(adapter, Heard().take, Telemetry(), Log())
    starting = asyncio.create_task(one.start())
    await settle()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await one.stop()
    await settle()
    assert timers() == 0
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("error", FOREIGN)
async def test_a_stop_that_raises_is_logged(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """The endpoint stops in any case."""
    adapter = hostile(MemoryNetwork(), "one")
    async with cluster(adapter):
        adapter.raises["stop"] = error
    [record] = caplog.records
    assert "could not be stopped" in record.getMessage()


async def test_a_stop_that_hangs_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged. What waits has two seconds, and the adapter ten."""
    adapter = hostile(MemoryNetwork(), "one")
    async with cluster(adapter) as (one, _):
        adapter.hangs |= {"publish", "stop"}
        one.postman.post(PRESENCES, b"1")
        await settle()
    assert running_loop().time() == FAREWELL + SLOW
    [record] = caplog.records
    assert "could not be stopped within 10 s" in record.getMessage()


async def test_a_stop_publishes_what_waits() -> None:
    """Also the message that the bus is just taking."""
    network = MemoryNetwork(records=True)
    adapter = hostile(network, "one")
    async with cluster(adapter) as (one, _):
        adapter.hangs.add("publish")
        for data in (b"1", b"2"):
            one.postman.post(PRESENCES, data)
        await settle()
        running_loop().call_later(1, adapter.release)
    assert [one.data for one in network.published] == [b"1", b"2"]


async def test_a_stop_that_is_cancelled_stops_the_adapter() -> None:
    """The server gave up waiting."""
    before = asyncio.all_tasks()
    network = MemoryNetwork()
    adapter = hostile(network, "one")
    one = Cluster(adapter, Heard().take, Telemetry(), Log())
    await one.start()
    adapter.hangs.add("publish")
    one.postman.post(PRESENCES, b"1")
    await settle()
    stopping = asyncio.create_task(one.stop())
    await settle()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert adapter.calls["stop"] == 1
    await settle()
    assert asyncio.all_tasks() == before


async def test_calls_after_the_stop() -> None:
    """A handler that is removed late starts no timer at a stopped adapter. A late message of the adapter is ignored."""
    adapter = hostile(MemoryNetwork(), "one")
    async with cluster(adapter) as (one, heard):
        remove = one.on_publish(POLLS, lambda *_: None)
    adapter.receive("two", TOPICS + "A", NEWS)
    assert heard == []
    remove()
    assert timers() == 0


# Losses.


async def test_losses_are_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    """The event and the line name a topic as the application does. A loss of presences is no line: presence repairs it."""
    telemetry, events = Telemetry(), list[object]()
    telemetry.attach(events.append, BusMessagesLost)
    adapter = hostile(MemoryNetwork(), "one")
    async with cluster(adapter, telemetry):
        losses = [
            Loss("two", TOPICS + "A", 3, LossReason.GAP),
            Loss("two", None, None, LossReason.TAIL),
            Loss("two", PRESENCES + "0", 2, LossReason.GAP),
        ]
        for loss in losses:
            adapter.lost(loss)
        assert events == [
            BusMessagesLost("two", "A", 3, LossReason.GAP),
            BusMessagesLost("two", None, None, LossReason.TAIL),
            BusMessagesLost("two", PRESENCES + "0", 2, LossReason.GAP),
        ]
        assert telemetry.missed == {LossReason.GAP: 5, LossReason.TAIL: 0}
        first, second = (record.getMessage() for record in caplog.records)
        assert first.startswith("Lost on the bus: 3 message(s) on 'A', node two: ")
        assert second.startswith(
            "Lost on the bus: an unknown number of message(s) on unknown topics"
        )


async def test_only_what_was_for_this_node_is_lost_in_its_accounts() -> None:
    """What this node has published and dropped is lost to the others: they count it."""
    telemetry = Telemetry()
    adapter = hostile(MemoryNetwork(), "one")
    async with cluster(adapter, telemetry):
        adapter.lost(Loss("two", TOPICS + "A", 3, LossReason.GAP))
        adapter.lost(Loss("two", TOPICS + "A", 5, LossReason.CUT))
        adapter.lost(Loss("one", TOPICS + "A", 7, LossReason.DROPPED))
        adapter.lost(Loss("two", TOPICS + "A", None, LossReason.TAIL))
        assert telemetry.accounts.of("A").lost == 3


async def test_losses_without_a_handler() -> None:
    """They are counted."""
    telemetry = Telemetry()
    adapter = hostile(MemoryNetwork(), "one")
    async with cluster(adapter, telemetry):
        adapter.lost(Loss("two", IDS, 3, LossReason.CUT))
        assert telemetry.missed == {LossReason.CUT: 3}


async def test_a_loss_that_a_handler_of_telemetry_fails_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The adapter's ``lost`` never raises."""
    telemetry = Telemetry()

    def bad(_event: object) -> None:
        raise ZeroDivisionError

    telemetry.attach(bad, BusMessagesLost)
    adapter = hostile(MemoryNetwork(), "one")
    async with cluster(adapter, telemetry):
        adapter.lost(Loss("two", IDS, 3, LossReason.CUT))
        assert len(caplog.records) == 2
