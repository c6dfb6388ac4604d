"""The resources of a channel: timers, subscriptions and tasks that end with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bennu import Broadcast, Error, on_info
from bennu.testing.clock import advance, settle
from tests.support.clock import timers, work

from ..support.frames import crashed, error, ok, push
from ..support.inside import resources_of
from ..support.memory import endpoint_of, serve
from .handles import Room, rooms


async def test_a_message_may_be_sent_after_a_time_and_again_and_again() -> None:
    """Each message is handled in the channel's turn.

    The returned function cancels the timer, and can be called again.
    """
    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        [room] = rooms
        room.send_after(2, "after")
        never = room.send_after(2, "never")
        stop = room.send_every(1, "tick")
        never()
        never()
        await advance(3.5)
        stop()
        stop()
        await advance(5)
        assert room.heard == [(1, "tick"), (2, "after"), (2, "tick"), (3, "tick")]
        room.send_after(1, "too late")
        room.send_every(1, "too late")
        client.leave("room")
        await advance(5)
        assert len(room.heard) == 4


async def test_no_timer_outlives_its_channel() -> None:
    """All its timers are cancelled at the end."""
    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        before = timers()
        await client.join("room")
        rooms[0].send_after(1, "x")
        rooms[0].send_every(1, "x")
        assert timers() == before + 2
        client.leave("room")
        await settle()
        assert timers() == before


async def test_a_timer_that_has_fired_is_forgotten() -> None:
    """A channel that lives long does not collect old timers."""
    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        [room] = rooms
        for _ in range(3):
            room.send_after(1, "x")
        cancel = room.subscribe("news")
        task = room.start(settle())
        await advance(1)
        cancel()
        cancel()
        assert task.done()
        resources = resources_of(room)
        assert (resources.timers, resources.tasks) == (set(), set())
        assert resources.subscriptions == set()


@pytest.mark.conformance("CS043")
async def test_another_topic_can_be_listened_to() -> None:
    """Its broadcasts come to on_info. Two subscriptions deliver twice, and a cancellation ends one of them."""

    class Relay(Room):
        @on_info(Broadcast)
        async def relay(self, broadcast: Broadcast) -> None:
            await self.push(broadcast.event, broadcast.payload)

    async with serve(endpoint_of({"room": Relay})) as server:
        client = await server.connect()
        await client.join("room")
        [room] = rooms
        room.subscribe("news")
        cancel = room.subscribe("news")
        await server.endpoint.broadcast("news", "hot", {"n": 1})
        await client.expect(*[push("1", "room", "hot", {"n": 1})] * 2)
        cancel()
        await server.endpoint.broadcast("news", "hot", {"n": 2})
        await client.expect(push("1", "room", "hot", {"n": 2}))
        await server.endpoint.broadcast_from(room, "news", "hot", {"n": 3})
        await client.expect_nothing()
        client.leave("room")
        await settle()
        assert server.endpoint.pubsub.subscribers("news") == 0


# Tasks.


async def test_a_task_runs_beside_the_handlers_and_ends_with_the_channel() -> None:
    """Its result can be awaited. At the end the task is cancelled."""
    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        [room] = rooms

        async def answer() -> int:
            await settle()
            return 42

        assert await room.start(answer()) == 42
        hanging = room.start(asyncio.Event().wait())
        client.leave("room")
        await settle()
        assert hanging.cancelled()


async def test_a_task_that_is_cancelled_by_others_ends_nothing() -> None:
    """A cancellation is no crash."""
    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        [room] = rooms
        hanging = room.start(asyncio.Event().wait())
        unborn = room.start(asyncio.Event().wait())
        unborn.cancel()
        await settle()
        hanging.cancel()
        await settle()
        assert hanging.cancelled()
        assert unborn.cancelled()
        client.push("room", "later")
        await settle()
        assert len(room.refs) == 1


async def test_of_two_tasks_that_raise_the_first_is_the_reason() -> None:
    """terminate gets the first error once. Both errors are logged."""
    reasons: list[Any] = []

    class Twice(Room):
        async def after_join(self) -> None:
            _ = self.start(self.fail("first"))
            _ = self.start(self.fail("second"))
            await work(1)

        async def fail(self, name: str) -> None:
            raise ZeroDivisionError(name)

        async def terminate(self, reason: Any) -> None:
            reasons.append(str(reason))

    async with serve(endpoint_of({"room": Twice})) as server:
        client = await server.connect()
        await client.join("room")
        await client.expect(crashed("1", "room"), within=1)
        lines = [record.getMessage() for record in server.records]
        assert len(lines) == 2
        assert all("A task of" in line and "on 'room' crashed" in line for line in lines)
        server.records.clear()
    assert reasons == ["first"]


async def test_timers_tasks_and_subscriptions_may_begin_in_join() -> None:
    """Their messages are handled once the channel has joined. A refused join ends them."""

    class Eager(Room):
        async def join(self, payload: dict[str, bool]) -> Any:
            self.send_self("self")
            self.send_after(1, "after")
            self.subscribe("news")
            _ = self.start(self.work())
            await asyncio.sleep(0)  # the task begins
            await self.endpoint.pubsub.broadcast("news", "news")
            return None if payload["ok"] else Error()

        async def work(self) -> None:
            self.send_self("task")
            await asyncio.Event().wait()

    async with serve(endpoint_of({"room": Eager})) as server:
        client = await server.connect()
        assert await client.join("room", {"ok": True}) == ok()
        await advance(1)
        assert rooms[0].said == ["self", "task", "news", "after"]
        client.leave("room")
        await settle()
        client.read().clear()
        assert await client.join("room", {"ok": False}) == error({})
        await advance(1)
        assert rooms[1].heard == []
        assert server.endpoint.pubsub.subscribers("news") == 0
