"""The spans of connects and of the HTTP API, and the ids in the lines of the log."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest
from opentelemetry.trace import StatusCode

from bennu import Api, Channel, Endpoint, RawHandler, RawSocket, on
from bennu.logs import ContextFilter
from bennu.testing import ConnectRefused, connect
from bennu.testing.clock import settle
from tests.support.memory import serve

from .recording import (
    PARENT,
    STATE,
    TRACE,
    TRACEPARENT,
    Recording,
    connect_user,
    endpoint_of_rooms,
    id_of,
    parent_of,
    state_of,
    trace_of,
)

KEY = "a-key-of-at-least-20-bytes"

shop = logging.getLogger("shop")


@pytest.mark.parametrize("transport", ["websocket", "asgi", "longpoll"])
async def test_a_connect_continues_the_trace_of_its_headers(transport: Any) -> None:
    recording = Recording()
    endpoint = endpoint_of_rooms(recording.tracing())
    headers = {"traceparent": TRACEPARENT, "tracestate": STATE}
    async with connect(endpoint, "/socket", headers=headers, transport=transport) as client:
        await client.join("room:1")
    connected, joined = recording.one("connect"), recording.one("join")
    assert (trace_of(connected), parent_of(connected)) == (TRACE, PARENT)
    assert (trace_of(joined), parent_of(joined)) == (TRACE, id_of(connected))
    assert state_of(joined) == STATE
    attributes = dict(connected.attributes or {})
    carried = "longpoll" if transport == "longpoll" else "websocket"
    assert attributes["bennu.transport"] == carried
    assert (attributes["http.route"], attributes["bennu.vsn"]) == ("/socket", "2.0.0")
    assert attributes["bennu.outcome"] == "connected"


@pytest.mark.parametrize("header", ["bad", TRACEPARENT[:-1], f"ff{TRACEPARENT[2:]}"])
async def test_a_bad_header_is_ignored(header: str) -> None:
    recording = Recording()
    endpoint = endpoint_of_rooms(recording.tracing())
    async with connect(endpoint, "/socket", headers={"traceparent": header}):
        pass
    assert parent_of(recording.one("connect")) is None


async def test_a_refused_connect_is_no_error() -> None:
    recording = Recording()
    with pytest.raises(ConnectRefused):
        async with connect(endpoint_of_rooms(recording.tracing()), "/socket", {"name": "nobody"}):
            pass
    span = recording.one("connect")
    assert span.status.status_code is StatusCode.UNSET
    attributes = dict(span.attributes or {})
    assert (attributes["bennu.outcome"], attributes["bennu.reason"]) == ("refused", "nobody")


async def test_a_connect_that_crashes_is_an_error() -> None:
    recording = Recording()
    with pytest.raises(ConnectRefused):
        async with connect(endpoint_of_rooms(recording.tracing()), "/socket", {"pin": "hunter2"}):
            pass
    span = recording.one("connect")
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes or {})["error.type"] == "ValueError"
    assert "hunter2" not in span.to_json()


async def test_a_span_of_a_middleware_is_the_parent_of_the_connect() -> None:
    """The middleware has read the header already."""
    recording = Recording()
    endpoint = endpoint_of_rooms(recording.tracing())
    tracer = recording.provider.get_tracer("middleware")
    with tracer.start_as_current_span("GET /socket"):
        async with connect(endpoint, "/socket", headers={"traceparent": TRACEPARENT}) as client:
            room = await client.join("room:1")
            await room.push("say", {"body": "hello"})
    assert parent_of(recording.one("connect")) == id_of(recording.one("GET"))
    assert parent_of(recording.one("say")) is None


async def test_a_raw_socket_has_the_span_of_its_connect() -> None:
    recording = Recording()

    class Echo(RawHandler[Any]):
        async def receive(self, message: str | bytes) -> str | bytes:
            return message

    socket = RawSocket(connect=connect_user, handler=Echo)
    endpoint = Endpoint(sockets={"/raw": socket}, tracing=recording.tracing())
    async with serve(endpoint) as server:
        wire = await server.open("/raw/websocket", headers=[("traceparent", TRACEPARENT)])
        wire.send("hello")
        await settle()
        assert list(wire.received) == ["hello"]
        wire.close()
    assert recording.names == ["connect /raw"]
    assert trace_of(recording.spans[0]) == TRACE


async def test_a_message_of_the_http_api_belongs_to_the_trace_of_its_request() -> None:
    recording = Recording()
    endpoint = endpoint_of_rooms(recording.tracing(), api=Api(keys={"billing": KEY}))
    async with connect(endpoint, "/socket") as client:
        room = await client.join("room:1")
        recording.clear()
        transport = httpx.ASGITransport(endpoint)
        headers = {"authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers=headers
        ) as http:
            message = {"topic": "room:1", "event": "paid", "payload": {"sum": 7}}
            for more in ({"traceparent": TRACEPARENT}, {}):
                answer = await http.post("/api/publish", json=message, headers=more)
                assert answer.status_code == 200
            tracer = recording.provider.get_tracer("middleware")
            with tracer.start_as_current_span("request"):
                await http.post("/api/publish", json=message)
        await room.assert_push("paid", {"sum": 7})
    first, second, third = recording.all_of("broadcast")
    assert (trace_of(first), parent_of(first)) == (TRACE, PARENT)
    assert parent_of(second) is None
    assert parent_of(third) == id_of(recording.one("request"))
    assert [parent_of(one) for one in recording.all_of("fan_out")] == [
        id_of(first),
        id_of(second),
        id_of(third),
    ]


class Lines(logging.Handler):
    """Collects the context of each line, by its text."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(ContextFilter())
        self.found: dict[str, dict[str, str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.found[record.getMessage().split(" in ")[0]] = dict(vars(record)["bennu"])


class Talking(Channel[Any]):
    """It writes a line wherever it can."""

    room_id: int

    async def join(self) -> None:
        shop.info("joining")

    @on("order")
    async def order(self) -> None:
        shop.info("ordering")

    @on("pay")
    def pay(self) -> None:
        shop.info("paying")


async def test_a_handlers_lines_have_the_ids_of_its_span() -> None:
    recording, lines = Recording(), Lines()
    loggers = [shop, logging.getLogger("bennu.access")]
    for logger in loggers:
        logger.addHandler(lines)
        logger.setLevel(logging.INFO)
    try:
        endpoint = endpoint_of_rooms(recording.tracing(), rooms=Talking)
        async with connect(endpoint, "/socket") as client:
            room = await client.join("room:1")
            room.push("order", {"_trace": {"traceparent": TRACEPARENT}})
            room.push("pay")
            await room.leave()
    finally:
        for logger in loggers:
            logger.removeHandler(lines)
            logger.setLevel(logging.NOTSET)
    for text, name in (("joining", "join"), ("ordering", "order"), ("paying", "pay")):
        span, line = recording.one(name), lines.found[text]
        assert (line["trace_id"], line["span_id"]) == (trace_of(span), id_of(span))
    assert lines.found["ordering"]["trace_id"] == TRACE
    connected = lines.found["CONNECTED TO /socket"]
    assert connected["trace_id"] == trace_of(recording.one("connect"))
    assert "span_id" not in connected
