"""The HTTP API of an endpoint: what it does, and what it refuses."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from logging import WARNING
from typing import Any

import httpx
import pytest

from bennu import Api, Channel, Endpoint, Presence, Socket, on_out
from bennu.bus import BusAdapter, MemoryNetwork
from bennu.reasons import APIReason, Limit
from bennu.telemetry import BroadcastSent
from bennu.testing.clock import advance, settle

from ..support.cut_adapter import CutAdapter
from ..support.frames import PHX_CLOSE, broadcast, ok
from ..support.memory import Server, serve

KEY = "a-key-of-at-least-20-bytes"
AUTH = {"authorization": f"Bearer {KEY}"}


class Room(Channel[Any]):
    """A room, in which ``loud`` is intercepted."""

    async def join(self, payload: dict[str, Any]) -> None:
        if payload:
            await self.endpoint.state.track(self, payload["name"], {"n": 1})

    @on_out("loud")
    async def loud(self, payload: dict[str, Any]) -> None:
        await self.push("loud", {"text": payload["text"].upper()})


def endpoint_with(
    pubsub: BusAdapter | None = None, presence: Any = (), hosts: Any = None, **options: Any
) -> Endpoint:
    async def connect(params: dict[str, str]) -> str | None:
        return params.get("name")

    socket: Socket[Any] = Socket(connect=connect, channels={"room:*": Room}, id=lambda name: name)
    api = Api(keys={"billing": [KEY, KEY + "-old"], "crm": KEY + "-crm"}, **options)
    return Endpoint(
        sockets={"/socket": socket}, api=api, pubsub=pubsub, presence=presence, hosts=hosts
    )


@asynccontextmanager
async def client_of(
    endpoint: Any, headers: Any = AUTH, root_path: str = ""
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(endpoint, root_path=root_path, client=("192.0.2.1", 7))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers=headers
    ) as http:
        yield http


@asynccontextmanager
async def running(endpoint: Endpoint) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    async with serve(endpoint) as server, client_of(endpoint) as http:
        yield server, http


def refused(response: httpx.Response, reason: APIReason) -> dict[str, Any]:
    """Check that a request was refused, and return the answer."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["reason"]) == (reason.status, reason.text)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["connection"] == "close"
    assert not [name for name in response.headers if name.startswith("access-control")]
    return body


# What it does


async def test_a_message_reaches_the_clients_of_all_nodes_unchanged() -> None:
    """Numbers of any length, any text and bytes arrive as they were sent; intercepted events too."""
    network = MemoryNetwork()
    one = endpoint_with(network.adapter("one"))
    two = endpoint_with(network.adapter("two"))
    async with running(one) as (_, http), serve(two) as server:
        ann = await server.connect(params={"name": "ann"})
        assert await ann.join("room:1") == ok()
        payload = b'{"n": 12345678901234567890123, "x": 1.10, "text": "\xe2\x9a\xa1"}'
        body = b'{"topic": "room:1", "event": "news", "payload": ' + payload + b"}"
        sent = await http.post(
            "/api/publish", content=body, headers={"content-type": "application/json"}
        )
        assert (sent.status_code, sent.json()) == (200, {"nodes": 1})
        binary = base64.b64encode(b"\x00\xff").decode()
        for message in (
            {"topic": "room:1", "event": "bytes", "binary": binary},
            {"topic": "room:1", "event": "loud", "payload": {"text": "hi"}, "confirm": False},
            {"topic": "room:1", "event": "empty"},
        ):
            assert (await http.post("/api/publish", json=message)).json() == {"nodes": 1}
        await settle()
        frames = [(frame.event, frame.payload) for frame in ann.read()]
        assert frames == [
            ("news", {"n": 12345678901234567890123, "x": 1.10, "text": "⚡"}),
            ("bytes", b"\x00\xff"),
            ("empty", {}),
            ("loud", {"text": "HI"}),
        ]
        ann.read().clear()


async def test_a_message_is_reported_as_a_broadcast_of_the_node() -> None:
    heard: list[BroadcastSent] = []
    endpoint = endpoint_with()
    endpoint.telemetry.attach(heard.append, BroadcastSent)
    async with running(endpoint) as (_, http):
        await http.post("/api/publish", json={"topic": "room:1", "event": "a"})
        await http.post("/api/publish", json={"topic": "room:1", "event": "phx_a"})
    assert heard == [BroadcastSent("room:1", "a", "all")]


