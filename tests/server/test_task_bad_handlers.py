"""Bad handlers: for every kind of misbehaviour, the end comes, the client is notified, and nothing is left.

Each test ends in ``serve``, which fails if a task, a subscription or a connection is left, or if there is an
unexpected line in the log. A second client watches that nothing disturbs it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bennu.testing.clock import advance, running_loop, settle

from ..support.frames import closed, crashed, error, ok, reply
from ..support.memory import Over, both_transports, endpoint_of, serve
from .bad import (
    LOST,
    REASONS,
    Bad,
    End,
    How,
    Scene,
    assert_all_is_over,
    killed_coroutines,
    misbehave,
    scene,
)

pytestmark = killed_coroutines

each_loss = pytest.mark.parametrize("end", LOST)


# In join.


@pytest.mark.parametrize(
    ("how", "seconds"), [("raises", 0), ("hangs", 10), ("ignores", 15), ("catches_all", 15)]
)
async def test_a_bad_join_is_answered_as_crashed(how: How, seconds: float) -> None:
    """The answer comes at once, after join_timeout, or when the join was killed."""
    async with scene("join", how) as s:
        s.client.start_join("bad")
        s.client.heartbeat("2")
        await s.client.expect(
            reply("1", "1", "bad", error("join crashed")),
            reply(None, "2", "phoenix", ok()),
            within=seconds,
        )
        assert running_loop().time() == seconds
        s.server.logged("'bad'", "killed" if how in ("ignores", "catches_all") else "The join of")
        assert s.bad.reasons == []


@pytest.mark.parametrize("end", ["vanish", "disconnect", "stop"])
@pytest.mark.parametrize(("how", "seconds"), [("hangs", 5), ("ignores", 10), ("catches_all", 10)])
async def test_a_client_that_is_lost_in_the_middle_of_a_bad_join(
    end: End, how: How, seconds: float
) -> None:
    """The join has 5 s to finish, and 5 s more after its cancellation."""
    async with scene("join", how) as s:
        s.client.start_join("bad")
        await settle()
        await s.end(end)
        await advance(seconds - s.took())
        await assert_all_is_over(s)
        first, *more = [record.getMessage() for record in s.server.records]
        assert "did not finish in 5s when its end came" in first
        assert [("killed" in line) for line in more] == [True] * (how in ("ignores", "catches_all"))
        s.server.records.clear()
        assert s.bad.reasons == []


async def test_a_close_frame_waits_behind_a_join_as_every_frame_does() -> None:
    """The close is read and answered when the join was cancelled."""
    async with scene("join", "hangs") as s:
        s.client.start_join("bad")
        await s.end("close")
        await s.client.expect(reply("1", "1", "bad", error("join crashed")), within=10)
        assert await s.client.closed() == 1000
        assert s.took() == 10
        s.server.logged("The join of 'bad' took over 10s")


# In a handler: of an event, after the join, of a message of the server, of an intercepted broadcast.

PLACES = ("handler", "after_join", "on_info", "on_out")
each_place = pytest.mark.parametrize("place", PLACES)


async def misbehaving(s: Scene) -> None:
    """Join, and make the channel misbehave."""
    assert await s.client.join("bad") == ok()
    if s.bad.place == "handler":
        s.client.push("bad", "event")
    elif s.bad.place == "on_out":
        await s.server.endpoint.broadcast("bad", "out", {})
    await settle()


@each_place
async def test_a_handler_that_raises_ends_its_channel_alone(place: str) -> None:
    """terminate gets the error. The client gets phx_error, and can join again."""
    async with scene(place, "raises") as s:
        await misbehaving(s)
        await s.client.expect(crashed("1", "bad"))
        assert s.server.logged("Bad on 'bad' crashed in").exc_info is not None
        [reason] = s.bad.reasons
        assert isinstance(reason, ZeroDivisionError)


@each_place
@pytest.mark.parametrize(("how", "seconds"), [("hangs", 5), ("ignores", 10), ("catches_all", 10)])
async def test_a_leave_is_not_held_up_for_ever(place: str, how: How, seconds: float) -> None:
    """After the grace time the client gets the reply and the close. Then terminate runs."""
    async with scene(place, how) as s:
        await misbehaving(s)
        s.client.join_refs["bad"] = "1"
        await s.end("leave")
        ref = "3" if place == "handler" else "2"
        await s.client.expect_nothing()
        await s.client.expect(
            reply("1", ref, "bad", ok()),
            closed("1", "bad"),
            within=seconds,
        )
        assert s.took() == seconds
        await assert_all_is_over(s)
        assert_said(s, how, "left")


@both_transports
@each_place
@each_loss
@pytest.mark.parametrize(("how", "seconds"), [("hangs", 5), ("ignores", 10), ("catches_all", 10)])
async def test_a_client_that_is_lost_in_the_middle_of_a_bad_handler(
    place: str, end: End, how: How, seconds: float, over: Over
) -> None:
    """The handler is cancelled after 5 s, and killed after 5 s more. Then terminate runs."""
    async with scene(place, how, over) as s:
        await misbehaving(s)
        await s.end(end)
        await advance(seconds - s.took())
        await assert_all_is_over(s)
        assert_said(s, how, REASONS[end])


def assert_said(s: Scene, how: How, reason: str) -> None:
    """Check that terminate got the reason once, and that the log names the handler's end."""
    assert s.bad.reasons == [reason]
    first, *more = [record.getMessage() for record in s.server.records]
    assert f"Bad on 'bad' did not finish in 5s when its end came ({reason})" in first
    assert [("killed" in line) for line in more] == [True] * (how in ("ignores", "catches_all"))
    s.server.records.clear()


