"""The join of a channel: its return values and exceptions, and the answers to the client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bennu import Channel, Error, Ok, Refused, Reply, Stop, on, on_info
from bennu.testing.clock import advance, settle
from tests.support.clock import work

from ..support.frames import broadcast, closed, error, ok, push, reply
from ..support.memory import Over, all_transports, endpoint_of, serve
from .rooms import Told


@pytest.mark.conformance("CS012", "WS036", "WS037", "WS038")
@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (None, ok()),
        ({"a": 1}, ok({"a": 1})),
        ({}, ok()),
        ([1, {"b": [2]}], ok([1, {"b": [2]}])),
        ("text", ok("text")),
        (0, ok(0)),
        (Ok({"a": 1}), ok({"a": 1})),
        (Ok(), ok()),
        (Error({"reason": "full", "seats": 0}), error({"reason": "full", "seats": 0})),
        (Refused("full", seats=0), error({"reason": "full", "seats": 0})),
        (ZeroDivisionError("in join"), error("join crashed")),
        (Stop("normal"), error("join crashed")),
    ],
    ids=repr,
)
async def test_what_a_join_returns_or_raises_is_its_reply(value: Any, answer: Any) -> None:
    """None is an ok, a value is its response, Refused and Error are an error. Other results crash the join."""

    class Room(Told):
        async def join(self) -> Any:
            if isinstance(value, Exception):
                raise value
            return value

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        client.start_join("room", ref="5", join_ref="4")
        await client.expect(reply("4", "5", "room", answer))
        if answer == error("join crashed"):
            assert server.logged("The join of 'room' crashed").exc_info is not None
        joined = answer["status"] == "ok"
        refused = error("unknown_event") if joined else error("unmatched topic")
        client.push("room", "anything", ref="6", join_ref=None)
        await client.expect(reply("4" if joined else None, "6", "room", refused))
        client.vanish()
        await settle()
    assert Room.reasons == (("closed",) if joined else ())


@pytest.mark.conformance("CS015", "OB013")
@pytest.mark.parametrize("fails", [Refused("no"), ZeroDivisionError("in join")], ids=repr)
async def test_terminate_runs_only_if_the_join_succeeded(fails: Exception) -> None:
    """It does not run after a refusal (as in Phoenix) or after a crash, since no channel has joined."""

    class Room(Told):
        async def join(self) -> Any:
            raise fails

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        assert (await client.join("room"))["status"] == "error"
        server.records.clear()
    assert Room.reasons == ()


@pytest.mark.conformance("CS016")
@pytest.mark.parametrize(
    "value", [Reply("custom", {}), object(), {1, object()}], ids=["Reply", "object", "set"]
)
async def test_a_join_that_returns_what_cannot_be_its_reply_crashes(value: Any) -> None:
    """Examples are another status, or a value without a JSON form. The log has one line."""

    class Room(Told):
        async def join(self) -> Any:
            return value

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        assert await client.join("room") == error("join crashed")
        server.logged("The join of 'room' returned")
        assert server.endpoint.pubsub.subscribers("room") == 0
    assert Room.reasons == ()


@pytest.mark.conformance("OB015")
async def test_the_reply_of_a_join_may_be_binary() -> None:
    """Bytes make a binary frame. For a V1 client they crash the join."""

    class Room(Channel[Any]):
        async def join(self) -> bytes:
            return b"\x01\x02"

    async with serve(endpoint_of({"room": Room})) as server:
        new, old = await server.connect(), await server.connect(version="1.0.0")
        assert await new.join("room") == ok(b"\x01\x02")
        assert await old.join("room") == error("join crashed")
        server.logged("The join of 'room' returned a value that can't be sent")


@pytest.mark.conformance("CS046")
async def test_a_join_gets_its_payload_in_the_type_that_it_asks_for() -> None:
    """A wrong payload is refused with path and message, and is no crash."""

    class Room(Channel[Any]):
        async def join(self, payload: dict[str, dict[str, int]]) -> Any:
            return payload

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        assert await client.join("room", {"a": {"b": 1}}) == ok({"a": {"b": 1}})
        reply = await client.join("room", {"a": {"b": "1"}})
        assert reply["status"] == "error"
        assert reply["response"]["reason"] == "invalid_payload"
        [mistake] = reply["response"]["errors"]
        assert set(mistake) == {"path", "message"}
        await client.expect(closed("1", "room"))


async def test_a_join_that_takes_too_long_is_answered_as_crashed() -> None:
    """The answer comes after join_timeout, with one line in the log. Then the client's next frame is handled."""

    class Room(Told):
        async def join(self) -> None:
            await work(60)

    async with serve(endpoint_of({"room": Room}, join_timeout=3)) as server:
        client = await server.connect()
        client.start_join("room")
        client.heartbeat("2")
        await client.expect(
            reply("1", "1", "room", error("join crashed")),
            reply(None, "2", "phoenix", ok()),
            within=3,
        )
        server.logged("The join of 'room' took over 3s")
    assert Room.reasons == ()


