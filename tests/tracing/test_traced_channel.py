"""The spans of joins and handlers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import Struct
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from bennu import Channel, Endpoint, Ok, Socket, on
from bennu.testing import JoinRefused, PushRefused, connect
from bennu.testing.clock import advance, settle
from tests.support.memory import serve

from .recording import (
    PARENT,
    STATE,
    TRACE,
    TRACEPARENT,
    UNSAMPLED,
    Recording,
    Room,
    connect_user,
    endpoint_of_rooms,
    id_of,
    parent_of,
    state_of,
    trace_of,
)

CONTEXT = {"traceparent": TRACEPARENT, "tracestate": STATE}


async def test_a_join_is_a_child_of_the_connect_and_a_message_begins_a_trace() -> None:
    recording = Recording()
    async with connect(endpoint_of_rooms(recording.tracing()), "/socket") as client:
        room = await client.join("room:1")
        await room.push("say", {"body": "hello"})
    connected, joined, said = (recording.one(name) for name in ("connect", "join", "say"))
    assert recording.names[:2] == ["connect /socket", "join room:{room_id}"]
    assert (trace_of(joined), parent_of(joined)) == (trace_of(connected), id_of(connected))
    assert parent_of(connected) is parent_of(said) is None
    assert trace_of(said) != trace_of(joined)
    assert [link.context for link in said.links] == [joined.get_span_context()]
    assert (connected.kind, joined.kind) == (SpanKind.SERVER, SpanKind.SERVER)
    assert connected.attributes is not None
    assert joined.attributes is not None
    client_id = connected.attributes["messaging.client.id"]
    assert joined.attributes["messaging.client.id"] == client_id
    assert joined.attributes["bennu.outcome"] == "joined"


async def test_with_one_trace_the_messages_belong_to_the_connect() -> None:
    recording = Recording()
    endpoint = endpoint_of_rooms(recording.tracing(one_trace=True))
    async with connect(endpoint, "/socket") as client:
        room = await client.join("room:1")
        await room.push("say", {"body": "hello"})
        await room.push("say", {"body": "hello", "_trace": CONTEXT})
    joined = recording.one("join")
    own, of_client = recording.all_of("say")
    assert (trace_of(own), parent_of(own)) == (trace_of(joined), id_of(joined))
    assert (trace_of(of_client), parent_of(of_client)) == (TRACE, PARENT)


@pytest.mark.parametrize("transport", ["websocket", "asgi", "longpoll"])
async def test_a_payload_has_a_context_that_its_type_does_not_see(transport: Any) -> None:
    """``Said`` forbids unknown keys."""
    recording = Recording()
    endpoint = endpoint_of_rooms(recording.tracing())
    async with connect(endpoint, "/socket", transport=transport) as client:
        room = await client.join("room:1", {"a": 1, "_trace": CONTEXT})
        assert room.response == {"a": 1}
        assert await room.push("say", {"body": "hello", "_trace": CONTEXT}) == {"body": "hello"}
        payload = {"body": "hello", "_trace": CONTEXT}
        anything = {"event": "any", "payload": {"body": "hello"}}
        assert await room.push("any", payload) == anything
    for name in ("join", "say", "handle_in"):
        span = recording.one(name)
        assert (trace_of(span), parent_of(span)) == (TRACE, PARENT)
        assert state_of(span) == STATE
    [link] = recording.one("say").links
    assert link.context == recording.one("join").get_span_context()
    attributes = recording.one("handle_in").attributes
    assert attributes is not None
    assert attributes["bennu.event"] == "any"


async def test_a_binary_payload_has_no_context() -> None:
    recording = Recording()
    async with connect(endpoint_of_rooms(recording.tracing()), "/socket") as client:
        room = await client.join("room:1")
        assert await room.push("blob", b'{"_trace": {}}') == b'{"_trace": {}}'
        await room.assert_push("blob")
    assert dict(recording.one("blob").attributes or {})["messaging.message.body.size"] == 14


@pytest.mark.parametrize("context", ["bad", {"traceparent": "bad"}, {"traceparent": 7}, None])
async def test_a_bad_context_is_ignored(context: Any) -> None:
    recording = Recording()
    async with connect(endpoint_of_rooms(recording.tracing()), "/socket") as client:
        room = await client.join("room:1")
        assert await room.push("say", {"body": "hello", "_trace": context}) == {"body": "hello"}
    assert parent_of(recording.one("say")) is None


async def test_the_client_decides_on_the_sampling_of_its_trace() -> None:
    recording = Recording()
    async with connect(endpoint_of_rooms(recording.tracing()), "/socket") as client:
        room = await client.join("room:1")
        recording.clear()
        await room.push("say", {"body": "a", "_trace": {"traceparent": UNSAMPLED}})
        assert recording.spans == ()
        await room.push("say", {"body": "a", "_trace": {"traceparent": TRACEPARENT}})
        assert len(recording.spans) == 3


@pytest.mark.parametrize("use", ["link", "ignore"])
async def test_the_context_of_a_client_can_be_a_link_or_nothing(use: str) -> None:
    recording = Recording()
    endpoint = endpoint_of_rooms(recording.tracing(client_context=use))
    headers = {"traceparent": TRACEPARENT}
    async with connect(endpoint, "/socket", headers=headers) as client:
        room = await client.join("room:1")
        await room.push("say", {"body": "a", "_trace": {"traceparent": UNSAMPLED}})
    connected, said = recording.one("connect"), recording.one("say")
    assert parent_of(connected) is parent_of(said) is None
    linked = [f"{link.context.trace_id:032x}" == TRACE for link in (*connected.links, *said.links)]
    assert linked == ([True, False, True] if use == "link" else [False])


async def test_a_crash_is_an_error_without_the_text_of_the_exception() -> None:
    recording = Recording()
    async with connect(endpoint_of_rooms(recording.tracing()), "/socket") as client:
        room = await client.join("room:1")
        room.push("crash", {"body": "hunter2"})
        await room.assert_crashed()
    span = recording.one("crash")
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "ValueError"
    attributes = dict(span.attributes or {})
    assert (attributes["error.type"], attributes["bennu.outcome"]) == ("ValueError", "crashed")
    [event] = span.events
    assert event.name == "exception"
    assert dict(event.attributes or {})["exception.type"] == "ValueError"
    shown = str(dict(event.attributes or {})["exception.stacktrace"])
    assert "in crash" in shown
    assert shown.endswith("\nValueError\n")
    assert "hunter2" not in span.to_json()


async def test_a_refusal_and_a_stop_are_no_errors() -> None:
    recording = Recording()
    async with connect(endpoint_of_rooms(recording.tracing()), "/socket") as client:
        room = await client.join("room:1")
        with pytest.raises(PushRefused, match="too_loud"):
            await room.push("refuse")
        room.push("stop")
        await room.assert_closed()
        with pytest.raises(JoinRefused, match="no_such_room"):
            await client.join("room:10")
    refused, stopped, turned_away = (
        recording.one("refuse"),
        recording.one("stop"),
        recording.all_of("join")[1],
    )
    for span in (refused, stopped, turned_away):
        assert span.status.status_code is StatusCode.UNSET
        assert span.events == ()
    assert dict(refused.attributes or {})["bennu.reason"] == "too_loud"
    assert dict(turned_away.attributes or {})["bennu.reason"] == "no_such_room"
    assert [dict(one.attributes or {})["bennu.outcome"] for one in (refused, stopped)] == [
        "refused",
        "stopped",
    ]


async def test_a_join_that_crashes_is_an_error() -> None:
    recording = Recording()
    async with connect(endpoint_of_rooms(recording.tracing()), "/socket") as client:
        with pytest.raises(JoinRefused):
            await client.join("room:1", {"crash": "hunter2"})
    span = recording.one("join")
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes or {})["error.type"] == "KeyError"
    assert dict(span.attributes or {})["bennu.outcome"] == "crashed"
    assert "hunter2" not in span.to_json()


class Slow(Room):
    """It has the methods that others have not."""

    terminate_timeout = 1.0

    async def after_join(self) -> None:
        """Do nothing."""

    @on("wait")
    async def wait(self) -> None:
        await asyncio.sleep(100)

    async def terminate(self, reason: str | Exception) -> None:
        if reason == "left":
            raise ValueError("terminated")


async def test_a_handler_that_is_cancelled_is_an_error() -> None:
    recording = Recording()
    async with connect(endpoint_of_rooms(recording.tracing(), rooms=Slow), "/socket") as client:
        room = await client.join("room:1")
        room.push("wait")
        await settle()
        client.vanish()
        await advance(10)
    span = recording.one("wait")
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes or {})["bennu.outcome"] == "cancelled"


async def test_the_hooks_of_a_channel_have_spans() -> None:
    recording = Recording()
    async with connect(endpoint_of_rooms(recording.tracing(), rooms=Slow), "/socket") as client:
        room = await client.join("room:1")
        room.push("tick")
        await room.assert_push("ticked")
        await room.leave()
    joined = recording.one("join")
    after, ticked, ended = (recording.one(name) for name in ("after_join", "on_info", "terminate"))
    assert parent_of(after) == id_of(joined)
    for span in (ticked, ended):
        assert parent_of(span) is None
        assert [link.context for link in span.links] == [joined.get_span_context()]
    assert ended.status.status_code is StatusCode.ERROR
    name = f"{Room.__module__}.Room.ticked"
    assert dict(ticked.attributes or {})["code.function.name"] == name


async def test_a_channel_that_another_join_replaces_has_no_terminate() -> None:
    recording = Recording()
    async with serve(endpoint_of_rooms(recording.tracing(), rooms=Slow)) as server:
        client = await server.connect()
        await client.join("room:1")
        await client.join("room:1")
        assert len(recording.all_of("join")) == 2
        assert not recording.all_of("terminate")
        client.close()
    assert len(recording.all_of("terminate")) == 1


class Shop(Channel[Any]):
    """Its handlers make spans of their own."""

    room_id: int
    provider: Any = None

    def own_span(self, name: str) -> None:
        self.provider.get_tracer("shop").start_span(name).end()

    @on("order")
    async def order(self) -> Ok:
        self.own_span("own_loop")
        _ = self.start(self.deliver())
        return Ok()

    async def deliver(self) -> None:
        self.own_span("own_task")
        await self.push("delivered")

    @on("count")
    def count(self) -> Ok:
        self.own_span("own_thread")
        return Ok()


async def test_spans_of_the_users_code_are_children_of_the_handlers() -> None:
    recording = Recording()
    Shop.provider = recording.provider
    async with connect(endpoint_of_rooms(recording.tracing(), rooms=Shop), "/socket") as client:
        room = await client.join("room:1")
        await room.push("order")
        await room.assert_push("delivered")
        await room.push("count")
    order, count = recording.one("order"), recording.one("count")
    assert parent_of(recording.one("own_loop")) == id_of(order)
    assert parent_of(recording.one("own_task")) == id_of(order)
    assert parent_of(recording.one("own_thread")) == id_of(count)


async def test_operations_without_spans_are_left_out_of_the_trace() -> None:
    recording = Recording()
    operations = ["connect", "handle", "fan_out"]
    endpoint = endpoint_of_rooms(recording.tracing(operations=operations))
    async with connect(endpoint, "/socket") as client:
        room = await client.join("room:1")
        await room.push("say", {"body": "hello"})
    connected, fanned_out, said = recording.spans
    assert parent_of(fanned_out) == id_of(said)
    assert [link.context for link in said.links] == [connected.get_span_context()]


async def test_nothing_is_recorded_if_the_sampler_drops_all() -> None:
    recording = Recording(ALWAYS_OFF)
    async with connect(endpoint_of_rooms(recording.tracing()), "/socket") as client:
        room = await client.join("room:1")
        assert await room.push("say", {"body": "hello", "_trace": CONTEXT}) == {"body": "hello"}
        with pytest.raises(PushRefused, match="too_loud"):
            await room.push("refuse")
        room.push("crash", {"body": "hello"})
        await room.assert_crashed()
    assert recording.spans == ()


async def test_a_socket_that_reports_nothing_is_not_traced() -> None:
    recording = Recording()
    async with connect(endpoint_of_rooms(recording.tracing(), log=False), "/socket") as client:
        room = await client.join("room:1")
        await room.push("say", {"body": "hello"})
        await room.assert_push("said")
    assert recording.spans == ()


class Pay(Struct):
    """A payment."""

    key: str


class Till(Channel[Any]):
    """Each payment is handled once."""

    room_id: int
    payments = 0

    @on("pay", idempotent_by="key")
    async def pay(self, payment: Pay) -> dict[str, int]:
        Till.payments += 1
        return {"number": Till.payments}


async def test_a_repeat_of_an_idempotent_push_can_have_another_context() -> None:
    recording = Recording()
    socket = Socket(connect=connect_user, channels={"room:{room_id}": Till}, id=str)
    endpoint = Endpoint(sockets={"/socket": socket}, tracing=recording.tracing())
    async with connect(endpoint, "/socket", {"name": "ann"}) as client:
        room = await client.join("room:1")
        for context in (CONTEXT, {}, {"traceparent": UNSAMPLED}):
            assert await room.push("pay", {"key": "k", "_trace": context}) == {"number": 1}
    assert len(recording.all_of("pay")) == 2