async def test_the_node_that_answers_counts_too() -> None:
    async with running(endpoint_with()) as (server, http):
        ann = await server.connect(params={"name": "ann"})
        await ann.join("room:1")
        assert (await http.post("/api/publish", json={"topic": "room:1", "event": "a"})).json() == {
            "nodes": 1
        }
        await ann.expect(broadcast("room:1", "a", {}))
        found = (await http.get("/api/subscribers", params={"topic": ["room:1", "x"]})).json()
        assert found["subscribers"] == {"room:1": 1, "x": 0}
        gone = await http.post("/api/disconnect", json={"id": "ann"})
        assert gone.json() == {"nodes": 1}
        assert await ann.closed() == 1001


async def test_many_messages_have_their_own_results_in_order() -> None:
    async with running(endpoint_with()) as (server, http):
        ann = await server.connect()
        await ann.join("room:1")
        events = ["a", PHX_CLOSE, "b", "x" * 1000]
        messages = [{"topic": "room:1", "event": event} for event in events]
        answer = (await http.post("/api/publish_many", json={"messages": messages})).json()
        assert [one.get("reason") for one in answer["results"]] == [
            None,
            "reserved_event",
            None,
            None,
        ]
        await settle()
        assert [frame.event for frame in ann.read()] == ["a", "b", "x" * 1000]
        ann.read().clear()
        assert (await http.post("/api/publish_many", json={"messages": []})).json() == {
            "results": []
        }


async def test_presences_of_a_topic() -> None:
    presence = Presence("people")
    endpoint = endpoint_with(presence=[presence, Presence("jobs")])
    async with running(endpoint) as (_, http):
        await presence.track("me", "ann", {"n": 1}, topic="room:1")
        fields = {"topic": "room:1", "presence": "people"}
        found = (await http.get("/api/presences", params=fields)).json()
        assert found["topic"] == "room:1"
        assert found["presences"]["ann"]["metas"][0]["n"] == 1
        refusal = refused(
            await http.get("/api/presences", params={"topic": "room:1"}),
            APIReason.UNKNOWN_PRESENCE,
        )
        assert refusal["message"] == "the presences of this endpoint are: 'jobs', 'people'"
        await presence.untrack("me")
        await advance(1)
    async with running(endpoint_with(presence=Presence())) as (_, http):
        assert (await http.get("/api/presences", params={"topic": "a"})).json() == {
            "topic": "a",
            "presences": {},
        }
    async with running(endpoint_with()) as (_, http):
        refusal = refused(
            await http.get("/api/presences", params={"topic": "a"}), APIReason.UNKNOWN_PRESENCE
        )
        assert refusal["message"].endswith(": none")


async def test_nodes_that_serve() -> None:
    network = MemoryNetwork()
    one, two = (endpoint_with(network.adapter(name)) for name in ("one", "two"))
    async with running(one) as (_, http), serve(two):
        assert (await http.get("/api/nodes")).json() == {"node": "one", "nodes": ["one", "two"]}


async def test_the_document_names_the_path_of_the_mount() -> None:
    async with serve(endpoint_with()) as server, client_of(server.endpoint, {}, "/rt") as http:
        document = (await http.get("/rt/api/openapi.json")).json()
        assert document["servers"] == [{"url": "/rt/api"}]


async def test_methods() -> None:
    """HEAD has the headers of a GET. OPTIONS names the methods. Other methods are refused."""
    async with running(endpoint_with()) as (_, http):
        got, head = await http.get("/api/nodes"), await http.head("/api/nodes")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers == got.headers
        for path, methods in (("nodes", "GET, HEAD, OPTIONS"), ("publish", "POST, OPTIONS")):
            options = await http.options(f"/api/{path}")
            assert (options.status_code, options.headers["allow"]) == (204, methods)
            wrong = await http.delete(f"/api/{path}")
            refused(wrong, APIReason.METHOD_NOT_ALLOWED)
            assert wrong.headers["allow"] == methods
        assert (await http.get("/api")).status_code == 404
        assert (await http.get("/api/nodes/")).status_code == 404


async def test_without_the_option_there_is_no_api() -> None:
    async with serve(Endpoint(sockets={})) as server, client_of(server.endpoint) as http:
        assert (await http.get("/api/nodes")).status_code == 404


