"""The transport for any ASGI server: cases that only this transport has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bennu import Endpoint
from bennu.transports import asgi
from tests.support.frames import broadcast, encode_v2, heartbeat, joining, ok, pushing, reply
from tests.support.raw import CLOSE, client_frame, close_payload, open_raw, text_frames
from tests.support.servers import Server
from tests.support.until import until
from tests.support.wire import connect
from tests.wire.app import Journal, make_endpoint

pytestmark = pytest.mark.clock("real")

JOIN = joining("1", "room:1")
JOINED = encode_v2(reply("1", "1", "room:1", ok()))
MEGABYTE = "x" * 1_000_000


@pytest.fixture(scope="module", params=["uvicorn", "hypercorn", "granian"])
def server_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


# Over real sockets.


async def test_a_client_that_does_not_read_is_closed(
    server: Server, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """The code is 1013, once 1 MB waits. Other clients get all messages without a delay."""
    async with open_raw(server, limit=1000) as slow, connect(server) as fast:
        await slow.open()
        slow.send(text_frames(joining("1", "room:slow")))
        assert '"ok"' in await slow.text()
        assert (await fast.join("room:slow"))["status"] == "ok"
        sent = 0
        while endpoint.connections == 2:
            await endpoint.broadcast("room:slow", "n", {"n": sent, "x": MEGABYTE})
            await fast.expect(broadcast("room:slow", "n", {"n": sent, "x": MEGABYTE}))
            sent += 1
        frame = await slow.frame()
        while frame.opcode != CLOSE:
            frame = await slow.frame()
        assert frame.data == close_payload(1013, "too slow")
        slow.send(client_frame(CLOSE, close_payload(1013)))
        await slow.end()
        await fast.expect_silence()
    assert "unread" in caplog.text
    assert sent < 100


@pytest.mark.parametrize("server_name", ["uvicorn"], scope="module", indirect=True)
async def test_a_client_that_never_reads_holds_no_task(
    server: Server, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5 s after the close (here almost at once) the application returns."""
    monkeypatch.setattr(asgi, "CLOSE_TIMEOUT", 0.01)
    async with open_raw(server, limit=1000) as client:
        await client.open("/socket/websocket?vsn=2.0.0&name=users:5")
        client.send(text_frames(joining("1", "room:slow")))
        assert '"ok"' in await client.text()
        while endpoint.connections:
            await endpoint.broadcast("room:slow", "n", {"x": MEGABYTE})
        await until(lambda: not server.tasks)


@pytest.mark.parametrize("ending", ["reset", "closed"])
@pytest.mark.parametrize("moment", ["connect", "open", "join", "more", "handler", "unread"])
async def test_a_client_may_vanish_at_any_moment(
    server: Server, endpoint: Endpoint, journal: Journal, moment: str, ending: str
) -> None:
    """Nothing of it is left, and no error is logged."""
    messages = {
        "join": [joining("1", "slow:vanish")],
        "more": [joining("1", "slow:vanish"), *[JOIN] * 10],
        "handler": [joining("1", "room:vanish"), pushing("1", "2", "room:vanish", "wait")],
        "unread": [heartbeat("9")] * 200,
    }
    waits = {"connect": "vanish", "join": "slow:vanish", "more": "slow:vanish"}
    waits["handler"] = "room:vanish"
    async with connect(server) as other, open_raw(server) as client:
        if moment == "connect":
            client.request("/waiting/websocket?vsn=2.0.0&gate=vanish")
        else:
            await client.open()
        client.send(text_frames(*messages.get(moment, [])))
        if moment in waits:
            await journal.read(waits[moment], "waits")
        elif moment == "unread":
            await client.text()
        if ending == "reset":
            client.reset()
        else:
            client.writer.close()
        for topic in waits.values():
            journal.gate(topic).set()
        await until(lambda: endpoint.connections == 1)
        await other.expect_silence()
    journal.close_gates()


# With a server of our own: two queues.


