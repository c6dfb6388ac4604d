"""A joined channel: its handlers run one after another, and emit events of telemetry."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import bennu
from bennu import Channel, Ok, Refused, on, on_out
from bennu.server.end import Trigger
from bennu.server.phases import TRANSITIONS, Notice, Phase
from bennu.telemetry import ChannelHandledIn, ChannelJoined
from bennu.testing.clock import settle
from tests.support.clock import work

from ..support.frames import broadcast, crashed, encode_v2, error, ok, push, pushing, reply
from ..support.memory import endpoint_of, serve


async def test_handlers_run_one_after_another_in_the_order_of_the_client() -> None:
    """A slow handler delays later messages of its channel, and no other channel."""

    class Room(Channel[Any]):
        @on("slow")
        async def slow(self) -> str:
            await work(2)
            return "slow"

        @on("quick")
        async def quick(self) -> str:
            return "quick"

    async with serve(endpoint_of({"room:*": Room})) as server:
        client = await server.connect()
        await client.join("room:1")
        await client.join("room:2")
        client.push("room:1", "slow")
        client.push("room:1", "quick")
        client.push("room:2", "quick")
        await client.expect(reply("2", "5", "room:2", ok("quick")))
        await client.expect(
            reply("1", "3", "room:1", ok("slow")),
            reply("1", "4", "room:1", ok("quick")),
            within=2,
        )


async def test_what_is_broadcast_before_a_reply_is_written_before_it() -> None:
    """If the broadcast is intercepted, the reply comes first, because the running handler must finish."""

    class Room(Channel[Any]):
        @on("plain")
        async def plain(self) -> Ok:
            await self.broadcast("news", {"n": 1})
            return Ok()

        @on("intercepted")
        async def intercepted(self) -> Ok:
            await self.broadcast("secret", {"n": 2})
            return Ok()

        @on_out("secret")
        async def secret(self, payload: Any) -> None:
            await self.push("secret", payload)

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "plain")
        await client.expect(broadcast("room", "news", {"n": 1}), reply("1", "2", "room", ok()))
        client.push("room", "intercepted")
        await client.expect(reply("1", "3", "room", ok()), push("1", "room", "secret", {"n": 2}))


@pytest.mark.conformance("CS044")
async def test_a_message_that_no_on_info_takes_is_logged_and_the_channel_lives() -> None:
    """The line names the channel, the message, and what to write."""

    class Room(Channel[Any]):
        async def after_join(self) -> None:
            self.send_self({"price": 5})

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        await settle()
        server.logged("Room on 'room'", "{'price': 5}", "@on_info(dict)", level=30)
        assert await client.call("room", "anything") == error("unknown_event")


async def test_what_happens_in_a_channel_is_told_to_telemetry() -> None:
    """Events are emitted for accepted and refused joins, and for handled events; not for crashes."""

    class Room(Channel[Any]):
        async def join(self, payload: dict[str, str]) -> None:
            if "error" in payload:
                raise Refused("no") if payload["error"] == "refused" else ZeroDivisionError

        @on("echo")
        async def echo(self, payload: Any) -> Any:
            return payload

        @on("crash")
        async def crash(self) -> None:
            raise ZeroDivisionError

    endpoint = endpoint_of({"room": Room})
    events: list[Any] = []
    detach = endpoint.telemetry.attach(events.append, ChannelJoined, ChannelHandledIn)
    async with serve(endpoint) as server:
        client = await server.connect()
        events.clear()
        await client.join("room", {"error": "refused"})
        await client.join("room", {"error": "crash"})
        await client.join("room", {"a": "b"})
        await client.call("room", "echo", {"c": 1})
        await client.call("room", "echo", b"\x01")
        client.push("room", "crash")
        await client.receive()
        server.records.clear()
        detach()
        await client.join("room", {"a": "b"})
    told = [
        (event.topic, event.result, event.payload)
        if isinstance(event, ChannelJoined)
        else (event.topic, event.event, event.ref, event.payload)
        for event in events
    ]
    assert told == [
        ("room", "error", {"error": "refused"}),
        ("room", "ok", {"a": "b"}),
        ("room", "echo", "4", {"c": 1}),
        ("room", "echo", "5", b"\x01"),
    ]
    assert isinstance(events[-1], ChannelHandledIn)
    assert all(event.channel.endswith("Room") and event.duration >= 0 for event in events)


async def test_a_payload_that_nobody_can_read_is_told_to_telemetry_as_it_came() -> None:
    """An example is a number that is too big. A handler without a payload never decodes it."""

    class Room(Channel[Any]):
        @on("ping")
        async def ping(self) -> Ok:
            return Ok()

    endpoint = endpoint_of({"room": Room})
    events: list[Any] = []
    endpoint.telemetry.attach(events.append, ChannelHandledIn)
    async with serve(endpoint) as server:
        client = await server.connect()
        await client.join("room")
        text = str(encode_v2(pushing("1", "2", "room", "ping", {"n": "N"})))
        client.wire.send(text.replace('"N"', "1e999"))
        await client.expect(reply("1", "2", "room", ok()))
    assert events[-1].payload == b'{"n":1e999}'


async def test_timeouts_and_task_groups_work_in_handlers() -> None:
    """A handler is a normal coroutine in a normal task."""

    class Room(Channel[Any]):
        @on("timeout")
        async def timeout(self) -> str:
            try:
                async with asyncio.timeout(1):
                    await work(60)
            except TimeoutError:
                return "timeout"
            return "no timeout"

        @on("group")
        async def group(self) -> list[int]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self.square(n)) for n in range(3)]
            return [task.result() for task in tasks]

        @on("failing_group")
        async def failing_group(self) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(work(60))
                group.create_task(self.square(-1))

        async def square(self, n: int) -> int:
            await work(1)
            if n < 0:
                raise ZeroDivisionError
            return n * n

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        assert await client.call("room", "timeout", within=1) == ok("timeout")
        assert await client.call("room", "group", within=1) == ok([0, 1, 4])
        client.push("room", "failing_group")
        await client.expect(crashed("1", "room"), within=1)
        record = server.logged("Room on 'room' crashed in failing_group")
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], ExceptionGroup)


async def test_a_handler_may_disconnect_its_own_client() -> None:
    """The handler is finished, and then its channel ends. Its later broadcasts reach only other clients."""
    reasons: list[Any] = []

    class Room(Channel[Any]):
        @on("bye")
        async def bye(self) -> Ok:
            await self.push("bye", {})
            await self.endpoint.disconnect("ann")
            await work(1)
            await self.push("unheard", {})
            await self.broadcast("gone", {})
            return Ok()

        async def terminate(self, reason: Any) -> None:
            reasons.append((self.assigns, reason))

    async with serve(endpoint_of({"room": Room})) as server:
        ann, bob = [await server.connect(params={"name": name}) for name in ("ann", "bob")]
        await ann.join("room")
        await bob.join("room")
        ann.push("room", "bye")
        await ann.expect(push("1", "room", "bye", {}))
        assert await ann.closed() == 1001
        await bob.expect(broadcast("room", "gone", {}), within=1)
        assert reasons == [("ann", "disconnected")]


@pytest.mark.parametrize("end", ["leave", "close", "rejoin", "crash"])
async def test_what_has_ended_needs_no_garbage_collector(end: str) -> None:
    """The channel is freed at once. Otherwise many short connections would wait for a full collection."""
    ended: list[weakref.ref[Any]] = []

    class Weak(Channel[Any]):
        def __init__(self) -> None:
            ended.append(weakref.ref(self))

        @on("echo")
        async def echo(self, payload: Any) -> Any:
            return payload

        @on("crash")
        async def crash(self) -> None:
            raise ZeroDivisionError

    async with serve(endpoint_of({"room": Weak})) as server:
        client = await server.connect()
        await client.join("room")
        assert await client.call("room", "echo", {}) == ok({})
        gc.disable()
        try:
            if end == "leave":
                client.leave("room")
            elif end == "close":
                client.close()
            elif end == "rejoin":
                client.start_join("room")
            else:
                logging.disable()  # pytest keeps what is logged, and with it the frames of the traceback
                client.push("room", "crash")
            await settle()
            assert ended[0]() is None
        finally:
            gc.enable()
            logging.disable(logging.NOTSET)
        client.read().clear()


def test_every_phase_comes_to_its_end() -> None:
    """The table leads from each phase to ENDED, and ENDED has no transition."""
    ends = {Phase.ENDED}
    for _ in Phase:
        ends |= {phase for (phase, _), (then, _) in TRANSITIONS.items() if then in ends}
    assert ends == set(Phase)
    assert all(phase is not Phase.ENDED for phase, _ in TRANSITIONS)


def test_a_joined_channel_takes_each_end() -> None:
    """The client gets a notice of each end, unless it is gone or joins again."""
    told = {
        trigger: told
        for (phase, trigger), (_, told) in TRANSITIONS.items()
        if phase is Phase.JOINED
    }
    assert told == {
        Trigger.LEFT: Notice.CLOSED,
        Trigger.STOPPED: Notice.CLOSED,
        Trigger.FAILED: Notice.CRASHED,
        Trigger.LOST: Notice.NOTHING,
        Trigger.REPLACED: Notice.NOTHING,
    }


@contextmanager
def functions_called() -> Iterator[list[tuple[str, str]]]:
    """Collect the functions of Bennu that run, each with its module."""
    source = str(Path(bennu.__file__).parent)
    functions: list[tuple[str, str]] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        path = code.co_filename  # the test kit is the client here
        if event == "call" and path.startswith(source) and f"{source}/testing/" not in path:
            functions.append((code.co_filename.removeprefix(source), code.co_name))

    sys.setprofile(note)
    try:
        yield functions
    finally:
        sys.setprofile(None)


class Typed(Channel[Any]):
    """It echoes, and broadcasts."""

    @on("echo")
    async def echo(self, payload: dict[str, int]) -> dict[str, int]:
        return payload

    @on("shout")
    async def shout(self, payload: dict[str, int]) -> None:
        await self.broadcast("shout", payload)


async def test_a_push_and_its_reply_take_a_dozen_functions() -> None:
    """Each further function costs a tenth of a microsecond for each message, and makes the code harder to follow."""
    async with serve(endpoint_of({"room": Typed})) as server:
        client = await server.connect()
        await client.join("room")
        assert await client.call("room", "echo", {"a": 1}) == ok({"a": 1})
        client.push("room", "echo", {"a": 2})
        with functions_called() as functions:
            await settle()
        assert (await client.receive()).payload == ok({"a": 2})
    assert len(functions) <= 12, functions
    assert len({module for module, _ in functions}) <= 8, functions


async def test_a_broadcast_reaches_the_transport_in_ten_functions() -> None:
    async with serve(endpoint_of({"room": Typed})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "shout", {"a": 2})
        with functions_called() as functions:
            await settle()
        assert (await client.receive()).payload == {"a": 2}
    functions = functions[functions.index(("/channel.py", "broadcast")) :]
    assert len(functions) <= 10, functions
    assert len({module for module, _ in functions}) <= 6, functions
