"""The ends of a channel: the frames that the client gets, their order, and the reason for terminate."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import Struct

from bennu import Channel, EncodeError, Error, Ok, Refused, Stop, on, on_info, on_out
from bennu.errors import CallbackError
from bennu.testing.clock import settle
from tests.support.clock import work

from ..support.frames import closed, crashed, error, ok, push, reply
from ..support.memory import endpoint_of, serve
from .rooms import Told


class Ending(Told):
    """A channel that ends in every way that a handler can choose."""

    @on("crash")
    async def crash(self) -> None:
        raise ZeroDivisionError("in a handler")

    @on("stop")
    async def stop(self, payload: dict[str, Any]) -> None:
        replies = {"none": None, "ok": Ok(), "value": {"a": 1}, "error": Error({"reason": "x"})}
        raise Stop(payload["reason"], reply=replies[payload.get("reply", "none")])

    @on("stop_with_what_cannot_be_written")
    async def unwritable_stop(self) -> None:
        raise Stop("normal", reply=object())

    @on("refuse_with_what_cannot_be_written")
    async def unwritable_refusal(self) -> None:
        raise Refused("no", extra=object())

    @on("push_what_cannot_be_written")
    async def unwritable(self) -> None:
        await self.push("list", [1, 2])

    @on("reply_what_cannot_be_written")
    async def unwritable_reply(self) -> Any:
        return object()

    @on("await_what_was_cancelled")
    async def cancelled(self) -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    @on("cancel_oneself")
    async def cancel_oneself(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)


def ending() -> type[Ending]:
    """Return a subclass whose recorded reasons belong to one test."""
    return type("Ending", (Ending,), {})


@pytest.mark.conformance("CS037", "OB010", "WS006", "WS007")
async def test_a_leave() -> None:
    """The client gets the reply, the close, and then the pushes of terminate.

    The topic is free after the close.
    """
    room = ending()
    async with serve(endpoint_of({"room": room})) as server:
        client = await server.connect()
        await client.join("room")
        client.leave("room")
        await client.expect(
            reply("1", "2", "room", ok()),
            closed("1", "room"),
            push("1", "room", "bye", {}),
        )
        assert room.reasons == ("left",)
        assert server.endpoint.pubsub.subscribers("room") == 0
        assert await client.call("room", "crash") == error("unmatched topic")
        assert await client.join("room") == ok()


@pytest.mark.conformance("CS038")
async def test_leaving_twice_does_no_harm() -> None:
    """The second leave comes before the first was handled, or after."""
    room = ending()
    async with serve(endpoint_of({"room": room})) as server:
        client = await server.connect()
        await client.join("room")
        client.leave("room")
        client.leave("room")
        frames = [await client.receive() for _ in range(3)]
        assert frames[:2] == [
            reply("1", "2", "room", ok()),
            closed("1", "room"),
        ]
        client.leave("room")
        await settle()
        assert client.read()[-1] == reply("1", "4", "room", ok())
        client.read().clear()
        assert room.reasons == ("left",)
        assert await client.join("room") == ok()


@pytest.mark.conformance("CS024", "CS026", "CS027", "OB011", "WS039")
@pytest.mark.parametrize("reason", ["normal", "shutdown", "shutdown:maintenance"])
@pytest.mark.parametrize("kind", [None, "ok", "value", "error"])
async def test_a_stop_that_closes(reason: str, kind: str | None) -> None:
    """The client gets the reply if there is one, the close, and then the pushes of terminate.

    Nothing is logged.
    """
    room = ending()
    replies = {"ok": ok(), "value": ok({"a": 1}), "error": error("x")}
    async with serve(endpoint_of({"room": room})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "stop", {"reason": reason, **({"reply": kind} if kind else {})})
        answer = [reply("1", "2", "room", replies[kind])] if kind else []
        await client.expect(*answer, closed("1", "room"), push("1", "room", "bye", {}))
        assert room.reasons == (reason,)


@pytest.mark.conformance("OB012")
async def test_a_stop_for_another_reason_is_a_failure() -> None:
    """The client gets the reply if there is one, the pushes of terminate, and then the error, so that it joins
    again.
    """
    room = ending()
    async with serve(endpoint_of({"room": room})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "stop", {"reason": "out_of_paper", "reply": "ok"})
        await client.expect(
            reply("1", "2", "room", ok()),
            push("1", "room", "bye", {}),
            crashed("1", "room"),
        )
        assert room.reasons == ("out_of_paper",)
        server.logged("out_of_paper")


@pytest.mark.conformance("CS023", "WS024")
@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("crash", ZeroDivisionError),
        ("push_what_cannot_be_written", EncodeError),
        ("reply_what_cannot_be_written", EncodeError),
        ("stop_with_what_cannot_be_written", EncodeError),
        ("refuse_with_what_cannot_be_written", EncodeError),
        ("await_what_was_cancelled", CallbackError),
    ],
)
async def test_a_handler_that_raises(event: str, kind: type[Exception]) -> None:
    """The client gets the pushes of terminate, and then the error; no reply, no close. The log has one line."""
    room = ending()
    async with serve(endpoint_of({"room": room})) as server:
        client, other = await server.connect(), await server.connect()
        await client.join("room")
        await other.join("room")
        client.push("room", event)
        await client.expect(push("1", "room", "bye", {}), crashed("1", "room"))
        [reason] = room.reasons
        assert isinstance(reason, kind)
        record = server.logged("Ending on 'room' crashed in")
        assert record.exc_info is not None
        assert record.exc_info[1] is reason
        await other.expect_nothing()
        assert await other.call("room", "anything") == error("unknown_event")
        assert await client.join("room") == ok()


@pytest.mark.parametrize("where", ["after_join", "on_info", "on_out"])
async def test_a_refusal_where_there_is_nothing_to_refuse_is_a_crash(where: str) -> None:
    """Without a message of the client the refusal has no receiver, so it must be logged."""

    class Room(Told):
        async def after_join(self) -> None:
            if where == "after_join":
                raise Refused("no")
            self.send_self(1)

        @on_info(int)
        async def number(self, number: int) -> None:
            if where == "on_info":
                raise Refused("no")
            await self.broadcast("event", {})

        @on_out("event")
        async def event(self, payload: Any) -> None:
            raise Refused("no")

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        client.start_join("room")
        await client.expect(
            reply("1", "1", "room", ok()),
            push("1", "room", "bye", {}),
            crashed("1", "room"),
        )
        server.logged("Room on 'room' crashed in")


class Haunted(Struct):
    """A payload that raises when it is made."""

    n: int

    def __post_init__(self) -> None:
        if self.n == 13:
            raise ZeroDivisionError("in __post_init__")


async def test_a_payload_whose_type_raises_crashes_the_channel() -> None:
    """An error that does not concern the payload is an error of the application."""

    class Room(Told):
        @on("enter")
        async def enter(self, room: Haunted) -> Ok:
            return Ok()

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        assert await client.call("room", "enter", {"n": 12}) == ok()
        client.push("room", "enter", {"n": 13})
        await client.expect(push("1", "room", "bye", {}), crashed("1", "room"))
        record = server.logged("Room on 'room' crashed in enter")
        assert record.exc_info is not None
        [reason] = Room.reasons
        assert isinstance(reason, ZeroDivisionError)


async def test_a_handler_that_cancels_its_own_task_loses_the_channel() -> None:
    """The client gets the error, and joins again. terminate still runs."""
    room = ending()
    async with serve(endpoint_of({"room": room})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "cancel_oneself")
        frames = [tuple(await client.receive()) for _ in range(2)]
        assert crashed("1", "room") in frames
        assert room.reasons == ("shutdown",)
        assert await client.join("room") == ok()
        server.records.clear()


@pytest.mark.conformance("CS025")
async def test_pushing_after_the_end_does_no_harm() -> None:
    """An event for a channel that has ended is unmatched. An event that was in transit is dropped."""
    room = ending()
    async with serve(endpoint_of({"room": room})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "stop", {"reason": "normal"})
        client.push("room", "crash")
        frames = [tuple(await client.receive()) for _ in range(2)]
        assert frames[0] == closed("1", "room")
        await settle()
        client.read().clear()
        assert await client.call("room", "crash") == error("unmatched topic")


@pytest.mark.conformance("CS039", "CS040")
async def test_the_end_of_a_connection_reaches_terminate_once() -> None:
    """``lost`` is called several times."""
    room = ending()
    async with serve(endpoint_of({"room": room})) as server:
        client = await server.connect(params={"name": "ann"})
        await client.join("room")
        client.close()
        client.vanish()
        await settle()
        await server.endpoint.disconnect("ann")
    assert room.reasons == ("closed",)


async def test_what_was_queued_before_the_connection_was_lost_is_still_handled() -> None:
    """The events are handled in order, before terminate."""
    handled: list[Any] = []

    class Room(Channel[Any]):
        @on("save")
        async def save(self, n: int) -> None:
            await work(1)
            handled.append(n)

        async def terminate(self, reason: Any) -> None:
            handled.append(reason)

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        for n in range(3):
            client.push("room", "save", n)
        await settle()
        client.vanish()
        await settle()
    assert handled == [0, 1, 2, "closed"]


async def test_a_channel_whose_client_is_lost_hears_its_topic_no_more() -> None:
    """This holds at once, and not only after the running handler."""

    class Room(Told):
        @on("save")
        async def save(self) -> None:
            await work(3)

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "save")
        await settle()
        assert server.endpoint.pubsub.subscribers("room") == 1
        client.vanish()
        await settle()
        assert server.endpoint.pubsub.subscribers("room") == 0


async def test_a_handler_that_swallows_its_cancellation_but_finishes_is_well() -> None:
    """Its reply is still sent, and then the channel ends as usual."""

    class Room(Told):
        @on("save")
        async def save(self) -> str:
            try:
                await work(60)
            except asyncio.CancelledError:
                await work(1)
            return "saved"

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "save")
        client.leave("room")
        await client.expect(
            reply("1", "2", "room", ok("saved")),
            reply("1", "3", "room", ok()),
            closed("1", "room"),
            push("1", "room", "bye", {}),
            within=6,
        )
        server.logged("Room on 'room' did not finish in 5s", "(left)")
        assert Room.reasons == ("left",)


async def test_but_not_beyond_the_grace_time() -> None:
    """After 5 s the running handler is cancelled, and queued messages are dropped."""
    handled: list[Any] = []

    class Room(Channel[Any]):
        @on("save")
        async def save(self, n: int) -> None:
            await work(2)
            handled.append(n)

        async def terminate(self, reason: Any) -> None:
            handled.append(reason)

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        for n in range(5):
            client.push("room", "save", n)
        await settle()
        client.vanish()
        await settle()
        await server.endpoint.stop()
        server.logged("Room on 'room' did not finish in 5s", "(closed)")
    assert handled == [0, 1, "closed"]
