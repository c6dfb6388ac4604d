"""The spans of broadcasts and fan-outs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import StatusCode

from bennu import Broadcast, Endpoint, History, Presence, Tracing, on
from bennu.bus import BusAdapter
from bennu.errors import EncodeError
from bennu.store import Store
from bennu.testing import connect, nodes
from bennu.testing.shared_store import SharedStore

from .recording import (
    TRACE,
    TRACEPARENT,
    UNSAMPLED,
    Recording,
    Room,
    endpoint_of_rooms,
    id_of,
    parent_of,
    trace_of,
)

CONTEXT = {"traceparent": TRACEPARENT}


async def test_a_broadcast_outside_of_a_handler_begins_a_trace() -> None:
    recording = Recording()
    endpoint = endpoint_of_rooms(recording.tracing())
    async with connect(endpoint, "/socket") as client:
        room = await client.join("room:1")
        recording.clear()
        await endpoint.broadcast("room:1", "news", {"a": 1})
        await room.assert_push("news")
        await endpoint.local_broadcast("room:1", "local", {})
        await room.assert_push("local")
    news, local = recording.all_of("broadcast")
    assert parent_of(news) is parent_of(local) is None
    assert trace_of(news) != trace_of(local)
    fan_outs = recording.all_of("fan_out")
    assert [parent_of(one) for one in fan_outs] == [id_of(news), id_of(local)]


async def test_a_broadcast_is_a_child_of_the_callers_span() -> None:
    recording = Recording()
    endpoint = endpoint_of_rooms(recording.tracing())
    async with connect(endpoint, "/socket") as client:
        room = await client.join("room:1")
        with recording.provider.get_tracer("shop").start_as_current_span("request"):
            await endpoint.broadcast("room:1", "news", {"a": 1})
            await asyncio.to_thread(endpoint.sync.broadcast, "room:1", "from_thread", {})
        await room.assert_push("from_thread")
    request = recording.one("request")
    assert [parent_of(one) for one in recording.all_of("broadcast")] == 2 * [id_of(request)]
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_each_way_to_broadcast_has_its_span() -> None:
    recording = Recording()
    endpoint = endpoint_of_rooms(recording.tracing())
    async with connect(endpoint, "/socket") as ann, connect(endpoint, "/socket") as bo:
        room, other = await ann.join("room:1"), await bo.join("room:1")
        await room.push("whisper", {"body": "hello"})  # a plain method, in a thread
        await other.assert_push("said")
        await endpoint.broadcast_from(room.channel, "room:1", "news", {})
        await endpoint.local_broadcast_from(room.channel, "room:1", "news", {})
        news = Broadcast("room:1", "news", {})
        await endpoint.pubsub.direct_broadcast(endpoint.node, "room:1", news)
        await endpoint.pubsub.broadcast("room:1", "a typed message has no span")
    assert len(recording.all_of("broadcast")) == 4
    whispered = recording.all_of("broadcast")[0]
    assert parent_of(whispered) == id_of(recording.one("whisper"))
    delivered = [
        dict(one.attributes or {})["bennu.delivered"] for one in recording.all_of("fan_out")
    ]
    assert delivered == [1, 1, 1, 2]


async def test_a_topic_without_a_pattern_is_not_in_a_name() -> None:
    recording = Recording()
    endpoint = endpoint_of_rooms(recording.tracing())
    async with connect(endpoint, "/socket"):
        await endpoint.broadcast("nowhere:hunter2", "news", {})
    [span] = recording.all_of("broadcast")
    assert span.name == "broadcast"
    assert dict(span.attributes or {})["messaging.destination.name"] == "nowhere:hunter2"


async def test_a_broadcast_that_fails_is_an_error() -> None:
    recording = Recording()
    endpoint = endpoint_of_rooms(recording.tracing())
    async with connect(endpoint, "/socket") as client:
        await client.join("room:1")
        with pytest.raises(EncodeError):
            await endpoint.broadcast("room:1", "news", {"a": object()})
    span = recording.one("broadcast")
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "bennu.errors.EncodeError"


async def test_an_intercepted_broadcast_keeps_its_trace_on_each_node() -> None:
    recording = Recording()

    def make(pubsub: BusAdapter, store: Store) -> Endpoint:
        return endpoint_of_rooms(recording.tracing(), pubsub=pubsub, store=store)

    async with nodes(make, 2) as cluster:
        one, two = cluster
        async with one.connect("/socket") as ann, two.connect("/socket") as bo:
            room, other = await ann.join("room:1"), await bo.join("room:1")
            await one.endpoint.broadcast("room:1", "secret", {"body": "hello"})
            await room.assert_push("secret")
            await other.assert_push("secret")
    broadcast = recording.one("broadcast")
    intercepts = recording.all_of("on_out")
    assert [parent_of(span) for span in intercepts] == 2 * [id_of(broadcast)]
    assert {trace_of(span) for span in intercepts} == {trace_of(broadcast)}


@pytest.mark.parametrize(
    ("context", "spans"), [({"traceparent": UNSAMPLED}, 0), ({"traceparent": TRACEPARENT}, 4)]
)
async def test_the_decision_of_the_first_node_holds_on_the_others(
    context: dict[str, str], spans: int
) -> None:
    """The second node would record all that begins there."""
    recording, theirs = Recording(ParentBased(ALWAYS_OFF)), Recording(ParentBased(ALWAYS_ON))
    each = cycle([recording, theirs])

    def make(pubsub: BusAdapter, store: Store) -> Endpoint:
        return endpoint_of_rooms(next(each).tracing(), pubsub=pubsub, store=store)

    async with nodes(make, 2) as cluster:
        one, two = cluster
        async with one.connect("/socket") as ann, two.connect("/socket") as bo:
            room, other = await ann.join("room:1"), await bo.join("room:1")
            theirs.clear()
            room.push("say", {"body": "hello", "_trace": context})
            await other.assert_push("said")
            assert len(recording.spans) + len(theirs.spans) == spans
            room.push("say", {"body": "again"})
            await other.assert_push("said", {"body": "again"})
            assert len(recording.spans) + len(theirs.spans) == spans


async def test_nodes_with_and_without_tracing_understand_each_other() -> None:
    recording = Recording()
    each: Iterator[Tracing | bool] = cycle([recording.tracing(), False])

    def make(pubsub: BusAdapter, store: Store) -> Endpoint:
        return endpoint_of_rooms(next(each), pubsub=pubsub, store=store)

    async with nodes(make, 2) as cluster:
        traced, plain = cluster
        async with traced.connect("/socket") as ann, plain.connect("/socket") as bo:
            room, other = await ann.join("room:1"), await bo.join("room:1")
            recording.clear()
            await room.push("say", {"body": "hello"})
            await other.assert_push("said", {"body": "hello"})
            await traced.endpoint.broadcast("room:1", "bytes", b"123")
            await other.assert_push("bytes", b"123")
            recording.clear()
            await other.push("say", {"body": "back"})
            await room.assert_push("said", {"body": "back"})
            await plain.endpoint.broadcast("room:1", "bytes", b"456")
            await room.assert_push("bytes", b"456")
            assert recording.names == 2 * ["fan_out room:{room_id}"]
            assert [parent_of(span) for span in recording.spans] == [None, None]


presence = Presence()


class Present(Room):
    """A room with presences."""

    async def after_join(self) -> None:
        await presence.track(self, "ann", {})

    @on("update")
    async def update(self) -> None:
        await presence.update(self, "ann", {"n": 1})


async def test_presences_have_no_spans() -> None:
    recording = Recording()
    endpoint = endpoint_of_rooms(recording.tracing(), rooms=Present, presence=presence)
    async with connect(endpoint, "/socket") as client:
        room = await client.join("room:1")
        await room.assert_push("presence_diff")
        room.push("update")
        await room.assert_push("presence_diff")
    assert not recording.all_of("broadcast")
    assert not recording.all_of("fan_out")


class Kept(Room):
    """A room with history."""

    history = History(size=10)


@pytest.mark.parametrize("is_shared", [False, True])
async def test_the_fan_out_of_an_entry_belongs_to_its_own_broadcast(is_shared: bool) -> None:
    """A task appends the entries of several broadcasts."""
    recording = Recording()
    store: dict[str, Any] = {"store": SharedStore()} if is_shared else {}
    endpoint = endpoint_of_rooms(recording.tracing(), rooms=Kept, **store)
    async with connect(endpoint, "/socket") as ann, connect(endpoint, "/socket") as bo:
        room, other = await ann.join("room:1"), await bo.join("room:1")
        pushes = [
            room.push("say", {"body": "a"}),
            other.push("say", {"body": "b", "_trace": CONTEXT}),
        ]
        for push in pushes:
            await push.assert_reply()
        await asyncio.gather(
            *(endpoint.broadcast("room:1", "news", {"n": number}) for number in range(5))
        )
    broadcasts, fan_outs = recording.all_of("broadcast"), recording.all_of("fan_out")
    assert len(broadcasts) == 7
    assert sorted(map(str, map(parent_of, fan_outs))) == sorted(map(id_of, broadcasts))
    assert {trace_of(one) for one in fan_outs} == {trace_of(one) for one in broadcasts}
    assert TRACE in {trace_of(one) for one in fan_outs}


async def test_an_entry_that_another_node_has_published_has_no_fan_out_here() -> None:
    """The entry in the store has no context."""
    recording = Recording()

    def make(pubsub: BusAdapter, store: Store) -> Endpoint:
        return endpoint_of_rooms(recording.tracing(), rooms=Kept, pubsub=pubsub, store=store)

    async with nodes(make, 2) as cluster:
        one, two = cluster
        async with one.connect("/socket") as ann, two.connect("/socket") as bo:
            room, other = await ann.join("room:1"), await bo.join("room:1")
            await room.push("say", {"body": "hello"})
            await other.assert_push("said", {"body": "hello"})
    [span] = recording.all_of("fan_out")
    assert dict(span.attributes or {})["bennu.node"] == "node-1"