# Keys


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"authorization": f"Bearer {KEY}-old"}, None),
        ({"x-api-key": f"{KEY}-crm"}, None),
        ({}, APIReason.KEY_MISSING),
        ({"authorization": f"Basic {KEY}"}, APIReason.KEY_MISSING),
        ({"authorization": "Bearer wrong"}, APIReason.KEY_WRONG),
        ({"x-api-key": KEY[:-1]}, APIReason.KEY_WRONG),
    ],
)
async def test_keys(headers: dict[str, str], reason: APIReason | None) -> None:
    endpoint = endpoint_with()
    async with serve(endpoint) as server, client_of(endpoint, headers) as http:
        answer = await http.get("/api/nodes")
        if reason is None:
            assert answer.status_code == 200
        else:
            refused(answer, reason)
            assert answer.headers["www-authenticate"] == "Bearer"
        if reason is APIReason.KEY_WRONG:
            server.logged(
                "Refused a request to /api/nodes from 192.0.2.1: its key is wrong", level=WARNING
            )


async def test_too_many_wrong_keys_of_one_address() -> None:
    """They are answered 429, and not logged. A right key of the same address is accepted all the same."""
    endpoint = endpoint_with(wrong_keys="2/hour")
    wrong = {"x-api-key": "wrong"}
    async with running(endpoint) as (server, http):
        for _ in range(2):
            refused(await http.get("/api/nodes", headers=wrong), APIReason.KEY_WRONG)
            server.logged("its key is wrong", level=WARNING)
        answer = await http.get("/api/nodes", headers=wrong)
        refused(answer, APIReason.WRONG_KEYS)
        assert 0 < int(answer.headers["retry-after"]) <= 1800
        assert (await http.get("/api/nodes")).status_code == 200
        assert endpoint.telemetry.exceeded[Limit.API_WRONG_KEYS] == 1
        server.logged("Over a limit, Api(wrong_keys=...)", level=WARNING)


async def test_each_name_has_a_rate_that_counts_messages() -> None:
    """Reads do not count. Another name is not affected."""
    endpoint = endpoint_with(rate="3/hour")
    message = {"topic": "room:1", "event": "a"}
    async with running(endpoint) as (server, http):
        many = await http.post("/api/publish_many", json={"messages": [message] * 3})
        assert many.status_code == 200
        answer = await http.post("/api/disconnect", json={"id": "ann"})
        refused(answer, APIReason.RATE_LIMITED)
        assert int(answer.headers["retry-after"]) > 0
        assert (await http.get("/api/nodes")).status_code == 200
        other = {"x-api-key": f"{KEY}-crm"}
        assert (await http.post("/api/publish", json=message, headers=other)).status_code == 200
        server.logged("Over a limit, Api(rate=...)", level=WARNING)


async def test_no_key_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with running(endpoint_with()) as (server, http):
        await http.post("/api/publish", json={"topic": "room:1", "event": "a"})
        await http.post("/api/publish_many", json={"messages": []})
        await http.post("/api/disconnect", json={"id": "ann"})
        await http.get("/api/nodes", headers={"x-api-key": "a wrong secret"})
        server.logged("its key is wrong", level=WARNING)
    assert "The API key billing published to room:1" in caplog.text
    assert "The API key billing disconnected ann" in caplog.text
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("bennu")]
    assert not [line for line in ours if KEY in line or "a wrong secret" in line]


async def test_a_host_that_is_not_served() -> None:
    endpoint = endpoint_with(hosts=["example.com"])
    async with running(endpoint) as (server, http):
        refused(await http.get("/api/nodes"), APIReason.FORBIDDEN_HOST)
        server.logged("Refusing a request to /api/nodes", level=WARNING)
        answer = await http.get("/api/nodes", headers={"host": "exa mple.com"})
        refused(answer, APIReason.MALFORMED_HOST)
        fits = await http.get("/api/nodes", headers={"host": "example.com"})
        assert fits.status_code == 200
        server.logged("Refusing a request to /api/nodes", level=WARNING)


# Bodies


MESSAGE = {"topic": "room:1", "event": "a"}
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ({"topic": "a"}, ""),
        ({**MESSAGE, "event": 7}, "event"),
        ({**MESSAGE, "topic": "x" * 1025}, "topic"),
        ({**MESSAGE, "payload": [1]}, "payload"),
        ({**MESSAGE, "payload": None}, "payload"),
        ({**MESSAGE, "payload": {}, "binary": "AP8="}, "binary"),
        ({**MESSAGE, "binary": "AP8"}, "binary"),
        ({**MESSAGE, "confirm": "yes"}, "confirm"),
        ({**MESSAGE, "more": 1}, ""),
        ([], ""),
    ],
)
async def test_a_body_that_does_not_fit(content: Any, path: str) -> None:
    async with running(endpoint_with()) as (_, http):
        answer = await http.post("/api/publish", json=content)
        assert refused(answer, APIReason.INVALID_REQUEST)["errors"][0]["path"] == path


