"""Bad ends: terminate methods and tasks that misbehave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bennu import Channel, Stop
from bennu.testing.clock import advance, running_loop, settle

from ..support.frames import Frame, closed, crashed, ok, reply
from ..support.memory import endpoint_of, serve
from .bad import (
    LOST,
    REASONS,
    End,
    How,
    assert_all_is_over,
    killed_coroutines,
    misbehave,
    scene,
)

pytestmark = killed_coroutines

each_loss = pytest.mark.parametrize("end", LOST)


# In terminate.


@pytest.mark.parametrize(("how", "line"), [("raises", "crashed"), ("hangs", "took over 5s")])
async def test_a_bad_terminate_is_cut_short(how: How, line: str) -> None:
    """It is cancelled after terminate_timeout. The leave was answered before."""
    async with scene("terminate", how) as s:
        await s.client.join("bad")
        s.client.leave("bad")
        await s.client.expect(reply("1", "2", "bad", ok()), closed("1", "bad"))
        await advance(5)
        await assert_all_is_over(s)
        s.server.logged("terminate of Bad on 'bad'", line)
        assert s.bad.reasons == ["left"]


@pytest.mark.conformance("CS041")
@each_loss
@pytest.mark.parametrize(
    ("how", "seconds"), [("raises", 0), ("hangs", 5), ("ignores", 10), ("catches_all", 10)]
)
async def test_a_client_that_is_lost_with_a_bad_terminate(
    end: End, how: How, seconds: float
) -> None:
    """terminate is cancelled after terminate_timeout, killed 5 s later, and never run again."""
    async with scene("terminate", how) as s:
        await s.client.join("bad")
        await s.end(end)
        await advance(seconds - s.took())
        await assert_all_is_over(s)
        s.server.logged("Bad on 'bad'")
        assert s.bad.reasons == [REASONS[end]]


@pytest.mark.parametrize(
    ("how", "seconds"), [("raises", 0), ("hangs", 5), ("ignores", 10), ("catches_all", 10)]
)
async def test_a_crash_with_a_bad_terminate_still_tells_the_client(
    how: How, seconds: float
) -> None:
    """phx_error comes after terminate, for every outcome of terminate."""
    async with scene("terminate", how) as s:
        await s.client.join("bad")
        s.client.push("bad", "crash")
        await s.client.expect(crashed("1", "bad"), within=seconds)
        assert running_loop().time() == seconds
        crash, cut = [record.getMessage() for record in s.server.records]
        assert crash == "Bad on 'bad' crashed in crash"
        assert "Bad on 'bad'" in cut
        s.server.records.clear()


@pytest.mark.parametrize(("how", "seconds"), [("hangs", 0), ("ignores", 5), ("catches_all", 5)])
async def test_a_duplicate_join_cuts_a_bad_terminate_short(how: How, seconds: float) -> None:
    """The old channel gets its close instead of its error."""
    async with scene("terminate", how) as s:
        await s.client.join("bad")
        s.client.push("bad", "crash")
        await settle()
        s.server.logged("crashed in crash")
        s.bad.place = "nowhere"
        s.client.start_join("bad")
        await s.client.expect(
            reply("3", "3", "bad", ok()),
            closed("1", "bad"),
            within=seconds,
        )
        if how in ("ignores", "catches_all"):
            s.server.logged("killed")


@pytest.mark.parametrize("busy", [False, True])
async def test_a_terminate_that_awaits_what_was_cancelled_has_crashed(busy: bool) -> None:
    """It is logged like any other error of terminate, even after a handler that was cancelled."""

    class Room(Channel[Any]):
        async def after_join(self) -> None:
            if busy:
                await misbehave("hangs")

        async def terminate(self, reason: Any) -> None:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        client.vanish()
        await settle()
        if busy:
            await advance(5)
            assert "did not finish in 5s" in server.records.pop(0).getMessage()
        server.logged("terminate of", "on 'room' crashed")


# In a task that the channel started.


async def test_a_task_that_raises_ends_its_channel() -> None:
    """The effect is the same as if a handler had raised."""
    async with scene("task", "raises") as s:
        s.client.start_join("bad")
        await s.client.expect(reply("1", "1", "bad", ok()), crashed("1", "bad"))
        assert s.server.logged("A task of Bad on 'bad' crashed").exc_info is not None
        [reason] = s.bad.reasons
        assert isinstance(reason, ZeroDivisionError)


@pytest.mark.parametrize("end", ["leave", *LOST, "rejoin"])
@pytest.mark.parametrize(("how", "seconds"), [("hangs", 0), ("ignores", 5), ("catches_all", 5)])
async def test_a_task_ends_with_its_channel(end: End, how: How, seconds: float) -> None:
    """The task is cancelled. If it ignores that, it is killed after 5 s. The client does not wait."""
    async with scene("task", how) as s:
        await s.client.join("bad")
        await settle()
        s.bad.place = "nowhere"
        await s.end(end)
        frames: dict[str, list[Frame]] = {
            "leave": [reply("1", "2", "bad", ok()), closed("1", "bad")],
            "rejoin": [reply("2", "2", "bad", ok()), closed("1", "bad")],
        }
        await s.client.expect(*frames.get(end, []))
        await advance(seconds - s.took())
        running = [task for task in asyncio.all_tasks() if "misbehave" in str(task.get_coro())]
        assert not running
        if how in ("ignores", "catches_all"):
            s.server.logged("a task that Bad on 'bad' started", "was killed")


async def test_a_task_that_raises_while_it_is_cancelled_is_logged() -> None:
    """The log has one line. The channel has ended already, and does not end twice."""

    class Room(Channel[Any]):
        async def after_join(self) -> None:
            _ = self.start(self.background())

        async def background(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                raise ZeroDivisionError("in its cleaning up")

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        client.leave("room")
        await client.expect(reply("1", "2", "room", ok()), closed("1", "room"))
        record = server.logged("a task that", "on 'room' started crashed when it was cancelled")
        assert record.exc_info is not None


async def test_a_task_that_wakes_when_its_channel_ends_does_not_go_on() -> None:
    """It would find a channel that has ended: a push would raise, and the log would have a crash."""
    went_on: list[str] = []

    class Room(Channel[Any]):
        async def after_join(self) -> None:
            self.gate = asyncio.Event()
            _ = self.start(self.background())

        async def background(self) -> None:
            await self.gate.wait()
            went_on.append(self.topic)
            await self.push("late")

        async def terminate(self, reason: str | Exception) -> None:
            self.gate.set()

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        client.leave("room")
        await client.expect(reply("1", "2", "room", ok()), closed("1", "room"))
        await settle()
        assert not went_on


@pytest.mark.parametrize("reason", ["normal", "out_of_paper"])
async def test_a_task_may_stop_its_channel(reason: str) -> None:
    """``raise Stop`` has the same effect as in a handler."""

    class Room(Channel[Any]):
        async def after_join(self) -> None:
            _ = self.start(self.background())

        async def background(self) -> None:
            raise Stop(reason)

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        client.start_join("room")
        end = closed if reason == "normal" else crashed
        await client.expect(reply("1", "1", "room", ok()), end("1", "room"))
        if reason != "normal":
            server.logged("on 'room' stopped: out_of_paper")
