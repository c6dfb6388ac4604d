"""Each line that is written while a function of the user runs says for whom: in tasks, threads and ``connect``."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from bennu import Channel, ConnectInfo, Ok, Refused, on, on_info
from bennu.logs import ContextFilter
from bennu.server.channel_server import ChannelServer
from bennu.server.running import Handling
from bennu.testing.clock import advance, settle
from tests.support.clock import work

from ..support.frames import PHX_JOIN, error, ok
from ..support.memory import Over, all_transports, endpoint_of, serve
from .raws import Recording, said, talking

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")

shop = logging.getLogger("shop")

Lines = list[tuple[str, dict[str, str]]]


class Collector(logging.Handler):
    """Collects the message of each line with its context, but without the ids of connections."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(ContextFilter())
        self.lines: Lines = []
        self.ids: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        context: dict[str, str] = dict(vars(record)["bennu"])
        if "connection_id" in context:
            self.ids.add(context.pop("connection_id"))
        self.lines.append((record.getMessage(), context))

    def of(self, message: str) -> dict[str, str]:
        """Return the context of the only line with this beginning."""
        [found] = [context for text, context in self.lines if text.startswith(message)]
        return found


@pytest.fixture
def written() -> Iterator[Collector]:
    collector, loggers = Collector(), (shop, logging.getLogger("bennu"))
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(collector)
        logger.setLevel(logging.INFO)
    yield collector
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(collector)
        logger.setLevel(level)


class Room(Channel[Any]):
    """It writes a line wherever it can."""

    def join(self) -> None:
        shop.info("join, in a thread")

    async def after_join(self) -> None:
        shop.info("after the join")

    @on("order")
    async def order(self) -> Ok:
        shop.info("order")
        async with asyncio.TaskGroup() as group:
            _ = group.create_task(self.nested())
        await asyncio.to_thread(shop.info, "in a thread of the handler's")
        _ = self.start(self.deliver())
        return Ok()

    async def nested(self) -> None:
        shop.info("in a task of the handler's")

    async def deliver(self) -> None:
        await work(1)
        shop.info("delivered")

    @on("pay")
    def pay(self) -> None:
        shop.info("pay, in a thread")
        self.sync.send_self("paid")

    @on_info(str)
    async def told(self, message: str) -> None:
        shop.info(message)

    @on("crash")
    async def crash(self) -> None:
        raise ZeroDivisionError

    @on("wait")
    async def wait(self) -> None:
        await work(3)

    async def terminate(self, reason: Any) -> None:
        shop.info("terminate")


@all_transports
async def test_a_handlers_lines_say_for_whom_they_are(over: Over, written: Collector) -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        client = await server.connect(params={"name": "ann"}, over=over, headers=[TRACEPARENT])
        await client.join("room:1")
        client.push("room:1", "order")
        client.push("room:1", "pay")
        client.push("room:1", "wait")
        await advance(5)
        client.leave("room:1")
        await settle()
        client.close()
    who = {"user_id": "ann", "trace_id": TRACE}
    room = {**who, "topic": "room:1", "channel": "Room"}
    expected = [
        ("CONNECTED", who),
        ("join, in a thread", {**room, "event": PHX_JOIN}),
        ("JOINED", {**room, "event": PHX_JOIN}),
        ("after the join", room),
        ("order", {**room, "event": "order"}),
        ("in a task of the handler's", {**room, "event": "order"}),
        ("in a thread of the handler's", {**room, "event": "order"}),
        ("pay, in a thread", {**room, "event": "pay"}),
        ("paid", room),
        ("delivered", {**room, "event": "order"}),
        ("terminate", room),
    ]
    for message, context in expected:
        assert written.of(message) == context, message
    assert len(written.ids) == 1
    assert len(written.ids.pop()) == 12


async def test_each_connection_and_each_topic_has_its_own(written: Collector) -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        for name in ("ann", "bo"):
            client = await server.connect(params={"name": name})
            for topic in ("room:1", "room:2"):
                await client.join(topic)
                assert (await client.call(topic, "order")) == ok()
        await advance(2)
    found = [(one["user_id"], one["topic"]) for text, one in written.lines if text == "delivered"]
    assert sorted(found) == [(n, t) for n in ("ann", "bo") for t in ("room:1", "room:2")]
    assert len(written.ids) == 2


