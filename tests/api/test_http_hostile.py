"""Bodies that are slow, never end, or come in great number; and an API whose parts fail."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from bennu import Endpoint, Presence
from bennu.bus import MemoryNetwork
from bennu.errors import EncodeError
from bennu.reasons import APIReason, Limit
from bennu.testing.clock import advance, settle

from ..support.frames import PHX_CLOSE
from ..support.memory import serve
from .test_http import AUTH, KEY, MESSAGE, client_of, endpoint_with, refused, running


class Request:
    """A request by ASGI, whose body comes piece by piece.

    Attributes:
        sent: What the application has sent.
        asked: How often the application has asked for a piece.
    """

    def __init__(self, key: str | None = KEY) -> None:
        headers = [(b"content-type", b"application/json")]
        if key is not None:
            headers.append((b"x-api-key", key.encode()))
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/publish",
            "query_string": b"",
            "headers": headers,
            "client": ("192.0.2.1", 7),
        }
        self.sent: list[Any] = []
        self.asked = 0
        self._pieces: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def start(self, endpoint: Endpoint) -> asyncio.Task[None]:
        async def run() -> None:
            await endpoint(self.scope, self.receive, self.send)

        return asyncio.ensure_future(run())

    def put(self, body: bytes, *, more: bool = True) -> None:
        self._pieces.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def leave(self) -> None:
        self._pieces.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        return await self._pieces.get()

    async def send(self, event: Any) -> None:
        self.sent.append(event)

    @property
    def answer(self) -> httpx.Response:
        start, body = self.sent
        return httpx.Response(start["status"], headers=start["headers"], content=body["body"])


async def test_a_slow_body_is_ended_after_its_time() -> None:
    """Each byte comes in time, and the body does not."""
    endpoint = endpoint_with(body_timeout=10)
    async with serve(endpoint) as server:
        request = Request()
        task = request.start(endpoint)
        for _ in range(11):
            request.put(b" ")
            await advance(1)
        await task
        body = refused(request.answer, APIReason.BODY_TOO_SLOW)
        assert body["message"] == "a body must come within 10 seconds"
        assert endpoint.telemetry.exceeded[Limit.BODY_TIME] == 1
        server.logged("Over a limit", level=30)


async def test_an_endless_body_is_ended_at_its_size() -> None:
    """A chunked body has no Content-Length, so its pieces are counted."""
    endpoint = endpoint_with(max_body=1000)
    async with serve(endpoint):
        request = Request()
        task = request.start(endpoint)
        for _ in range(20):
            request.put(b" " * 100)
        await task
        refused(request.answer, APIReason.BODY_TOO_LONG)
        assert request.asked == 11


async def test_no_byte_is_read_for_a_stranger() -> None:
    """A request without a right key is answered before its body is asked for."""
    endpoint = endpoint_with()
    async with serve(endpoint) as server:
        for key, reason in ((None, APIReason.KEY_MISSING), ("wrong", APIReason.KEY_WRONG)):
            request = Request(key)
            await request.start(endpoint)
            refused(request.answer, reason)
            assert request.asked == 0
        server.logged("its key is wrong", level=30)


async def test_too_many_requests_at_once_and_clients_that_leave() -> None:
    """A client that leaves makes room."""
    endpoint = endpoint_with(max_requests=3)
    async with running(endpoint) as (server, http):
        requests = [Request() for _ in range(3)]
        tasks = [request.start(endpoint) for request in requests]
        await settle()
        answer = await http.get("/api/nodes")
        refused(answer, APIReason.TOO_BUSY)
        assert answer.headers["retry-after"] == "1"
        server.logged("Over a limit, Api(max_requests=...)", level=30)
        for request in requests:
            request.leave()
        await asyncio.gather(*tasks)
        assert [request.sent[0]["status"] for request in requests] == [204] * 3
        assert (await http.get("/api/nodes")).status_code == 200


async def test_a_client_that_leaves_during_the_answer() -> None:
    """Some servers raise an OSError then."""
    endpoint = endpoint_with()
    async with serve(endpoint):
        request = Request()

        async def broken(event: Any) -> None:
            raise BrokenPipeError

        request.put(json.dumps(MESSAGE).encode(), more=False)
        await endpoint(request.scope, request.receive, broken)


async def test_a_part_that_fails_is_an_error_of_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer says nothing about it; the log has the traceback."""

    def fail(presence: Presence, place: Any) -> Any:
        raise KeyError("hunter2")

    monkeypatch.setattr(Presence, "list", fail)
    endpoint = endpoint_with(presence=Presence())
    async with running(endpoint) as (server, http):
        answer = await http.get("/api/presences", params={"topic": "room:1"})
        body = refused(answer, APIReason.INTERNAL_ERROR)
        assert body == {
            "reason": "internal_error",
            "message": APIReason.INTERNAL_ERROR.meaning,
        }
        server.logged("The API failed at /api/presences")


async def test_a_message_that_the_bus_can_not_carry() -> None:
    """Its result says so; the other messages of the request are published."""
    adapter = MemoryNetwork().adapter("one")
    publish = adapter.publish

    async def publish_small(topic: str, data: bytes, node: str | None = None) -> int | None:
        if len(data) > 500:
            raise EncodeError("a message has at most 500 bytes")
        return await publish(topic, data, node)

    adapter.publish = publish_small  # type: ignore[method-assign,assignment]
    endpoint = endpoint_with(adapter)
    big = {**MESSAGE, "payload": {"text": "x" * 1000}}
    async with running(endpoint) as (_, http):
        body = refused(await http.post("/api/publish", json=big), APIReason.UNENCODABLE)
        assert body["message"] == "a message has at most 500 bytes"
        many = await http.post("/api/publish_many", json={"messages": [MESSAGE, big, MESSAGE]})
        assert [one.get("reason") for one in many.json()["results"]] == [None, "unencodable", None]
        refused(
            await http.post("/api/publish", json={**MESSAGE, "event": PHX_CLOSE}),
            APIReason.RESERVED_EVENT,
        )


async def test_wrong_keys_of_many_addresses_are_bounded() -> None:
    """Ten thousand wrong keys of one address cost ten warnings, and another address is not affected."""
    endpoint = endpoint_with(wrong_keys="10/hour")
    async with serve(endpoint) as server:
        async with client_of(endpoint, {"x-api-key": "wrong"}) as http:
            statuses = [(await http.get("/api/nodes")).status_code for _ in range(300)]
        assert statuses == [401] * 10 + [429] * 290
        other = httpx.ASGITransport(endpoint, client=("198.51.100.1", 7))
        async with httpx.AsyncClient(transport=other, base_url="http://test") as http:
            answer = await http.get("/api/nodes", headers={"x-api-key": "wrong"})
            refused(answer, APIReason.KEY_WRONG)
            assert (await http.get("/api/nodes", headers=AUTH)).status_code == 200
        assert endpoint.telemetry.exceeded[Limit.API_WRONG_KEYS] == 290
        assert len(server.records) <= 10  # five of each kind, and counts
        server.records.clear()
