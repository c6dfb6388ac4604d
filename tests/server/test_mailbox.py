"""The mailbox of a channel: a flood of the client pauses reading, a flood of the server follows ``overflow``."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import timeit
from collections.abc import Callable, Iterable
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given, strategies as st
from msgspec import Raw

from bennu import Channel, on, on_info, on_out
from bennu.message import Message
from bennu.reasons import DropReason
from bennu.server.end import End, Trigger
from bennu.server.mailbox import Kind, Mailbox
from bennu.telemetry import Telemetry
from bennu.testing.clock import advance, settle

from ..support.frames import PHX_LEAVE, closed, crashed, error, ok, push, reply
from ..support.memory import Client, Over, all_transports, endpoint_of, serve

# The mailbox alone.


class Taker:
    """A replacement for the channel whose task takes the items, and for its connection."""

    topic = label = "taker"

    def __init__(self, **options: Any) -> None:
        bounds = {"max_inbox": 4, "max_mailbox": 2, "overflow": "end", "warn_waiting": None}
        self.agent = SimpleNamespace(**{**bounds, **options})
        self.connection = self.server = self
        self.log = logging.getLogger("taker")
        self.telemetry = Telemetry()
        self.is_reading = True
        self.turns: list[str] = []
        self.mailbox = Mailbox(self)  # type: ignore[arg-type]

    def pause_reading(self) -> None:
        self.is_reading = False
        self.turns.append("pause")

    def resume_reading(self) -> None:
        self.is_reading = True
        self.turns.append("resume")


def message(ref: str | int, event: str = "e") -> Message:
    return Message("1", ref, "room", event, Raw(b"{}"))


def all_of(mailbox: Mailbox) -> list[Any]:
    return [mailbox.pop() for _ in range(len(mailbox))]


END: Any = End(Trigger.LOST, "closed")


def test_messages_fill_it_up_to_the_bound_and_it_has_drained_at_half() -> None:
    """The mailbox pauses reading once, and resumes it once."""
    taker = Taker(max_inbox=4)
    mailbox = taker.mailbox
    paused = []
    for n in range(6):
        mailbox.put_message(message(n))
        paused.append(not taker.is_reading)
    assert paused == [False, False, False, True, True, True]
    drained = []
    for _ in range(6):
        mailbox.pop()
        drained.append(taker.is_reading)
    assert drained == [False, False, False, True, True, True]
    assert taker.turns == ["pause", "resume"]
    for n in range(4):
        mailbox.put_message(message(n))
    assert taker.turns == ["pause", "resume", "pause"]


def test_a_bound_of_one() -> None:
    """Half of it is zero."""
    taker = Taker(max_inbox=1)
    taker.mailbox.put_message(message(1))
    assert taker.turns == ["pause"]
    taker.mailbox.pop()
    assert taker.turns == ["pause", "resume"]


def test_what_the_server_says_takes_no_place_of_the_client_nor_the_other_way_round() -> None:
    """Each queue has a separate bound. A leave and the end by a lost connection have no bound."""
    taker = Taker(max_inbox=2, max_mailbox=2)
    mailbox = taker.mailbox
    assert mailbox.put_item(Kind.INFO, "a")
    assert mailbox.put_item(Kind.OUT, "b")
    assert not mailbox.put_item(Kind.INFO, "c")
    mailbox.put_anyway(message(1, PHX_LEAVE))
    mailbox.put_anyway(END)
    assert not mailbox.put_item(Kind.INFO, "c")
    mailbox.put_message(message(2))
    assert taker.turns == []
    mailbox.put_message(message(3))
    assert taker.turns == ["pause"]
    assert len(mailbox) == 6


def test_the_oldest_of_the_servers_own_is_dropped() -> None:
    """Messages of the client and ends are never dropped."""
    taker = Taker(max_mailbox=1, overflow="drop_oldest")
    mailbox = taker.mailbox
    mailbox.put_message(message(1))
    mailbox.put_anyway(END)
    assert mailbox.put_item(Kind.INFO, "a")
    assert mailbox.put_item(Kind.OUT, "b")
    assert taker.telemetry.drops == {("taker", DropReason.MAILBOX_FULL): 1}
    assert all_of(mailbox) == [message(1), END, (Kind.OUT, "b")]


@given(st.lists(st.sampled_from(["message", "leave", "end", "item", "pop", "pop"]), max_size=60))
def test_there_is_one_order(actions: list[str]) -> None:
    """Items come out in the order of a single queue, without the dropped items."""
    taker = Taker(max_inbox=3, max_mailbox=2, overflow="drop_oldest")
    queue: list[Any] = []
    for number, action in enumerate(actions):
        if action == "pop":
            assert taker.mailbox.pop() == (queue.pop(0) if queue else None)
        elif action == "item":
            items = [item for item in queue if type(item) is tuple]
            if len(items) == 2:
                queue.remove(items[0])
            queue.append((Kind.INFO, number))
            taker.mailbox.put_item(Kind.INFO, number)
        elif action == "message":
            queue.append(message(number))
            taker.mailbox.put_message(queue[-1])
        else:
            queue.append(message(number, PHX_LEAVE) if action == "leave" else END)
            taker.mailbox.put_anyway(queue[-1])
        waiting = [item for item in queue if type(item) is Message and item.event == "e"]
        assert taker.is_reading or len(waiting) > 1
        assert not taker.is_reading or len(waiting) < 3
    assert all_of(taker.mailbox) == queue


def calls_of(function: Callable[[], object]) -> int:
    """Return the number of functions that a call runs, including C functions.

    A scan of the queue would increase it.
    """
    calls = 0

    def count(_frame: object, event: str, _what: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("kind", ["message", "item", "leave"])
def test_operations_take_as_long_however_much_waits(kind: str) -> None:
    """A full mailbox of a million items is as fast as a full mailbox of four."""
    calls, times = [], []
    for bound in (4, 100_000):
        taker = Taker(max_inbox=bound, max_mailbox=bound, overflow="drop_oldest")
        mailbox = taker.mailbox
        for n in range(bound):
            mailbox.put_item(Kind.INFO, n)
            mailbox.put_message(message(n))
        mailbox.put_item(Kind.INFO, 0)  # the first that is dropped writes a line
        put: dict[str, Callable[[], object]] = {
            "message": partial(mailbox.put_message, message(0)),
            "item": partial(mailbox.put_item, Kind.INFO, 0),
            "leave": partial(mailbox.put_anyway, message(0, PHX_LEAVE)),
        }

        def turn(mailbox: Mailbox = mailbox, put: Callable[[], object] = put[kind]) -> None:
            put()
            mailbox.pop()

        calls.append(calls_of(turn))
        times.append(min(timeit.repeat(turn, timer=time.process_time, number=200, repeat=20)))
    assert calls[0] == calls[1]
    assert times[1] < 10 * times[0]


# A flood of the client.


class Gated(Channel[Any]):
    """A channel that handles each event when the test opens the gate, and then replies with its number."""

    max_inbox = 4
    gate: ClassVar[asyncio.Semaphore]

    @on("work")
    async def work(self, n: int) -> int:
        await Gated.gate.acquire()
        if n < 0:
            raise ZeroDivisionError
        return n


@pytest.fixture(autouse=True)
def _gate() -> None:
    Gated.gate = asyncio.Semaphore(0)


async def let_through(count: int) -> None:
    for _ in range(count):
        Gated.gate.release()
        await settle()


def answers(client: Client) -> list[Any]:
    """Return the responses that have come, and forget them."""
    frames = client.read()
    responses = [frame.payload.get("response") for frame in frames]
    frames.clear()
    return responses


async def flood(client: Client, numbers: Iterable[int]) -> None:
    """Send events. The first of them is being handled when the others arrive."""
    for n in numbers:
        client.push("room", "work", n)
        await settle()


@all_transports
async def test_a_full_mailbox_stops_the_reading_until_it_is_half_empty(over: Over) -> None:
    """No message is lost or reordered. Another client of the same topic is not affected."""
    async with serve(endpoint_of({"room": Gated})) as server:
        client, other = await server.connect(over=over), await server.connect(over=over)
        await client.join("room")
        await other.join("room")
        await flood(client, range(12))
        client.heartbeat("h")
        await flood(other, [100])
        await let_through(3)
        assert answers(client) == [0, 1]
        assert answers(other) == [100]
        await let_through(5)
        assert answers(client) == [2, 3, 4, 5, 6]
        # 7 is being handled, 8, 9 and 10 wait; the heartbeat comes when two are left.
        await let_through(1)
        assert answers(client) == [7, {}]
        await let_through(4)
        assert answers(client) == [8, 9, 10, 11]


async def test_the_socket_is_paused_so_that_the_client_feels_it() -> None:
    """Unread bytes stay in the client's socket, not in the server's memory."""
    async with serve(endpoint_of({"room": Gated})) as server:
        client = await server.connect()
        transport = client.wire.transport  # type: ignore[union-attr]
        await client.join("room")
        await flood(client, range(5))
        assert transport.is_reading()
        await flood(client, [5])  # the first that finds no place
        assert not transport.is_reading()
        await let_through(1)
        assert not transport.is_reading()
        await let_through(1)
        assert transport.is_reading()
        await let_through(4)
        assert answers(client) == [0, 1, 2, 3, 4, 5]


async def test_heartbeats_and_leaves_need_no_place() -> None:
    """They do not fill a mailbox. A leave is answered in its turn."""
    async with serve(endpoint_of({"room": Gated})) as server:
        client = await server.connect()
        await client.join("room")
        await flood(client, range(4))
        client.leave("room")
        client.heartbeat("h")
        await client.expect(reply(None, "h", "phoenix", ok()))
        await let_through(4)
        await client.expect(
            *(reply("1", str(2 + n), "room", ok(n)) for n in range(4)),
            reply("1", "6", "room", ok()),
            closed("1", "room"),
        )


async def test_a_full_channel_that_ends_lets_the_reading_go_on() -> None:
    """Messages that wait are dropped with the channel. Later messages are unmatched."""
    async with serve(endpoint_of({"room": Gated})) as server:
        client = await server.connect()
        await client.join("room")
        await flood(client, [-1, 1, 2, 3, 4, 5, 6])
        await let_through(1)
        server.logged("Gated on 'room' crashed in work")
        await client.expect(
            crashed("1", "room"),
            reply(None, "7", "room", error("unmatched topic")),
            reply(None, "8", "room", error("unmatched topic")),
        )


async def test_a_client_that_vanishes_with_a_full_mailbox_leaves_nothing_behind() -> None:
    """Messages that were read are handled within the grace time. Unread messages are dropped."""
    async with serve(endpoint_of({"room": Gated})) as server:
        client = await server.connect()
        await client.join("room")
        await flood(client, range(9))
        client.vanish()
        await settle()
        await let_through(5)
        assert server.endpoint.connections == 0
        assert Gated.gate.locked()  # five were handled, and no more


async def test_a_silence_that_we_imposed_is_not_the_clients() -> None:
    """When reading resumes, the client has its whole timeout again."""
    async with serve(endpoint_of({"room": Gated}, timeout=4)) as server:
        client = await server.connect()
        await client.join("room")
        await flood(client, range(6))
        await advance(3.5)
        await let_through(6)
        assert answers(client) == [0, 1, 2, 3, 4, 5]
        await advance(3.9)
        assert client.wire.code is None
        assert await client.closed(within=1.1) == 1002


# A flood of our own.


class Slow(Channel[Any]):
    """A channel that handles messages of the server when the gate opens."""

    max_mailbox = 3

    @on_out("news")
    async def news(self, payload: dict[str, int]) -> None:
        await Gated.gate.acquire()
        await self.push("news", payload)

    @on_info(int)
    async def number(self, n: int) -> None:
        await Gated.gate.acquire()
        await self.push("number", {"n": n})

    async def terminate(self, reason: Any) -> None:
        await self.push("bye", {"reason": str(reason)})


def slow(policy: Literal["end", "drop_oldest"]) -> type[Channel[Any]]:
    return type("Slow", (Slow,), {"overflow": policy})


async def test_a_channel_that_can_not_keep_up_with_the_server_ends() -> None:
    """The client gets an error, and joins again. Other clients of the topic are not affected."""
    async with serve(endpoint_of({"room": slow("end"), "other": Gated})) as server:
        client = await server.connect()
        await client.join("room")
        await client.join("other")
        for n in range(5):  # one is being handled, three wait
            await server.endpoint.broadcast("room", "news", {"n": n})
            await settle()
        server.logged("Slow on 'room' ends", "3 messages", "max_mailbox")
        await client.expect_nothing()
        await let_through(1)
        await client.expect(
            push("1", "room", "news", {"n": 0}),
            push("1", "room", "bye", {"reason": "overflow"}),
            crashed("1", "room"),
        )
        await server.endpoint.broadcast("room", "news", {"n": 9})
        await client.expect_nothing()


async def test_a_channel_may_drop_the_oldest_instead() -> None:
    """The log reports the drops. The newest messages arrive in order."""
    async with serve(endpoint_of({"room": slow("drop_oldest")})) as server:
        client = await server.connect()
        await client.join("room")
        for n in range(6):
            await server.endpoint.broadcast("room", "news", {"n": n})
            await settle()
        # Two were dropped; the log says it at the first, and then at each thousandth.
        server.logged("Slow on 'room' has dropped", "1 so far", level=logging.WARNING)
        assert server.endpoint.telemetry.drops == {("room", DropReason.MAILBOX_FULL): 2}
        await let_through(4)
        await client.expect(*(push("1", "room", "news", {"n": n}) for n in (0, 3, 4, 5)))


async def test_messages_for_on_info_are_bounded_like_intercepted_broadcasts() -> None:
    """They share one bound. Messages of subscribed topics count too."""

    class Subscribing(slow("drop_oldest")):  # type: ignore[misc]
        async def after_join(self) -> None:
            self.subscribe("numbers")

    async with serve(endpoint_of({"room": Subscribing})) as server:
        client = await server.connect()
        await client.join("room")
        for n in range(3):
            await server.endpoint.pubsub.broadcast("numbers", n)
            await server.endpoint.broadcast("room", "news", {"n": n})
            await settle()
        server.records.clear()
        await let_through(6)
        await client.expect(
            push("1", "room", "number", {"n": 0}),
            push("1", "room", "news", {"n": 1}),
            push("1", "room", "number", {"n": 2}),
            push("1", "room", "news", {"n": 2}),
        )
