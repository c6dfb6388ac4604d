"""How spans end, and whose they are."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from bennu import Channel, Endpoint, Socket, on
from bennu.protocol.trace_context import TraceParent
from bennu.telemetry import BroadcastFannedOut
from bennu.testing import connect
from bennu.testing.clock import advance, settle
from bennu.tracing.carried import Carried
from bennu.tracing.spans import Spans, carried_of, span_context_of

from .recording import PARENT, STATE, TRACE, Recording, endpoint_of_rooms


def test_a_context_travels_as_it_is() -> None:
    for is_sampled in (True, False):
        carried = Carried(TraceParent(TRACE, PARENT, is_sampled), STATE)
        context = span_context_of(carried)
        assert context.is_remote
        assert carried_of(context) == carried
    assert carried_of(trace.INVALID_SPAN_CONTEXT) is None


class Stubborn(Channel[Any]):
    """It ignores its cancellation."""

    room_id: int

    @on("hang")
    async def hang(self) -> None:
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                continue


async def test_a_handler_that_is_killed_leaves_no_error_in_opentelemetry(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recording = Recording()
    async with connect(endpoint_of_rooms(recording.tracing(), rooms=Stubborn), "/socket") as client:
        room = await client.join("room:1")
        room.push("hang")
        await settle()
        client.vanish()
        await advance(30)
    span = recording.one("hang")
    assert dict(span.attributes or {})["bennu.outcome"] == "killed"
    assert span.status.status_code is StatusCode.ERROR
    assert not [one for one in caplog.records if one.name.startswith("opentelemetry")]
    assert any("was killed" in one.getMessage() for one in caplog.records)


async def test_a_fan_out_belongs_to_a_broadcast_only_while_that_is_passed_on() -> None:
    """What a task has inherited of a broadcast is closed with it."""
    recording = Recording()
    spans = Spans(recording.tracing())
    go_on = asyncio.Event()

    async def later() -> None:
        await go_on.wait()
        spans.fanned_out(BroadcastFannedOut("t", "said", 1, 1, 1, 0.0), None)
        assert spans.carried() is None

    with spans.broadcasting("t", "said", None):
        spans.fanned_out(BroadcastFannedOut("t", "said", 1, 1, 1, 0.0), None)
        spans.fanned_out(BroadcastFannedOut("t", "presence_diff", 1, 1, 1, 0.0), None)
        spans.fanned_out(BroadcastFannedOut("u", "said", 1, 1, 1, 0.0), None)
        assert spans.carried() is not None
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
    go_on.set()
    await task
    assert recording.names == ["fan_out", "broadcast"]


async def test_without_a_tracer_provider_nothing_is_recorded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)

    class Room(Channel[Any]):
        @on("say")
        async def say(self) -> str:
            await self.broadcast("said")
            return "said it"

    socket = Socket(connect=lambda: None, channels={"room:*": Room})
    async with connect(Endpoint(sockets={"/socket": socket}, tracing=True), "/socket") as client:
        room = await client.join("room:1")
        assert await room.push("say", {"_trace": {}}) == "said it"
        await room.assert_push("said")
    assert caplog.records == []