async def test_a_join_that_was_too_slow_has_crashed_even_if_it_goes_on() -> None:
    """The join swallows its cancellation and returns a value, which is dropped."""

    class Room(Told):
        async def join(self) -> Any:
            try:
                await work(60)
            except asyncio.CancelledError:
                await work(1)
            return {"too": "late"}

    async with serve(endpoint_of({"room": Room}, join_timeout=3)) as server:
        client = await server.connect()
        assert await client.join("room", within=4) == error("join crashed")
        server.logged("The join of 'room' took over 3s")
        assert await client.call("room", "anything") == error("unmatched topic")
    assert Room.reasons == ()


@pytest.mark.parametrize("result", ["ok", "refused"])
async def test_a_client_that_is_lost_while_its_join_goes_on(result: str) -> None:
    """The answer is dropped. If the join accepted the client, terminate runs."""

    class Room(Told):
        async def join(self) -> None:
            await work(2)
            if result == "refused":
                raise Refused("no")

        async def after_join(self) -> None:
            await self.push("welcome", {})
            await self.broadcast("joined", {})

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        client.start_join("room")
        await settle()
        client.vanish()
        await advance(2)
        assert server.endpoint.pubsub.subscribers("room") == 0
    assert Room.reasons == (("closed",) if result == "ok" else ())


async def test_a_join_that_cancels_its_own_task_crashes() -> None:
    """The connection is read again."""

    class Room(Told):
        async def join(self) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        assert await client.join("room") == error("join crashed")
        assert await client.call("room", "anything") == error("unmatched topic")
    assert Room.reasons == ()


async def test_a_join_that_awaits_what_was_cancelled_crashes() -> None:
    """A CancelledError of another task is a normal error."""

    class Room(Channel[Any]):
        async def join(self) -> None:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        assert await client.join("room") == error("join crashed")
        server.logged("The join of 'room' crashed")


@all_transports
@pytest.mark.conformance("WS003")
async def test_after_join_runs_once_the_reply_is_out(over: Over) -> None:
    """Its pushes and broadcasts come after the reply, and before any event of the client is handled."""

    class Room(Channel[Any]):
        async def join(self) -> None:
            self.send_self(1)

        async def after_join(self) -> None:
            await self.push("welcome", {})
            await self.broadcast("joined", {})

        @on("echo")
        async def echo(self) -> Ok:
            return Ok()

        @on_info(int)
        async def number(self, number: int) -> None:
            await self.push("number", {"n": number})

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect(over=over)
        client.start_join("room")
        client.push("room", "echo")
        await client.expect(
            reply("1", "1", "room", ok()),
            push("1", "room", "welcome", {}),
            broadcast("room", "joined", {}),
            push("1", "room", "number", {"n": 1}),
            reply("1", "2", "room", ok()),
        )
