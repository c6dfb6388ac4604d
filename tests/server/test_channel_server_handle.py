"""The methods of a channel object, before the join, during it, and after the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bennu import Channel, Endpoint, Error, NoRef, NotJoined, Ok, Reply, on, on_info
from bennu.testing.clock import advance, settle

from ..support.frames import error, ok, reply
from ..support.memory import endpoint_of, serve
from .handles import Room, rooms

# Before the join and after the end.

USES: dict[str, Callable[[Channel[Any]], Awaitable[Any]]] = {
    "push": lambda channel: channel.push("e", {}),
    "broadcast": lambda channel: _awaited(channel.broadcast("e", {})),
    "broadcast_from": lambda channel: _awaited(channel.broadcast_from("e", {})),
    "local_broadcast": lambda channel: _awaited(channel.local_broadcast("e", {})),
    "local_broadcast_from": lambda channel: _awaited(channel.local_broadcast_from("e", {})),
    "ref": lambda channel: _called(channel.ref),
}


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


async def _called(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


@pytest.mark.conformance("CS010")
@pytest.mark.parametrize("use", USES)
async def test_what_needs_a_joined_channel_says_so_in_join(use: str) -> None:
    """The error names the method to use instead."""
    raised: list[NotJoined] = []

    class Early(Channel[Any]):
        async def join(self) -> None:
            try:
                await USES[use](self)
            except NotJoined as not_joined:
                raised.append(not_joined)

    async with serve(endpoint_of({"room": Early})) as server:
        client = await server.connect()
        assert await client.join("room") == ok()
        await client.expect_nothing()
    [not_joined] = raised
    assert "before the join of 'room' succeeded" in str(not_joined)
    assert "after_join" in str(not_joined)


@pytest.mark.parametrize("use", USES)
async def test_what_needs_a_joined_channel_says_so_after_its_end(use: str) -> None:
    """Code that still holds the object gets an error."""
    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        client.leave("room")
        await settle()
        client.read().clear()
        with pytest.raises(NotJoined, match="after the channel on 'room' ended"):
            await USES[use](rooms[0])
        await client.expect_nothing()


async def test_an_ended_channel_starts_nothing_new() -> None:
    """Timers, tasks and subscriptions are refused. Messages to the channel are dropped."""
    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        client.leave("room")
        await settle()
        [room] = rooms
        begun = False

        async def work() -> None:
            nonlocal begun
            begun = True

        for use in (
            lambda: room.send_after(1, "later"),
            lambda: room.send_every(1, "tick"),
            lambda: room.subscribe("news"),
            lambda: room.start(work()),
        ):
            with pytest.raises(NotJoined, match="'room' has ended"):
                use()
        room.send_self("now")
        await advance(3)
        assert room.heard == []
        assert not begun


# Replies.


@pytest.mark.conformance("CS011")
async def test_there_is_no_ref_where_there_is_no_message() -> None:
    """There is no ref after the join, for a message of the server, or for an event without a ref."""
    raised: list[str] = []

    class Asking(Channel[Any]):
        def ask(self) -> None:
            with pytest.raises(NoRef) as caught:
                self.ref()
            raised.append(str(caught.value))

        async def after_join(self) -> None:
            self.ask()
            self.send_self(1)

        @on_info(int)
        async def number(self, n: int) -> None:
            self.ask()

        @on("event")
        async def event(self) -> None:
            self.ask()

    async with serve(endpoint_of({"room": Asking})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "event", ref=None)
        await settle()
    assert len(raised) == 3
    assert all("no ref to reply to" in text for text in raised)


@pytest.mark.conformance("CS008", "CS009", "CS022", "OB016")
async def test_a_message_may_be_answered_later_from_any_task_and_twice() -> None:
    """Each reply has the ref of its message, even if other messages were handled in between."""
    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "later")
        client.push("room", "later")
        await settle()
        first, second = rooms[0].refs
        values: list[Any] = [{"a": 1}, None, Ok([2]), Error({"reason": "no"}), Reply("custom", {})]
        for value in values:
            await second.reply(value)
        await first.reply()
        await client.expect(
            reply("1", "3", "room", ok({"a": 1})),
            reply("1", "3", "room", ok()),
            reply("1", "3", "room", ok([2])),
            reply("1", "3", "room", error("no")),
            reply("1", "3", "room", {"status": "custom", "response": {}}),
            reply("1", "2", "room", ok()),
        )


async def test_a_reply_after_the_channels_end_still_reaches_the_client() -> None:
    """A ref is independent of its channel, as in Phoenix. It depends on the connection."""
    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "later")
        client.leave("room")
        await settle()
        client.read().clear()
        await rooms[0].refs[0].reply({"late": True})
        await client.expect(reply("1", "2", "room", ok({"late": True})))
        client.vanish()
        await settle()
        await rooms[0].refs[0].reply({"later": True})


# Where it stands.


async def test_a_channel_knows_where_it_stands() -> None:
    """It has its topic, join_ref, connection, endpoint, and the state of the lifespan."""

    @asynccontextmanager
    async def lifespan(endpoint: Endpoint) -> Any:
        yield {"database": endpoint}

    async with serve(endpoint_of({"room:*": Room}, lifespan=lifespan)) as server:
        client = await server.connect(params={"name": "ann"}, headers=[("X-A", "b")])
        await client.join("room:1")
        [room] = rooms
        assert room.topic == "room:1"
        assert room.join_ref == "1"
        assert room.endpoint is server.endpoint
        assert room.state == {"database": server.endpoint}
        assert room.state is server.endpoint.state
        assert room.connection.id == "ann"
        assert room.connection.transport == "websocket"
        assert room.connection.info.headers["x-a"] == "b"