@each_place
@pytest.mark.conformance("OB009")
@pytest.mark.parametrize(("how", "seconds"), [("hangs", 0), ("ignores", 5), ("catches_all", 5)])
async def test_a_duplicate_join_ends_a_bad_handler(place: str, how: How, seconds: float) -> None:
    """The handler ends at once, or after 5 s if it ignores its cancellation. terminate does not run."""
    async with scene(place, how) as s:
        await misbehaving(s)
        s.bad.place = "nowhere"
        await s.end("rejoin")
        ref = "3" if place == "handler" else "2"
        await s.client.expect(
            reply(ref, ref, "bad", ok()),
            closed("1", "bad"),
            within=seconds,
        )
        assert s.took() == seconds
        assert s.bad.reasons == []
        if how in ("ignores", "catches_all"):
            s.server.logged("Bad on 'bad' ignored its cancellation and was killed")


@pytest.mark.parametrize("handler", ["ignores", "catches_all"])
@pytest.mark.parametrize(
    ("terminate", "seconds", "line"),
    [
        ("raises", 0, "terminate of {} crashed"),
        ("hangs", 5, "terminate of {} took over 5s"),
        ("ignores", 10, "{} ignored its cancellation and was killed"),
        ("catches_all", 10, "{} ignored its cancellation and was killed"),
    ],
    ids=["raises", "hangs", "ignores", "catches_all"],
)
async def test_a_bad_terminate_after_a_bad_handler(
    handler: How, terminate: How, seconds: float, line: str
) -> None:
    """Each has a time limit, and a line in the log."""

    class Worst(Bad):
        place = "handler"
        how = handler

        async def terminate(self, reason: Any) -> None:
            await misbehave(terminate)

    Worst.__qualname__ = "Worst"
    async with serve(endpoint_of({"bad": Worst})) as server:
        client = await server.connect()
        await client.join("bad")
        client.push("bad", "event")
        await settle()
        client.vanish()
        await settle()
        await advance(10 + seconds)
        lines = [record.getMessage() for record in server.records]
        assert lines[1:] == [
            "Worst on 'bad' ignored its cancellation and was killed",
            line.format("Worst on 'bad'"),
        ]
        assert "did not finish" in lines[0]
        server.records.clear()
        assert not [task for task in asyncio.all_tasks() if "Joined" in str(task.get_coro())]


async def test_a_client_that_is_lost_while_a_duplicate_join_waits() -> None:
    """The new join never begins. The old handler is killed nevertheless."""
    async with scene("handler", "ignores") as s:
        await misbehaving(s)
        await s.end("rejoin")
        await s.end("vanish")
        await advance(5)
        await assert_all_is_over(s)
        s.server.logged("Bad on 'bad' ignored its cancellation and was killed")
        assert s.bad.reasons == []