class ByHand:
    """An ASGI server that a test controls."""

    def __init__(self, endpoint: Endpoint, **scope: Any) -> None:
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "scheme": "ws",
            "path": "/socket/websocket",
            "query_string": b"vsn=2.0.0",
            "headers": [(b"host", b"localhost")],
            "extensions": {"websocket.http.response": {}},
            **scope,
        }
        self.incoming: asyncio.Queue[dict[str, Any] | Exception] = asyncio.Queue()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.failure: Exception | None = None
        self.task = asyncio.create_task(endpoint(self.scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        event = await self.incoming.get()
        if isinstance(event, Exception):
            raise event
        return event

    async def _send(self, event: Any) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.put_nowait(event)

    async def open(self) -> None:
        """Connect, and check that the connection is accepted."""
        self.incoming.put_nowait({"type": "websocket.connect"})
        assert await self.next() == {"type": "websocket.accept", "subprotocol": None}

    def give(self, **content: Any) -> None:
        """Give a message to the application."""
        self.incoming.put_nowait({"type": "websocket.receive", **content})

    async def next(self) -> Any:
        """Return the next message of the application."""
        async with asyncio.timeout(20):
            return await self.sent.get()


@asynccontextmanager
async def started() -> AsyncIterator[Endpoint]:
    """Yield a started endpoint; check at the end that it releases everything."""
    endpoint = make_endpoint()
    await endpoint.start()
    try:
        yield endpoint
        await until(lambda: not endpoint.connections)
    finally:
        await endpoint.stop()


async def test_messages_may_name_both_kinds_of_content() -> None:
    """Servers can send ``text`` and ``bytes`` together, one of them None, or only one."""
    async with started() as endpoint:
        server = ByHand(endpoint)
        await server.open()
        server.give(text=encode_v2(JOIN), bytes=None)
        assert await server.next() == {"type": "websocket.send", "text": JOINED}
        server.give(text=None, bytes=b"\x00\x01\x01\x06\x0412room:1echo!")
        content = b"\x01\x01\x01\x06\x0212room:1ok!"
        assert await server.next() == {"type": "websocket.send", "bytes": content}
        server.give(bytes=b"\x00\x01\x01\x06\x0413room:1echo?")
        content = b"\x01\x01\x01\x06\x0213room:1ok?"
        assert await server.next() == {"type": "websocket.send", "bytes": content}
        server.incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await server.task


@pytest.mark.parametrize(
    "content", [{}, {"bytes": None, "text": None}, {"text": "\ud800"}], ids=repr
)
async def test_messages_that_cannot_be(content: dict[str, Any]) -> None:
    """A message without content, or with text that is no str, is closed as undecodable."""
    async with started() as endpoint:
        server = ByHand(endpoint)
        await server.open()
        server.give(**content)
        closing = await server.next()
        assert (closing["type"], closing["code"]) == ("websocket.close", 1011)
        await server.task


async def test_a_client_may_be_gone_before_it_is_accepted() -> None:
    async with started() as endpoint:
        server = ByHand(endpoint)
        server.incoming.put_nowait({"type": "websocket.disconnect", "code": 1006})
        await server.task
        assert server.sent.empty()
        assert endpoint.connections == 0


@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("Transport closed")], ids=repr)
async def test_a_server_may_complain_that_the_client_is_gone(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """ASGI raises OSError, some servers RuntimeError. The connection ends without an error."""
    async with started() as endpoint:
        server = ByHand(endpoint)
        await server.open()
        server.failure = error
        server.give(text=encode_v2(JOIN))
        await server.task
        assert await endpoint.state.end_of("room:1") == "closed"
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


async def test_a_receive_that_fails_is_the_servers_to_know() -> None:
    """The channels end, and the error is raised to the server."""
    async with started() as endpoint:
        server = ByHand(endpoint)
        await server.open()
        server.give(text=encode_v2(JOIN))
        await server.next()
        server.incoming.put_nowait(LookupError("the server is broken"))
        with pytest.raises(LookupError):
            await server.task
        assert await endpoint.state.end_of("room:1") == "closed"


async def test_a_server_may_cancel_the_application() -> None:
    """Some servers do at their stop. The channels end."""
    async with started() as endpoint:
        server = ByHand(endpoint)
        await server.open()
        server.give(text=encode_v2(JOIN))
        await server.next()
        server.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await server.task
        assert await endpoint.state.end_of("room:1") == "closed"


async def test_the_close_comes_behind_all_that_was_written() -> None:
    async with started() as endpoint:
        server = ByHand(endpoint, query_string=b"vsn=2.0.0&name=users:1")
        await server.open()
        server.give(text=encode_v2(JOIN))
        await server.next()
        await endpoint.broadcast("room:1", "a", {})
        await endpoint.disconnect("users:1")
        await endpoint.broadcast("room:1", "b", {})
        text = encode_v2(broadcast("room:1", "a", {}))
        assert await server.next() == {"type": "websocket.send", "text": text}
        assert await server.next() == {"type": "websocket.close", "code": 1001, "reason": ""}
        await server.task
        assert server.sent.empty()


REFUSALS = {
    "403 without a body": ("/refusing/websocket", [{"type": "websocket.close", "code": 1000}]),
    "another status": (
        "/busy/websocket",
        [
            {
                "type": "websocket.http.response.start",
                "status": 429,
                "headers": [
                    (b"content-length", b"5"),
                    (b"content-type", b"text/plain; charset=utf-8"),
                ],
            },
            {"type": "websocket.http.response.body", "body": b"later"},
        ],
    ),
}


@pytest.mark.parametrize(("path", "events"), REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_in_words_of_asgi(path: str, events: list[dict[str, Any]]) -> None:
    async with started() as endpoint:
        server = ByHand(endpoint, path=path)
        server.incoming.put_nowait({"type": "websocket.connect"})
        assert [await server.next() for _ in events] == events
        await server.task


async def test_a_server_that_knows_no_statuses_says_403() -> None:
    """Without the extension, the application can only close, for every status."""
    async with started() as endpoint:
        server = ByHand(endpoint, path="/busy/websocket", extensions={})
        server.incoming.put_nowait({"type": "websocket.connect"})
        assert await server.next() == {"type": "websocket.close", "code": 1000}
        await server.task


async def test_a_plain_request_is_answered_in_http() -> None:
    async with started() as endpoint:
        for path, status in (("/refusing/websocket", 403), ("/socket/websocket", 400)):
            server = ByHand(endpoint, type="http", method="GET", path=path)
            start, body = await server.next(), await server.next()
            assert (start["type"], start["status"]) == ("http.response.start", status)
            assert int(dict(start["headers"])[b"content-length"]) == len(body["body"])
            await server.task


async def test_an_upgrade_that_the_server_did_not_see(caplog: pytest.LogCaptureFixture) -> None:
    """A server without WebSockets calls the application with plain HTTP. The log says so."""
    headers = [
        (b"host", b"localhost"),
        (b"connection", b"upgrade"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"sec-websocket-version", b"13"),
    ]
    async with started() as endpoint:
        server = ByHand(endpoint, type="http", method="GET", http_version="1.1", headers=headers)
        assert (await server.next())["status"] == 400
        assert (await server.next())["body"] == b"the server did not upgrade the connection"
        await server.task