async def test_a_line_of_connect_names_the_client_as_far_as_it_is_known(written: Collector) -> None:
    """The id that ``connect`` sets is in the lines from then on, in place of the socket's id."""
    started: list[asyncio.Task[None]] = []

    async def later() -> None:
        await work(1)
        shop.info("later")

    async def connect(params: dict[str, str], info: ConnectInfo) -> str:
        shop.info("connecting")
        info.user_id = 7
        started.append(asyncio.create_task(later()))
        if "no" in params:
            raise Refused("no")
        return "ann"

    async with serve(endpoint_of({"room:*": Room}, connect=connect)) as server:
        client = await server.connect(headers=[TRACEPARENT])
        await client.join("room:1")
        await advance(2)
        assert client.wire.code is None
    assert written.of("connecting") == {"trace_id": TRACE}
    for message in ("CONNECTED", "later"):
        assert written.of(message) == {"user_id": "7", "trace_id": TRACE}
    assert written.of("JOINED")["user_id"] == "7"
    assert len(written.ids) == 1
    await asyncio.wait(started)


async def test_bennus_lines_say_whom_they_are_about(written: Collector) -> None:
    """A crash has the event. A line that another task writes is about the channel, and not about that task."""

    class Full(Channel[Any]):
        max_mailbox = 1

        async def join(self) -> None:
            self.subscribe("news")

        @on("wait")
        async def wait(self) -> None:
            await work(3)

        @on("start")
        async def begin(self) -> None:
            _ = self.start(self.fail())

        async def fail(self) -> None:
            await work(1)
            raise ZeroDivisionError

    class Telling(Channel[Any]):
        @on("tell")
        async def tell(self) -> None:
            for _ in range(3):
                await self.endpoint.broadcast("news", "x", {})

    channels = {"room:*": Room, "full:*": Full, "tell": Telling}
    async with serve(endpoint_of(channels)) as server:
        ann = await server.connect(params={"name": "ann"})
        await ann.join("room:1")
        ann.push("room:1", "crash")
        await settle()
        server.logged("crashed in crash")
        ann.start_join("full:1")
        ann.push("full:1", "start")
        await advance(2)
        server.logged("A task of", "crashed")
        ann.start_join("full:2")
        ann.push("full:2", "wait")
        await settle()
        bo = await server.connect(params={"name": "bo"})
        await bo.join("tell")
        bo.push("tell", "tell")
        await advance(10)
        server.logged("ends because")
    crash = {"user_id": "ann", "topic": "room:1", "channel": "Room", "event": "crash"}
    assert written.of("Room on 'room:1' crashed") == crash
    of_task = written.of("A task of")
    assert (of_task["topic"], "event" in of_task) == ("full:1", False)
    end = next(context for text, context in written.lines if "ends because" in text)
    assert (end["user_id"], end["topic"], "event" in end) == ("ann", "full:2", False)


async def test_a_raw_handlers_lines_name_the_handler(written: Collector) -> None:
    class Chatty(Recording):
        async def receive(self, message: Any) -> Any:
            shop.info("received")
            return message

    async with talking(Chatty, query="name=ann") as (_, wire):
        wire.send("hello")
        assert await said(wire) == ["hello"]
    context = written.of("received")
    assert context["user_id"] == "ann"
    assert context["channel"].endswith("Chatty")
    assert context.keys() == {"user_id", "channel"}


async def test_a_line_of_refresh_names_the_client(written: Collector) -> None:
    """The channels that join later are in the context of ``refresh``, and their lines are about them."""

    async def refresh(token: str, info: ConnectInfo) -> None:
        shop.info("refresh")
        if token == "bad":
            raise ZeroDivisionError

    async with serve(endpoint_of({"room:*": Room}, refresh=refresh)) as server:
        client = await server.connect(params={"name": "ann"})
        assert await client.call("phoenix", "token", {"token": "good"}) == ok()
        await client.join("room:1")
        assert await client.call("room:1", "order") == ok()
        assert await client.call("phoenix", "token", {"token": "bad"}) == error("refresh crashed")
        server.logged("The refresh of a token crashed")
    refreshes = [context for text, context in written.lines if text == "refresh"]
    assert refreshes == [{"user_id": "ann"}, {"user_id": "ann"}]
    assert written.of("order")["topic"] == "room:1"
    assert written.of("The refresh of a token crashed") == {"user_id": "ann"}
    assert len(written.ids) == 1


async def test_a_line_outside_of_handlers_is_about_nobody(written: Collector) -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        client = await server.connect(params={"name": "ann"})
        await client.join("room:1")
        shop.info("outside")
    assert written.of("outside") == {}


async def test_a_channel_that_has_ended_is_freed_without_the_garbage_collector() -> None:
    """The context of its task names the channel, which knows the task. That must be no cycle."""

    def alive() -> int:
        # Not isinstance, which asks some objects of other packages for their class, and they begin to work.
        return sum(issubclass(type(one), ChannelServer | Handling) for one in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = alive()
        async with serve(endpoint_of({"room:*": Room})) as server:
            client = await server.connect()
            await client.join("room:1")
            assert await client.call("room:1", "order") == ok()
            await advance(2)
            client.leave("room:1")
            client.start_join("room:2")
            await settle()
            client.vanish()
            await settle()
        assert alive() == before
    finally:
        gc.enable()
