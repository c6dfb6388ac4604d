"""One message, traced from the push of a page through two nodes to a hundred receivers."""

from __future__ import annotations

from contextlib import AsyncExitStack

from opentelemetry.trace import SpanKind, StatusCode

from bennu import Endpoint
from bennu.bus import BusAdapter
from bennu.store import Store
from bennu.testing import nodes

from .recording import (
    PARENT,
    TRACE,
    TRACEPARENT,
    Recording,
    endpoint_of_rooms,
    id_of,
    parent_of,
    trace_of,
)

EACH = 50


async def test_one_message_from_a_push_through_two_nodes_to_a_hundred_receivers() -> None:
    recording = Recording()

    def make(pubsub: BusAdapter, store: Store) -> Endpoint:
        return endpoint_of_rooms(recording.tracing(), pubsub=pubsub, store=store)

    async with nodes(make, 2) as cluster, AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(node.connect("/socket"))
            for node in cluster
            for _ in range(EACH)
        ]
        rooms = [await client.join("room:1") for client in clients]
        joins = recording.all_of("join")
        recording.clear()
        payload = {"body": "hello", "_trace": {"traceparent": TRACEPARENT}}
        assert await rooms[0].push("say", payload) == {"body": "hello"}
        for room in rooms:
            await room.assert_push("said", {"body": "hello"})
        spans = recording.spans

    # The page's span, then: the handler; the broadcast; the fan-out on each node.
    assert {trace_of(span) for span in spans} == {TRACE}
    handler, broadcast = recording.one("say"), recording.one("broadcast")
    fan_outs = {
        str((span.attributes or {})["bennu.node"]): span for span in recording.all_of("fan_out")
    }
    here, there = fan_outs["node-1"], fan_outs["node-2"]
    assert len(spans) == 4
    assert parent_of(handler) == PARENT
    assert parent_of(broadcast) == id_of(handler)
    assert parent_of(here) == parent_of(there) == id_of(broadcast)
    assert [link.context for link in handler.links] == [joins[0].get_span_context()]

    assert [span.name for span in (handler, broadcast, here, there)] == [
        "say room:{room_id}",
        "broadcast room:{room_id}",
        "fan_out room:{room_id}",
        "fan_out room:{room_id}",
    ]
    kinds = [span.kind for span in (handler, broadcast, here, there)]
    assert kinds == [SpanKind.CONSUMER, SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.CONSUMER]
    assert {span.status.status_code for span in spans} == {StatusCode.UNSET}
    assert dict(handler.attributes or {}) | {
        "messaging.client.id": "",
        "code.function.name": "",
    } == {
        "messaging.system": "bennu",
        "messaging.operation.name": "say",
        "messaging.operation.type": "process",
        "messaging.destination.template": "room:{room_id}",
        "messaging.destination.name": "room:1",
        "messaging.message.body.size": len('{"body":"hello"}'),
        "messaging.client.id": "",
        "code.function.name": "",
        "bennu.outcome": "handled",
        "bennu.status": "ok",
    }
    message = {
        "messaging.system": "bennu",
        "messaging.destination.template": "room:{room_id}",
        "messaging.destination.name": "room:1",
        "bennu.event": "said",
    }
    sent = {"messaging.operation.name": "broadcast", "messaging.operation.type": "send"}
    assert dict(broadcast.attributes or {}) == {**message, **sent, "bennu.node": "node-1"}
    passed = {"messaging.operation.name": "fan_out", "messaging.operation.type": "process"}
    counts = {"bennu.due": EACH, "bennu.delivered": EACH, "bennu.lanes": 1}
    for node, span in fan_outs.items():
        assert dict(span.attributes or {}) == {**message, **passed, **counts, "bennu.node": node}
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time <= span.end_time