async def test_one_wrong_message_refuses_all_of_them() -> None:
    """Nothing is published, so the caller can send the request again."""
    async with running(endpoint_with(max_messages=2)) as (server, http):
        ann = await server.connect()
        await ann.join("room:1")
        messages: list[Any] = [MESSAGE, {**MESSAGE, "payload": 7}]
        answer = await http.post("/api/publish_many", json={"messages": messages})
        body = refused(answer, APIReason.INVALID_REQUEST)
        assert [one["path"] for one in body["errors"]] == ["messages[1].payload"]
        answer = await http.post("/api/publish_many", json={"messages": [MESSAGE] * 3})
        assert "at most 2" in refused(answer, APIReason.INVALID_REQUEST)["errors"][0]["message"]
        await ann.expect_nothing()


HEAD = b'{"topic": "room:1", "event": "a", "payload": '


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", APIReason.INVALID_JSON),
        (b"{", APIReason.INVALID_JSON),
        (HEAD + b'{"a": "\xff"}}', APIReason.INVALID_JSON),
        (HEAD + b'{"a": ' * 200 + b"1" + b"}" * 201, APIReason.INVALID_JSON),
        (HEAD + b'{"a": [' + b"1," * 60_000 + b"1]}}", APIReason.INVALID_JSON),
        (HEAD + b'{"a": NaN}}', APIReason.INVALID_JSON),
        (HEAD + b'{"a": 1e999}}', APIReason.INVALID_REQUEST),
        (HEAD + b'{"a": "\\ud800"}}', APIReason.INVALID_JSON),
        (HEAD + b'{"a": "' + b"x" * 1_100_000 + b'"}}', APIReason.BODY_TOO_LONG),
    ],
)
async def test_a_body_that_can_not_be_read(content: bytes, reason: APIReason) -> None:
    """What clients could not read is refused, too: numbers out of range, and halves of characters."""
    async with running(endpoint_with()) as (_, http):
        refused(await http.post("/api/publish", content=content, headers=JSON), reason)


@pytest.mark.parametrize(
    ("headers", "is_accepted"),
    [
        ({"content-type": "application/json"}, True),
        ({"content-type": 'Application/JSON; charset="UTF-8"'}, True),
        ({"content-type": "application/json; charset=latin-1"}, False),
        ({"content-type": "text/plain"}, False),
        ({"content-type": "application/x-www-form-urlencoded"}, False),
        ({}, False),
        ({"content-type": "application/json", "content-encoding": "gzip"}, False),
    ],
)
async def test_the_type_of_a_body(headers: dict[str, str], *, is_accepted: bool) -> None:
    """A form of a page in a browser can send none of the accepted types."""
    async with running(endpoint_with()) as (_, http):
        answer = await http.post(
            "/api/publish", content=json.dumps(MESSAGE).encode(), headers=headers
        )
        if is_accepted:
            assert answer.status_code == 200
        else:
            refused(answer, APIReason.WRONG_CONTENT_TYPE)


# A bus that is down


async def test_a_node_that_is_cut_off_publishes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Another node can take the request. Before that, a bus that does not confirm is an error of its own."""
    network = MemoryNetwork()
    adapter = CutAdapter(network.adapter("one"))
    confirm = adapter.confirm
    is_silent = False

    async def confirm_or_hang() -> None:
        if is_silent:
            await advance_never()
        await confirm()

    adapter.confirm = confirm_or_hang  # type: ignore[method-assign]
    async with running(endpoint_with(adapter, confirm_timeout=0.5)) as (server, http):
        ann = await server.connect()
        await ann.join("room:1")
        is_silent = True
        sending = asyncio.ensure_future(http.post("/api/publish", json=MESSAGE))
        await advance(0.5)
        refused(await sending, APIReason.NOT_CONFIRMED)
        await ann.expect(broadcast("room:1", "a", {}))
        assert (await http.post("/api/publish", json={**MESSAGE, "confirm": False})).json() == {
            "nodes": 1
        }
        await ann.expect(broadcast("room:1", "a", {}))
        await advance(5)
        for path, body in (
            ("publish", MESSAGE),
            ("publish_many", {"messages": [MESSAGE]}),
            ("disconnect", {"id": "ann"}),
        ):
            answer = await http.post(f"/api/{path}", json=body)
            refused(answer, APIReason.CUT_OFF)
            assert answer.headers["retry-after"] == "1"
        await ann.expect_nothing()
        assert (await http.get("/api/nodes")).status_code == 200
        server.logged("has not heard the bus")
        is_silent = False
        await advance(6)
        server.logged("hears the bus again", level=WARNING)


async def advance_never() -> None:
    await asyncio.Event().wait()
