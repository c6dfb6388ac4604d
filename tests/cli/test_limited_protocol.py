"""Bodies, pipelined requests, and upgrades after responses: their limits, and the bytes that follow them."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from bennu.cli.limited_protocol import HEAD_PIECE, LINGER, MAX_HELD
from bennu.cli.request_limits import MIN_RATE
from bennu.testing.clock import advance, settle
from tests.support.clock import work

from .memory import REQUEST, UPGRADE, Server

pytestmark = [pytest.mark.clock("virtual"), pytest.mark.usefixtures("_quiet")]

SLOW = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Endless:
    """An application whose answers have no end.

    Attributes:
        living: How many are under way.
        begun: How many there were.
    """

    def __init__(self) -> None:
        self.living = 0
        self.begun = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.living += 1
        self.begun += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        writing = asyncio.create_task(self._write(send))
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            writing.cancel()
            self.living -= 1

    @staticmethod
    async def _write(send: Any) -> None:
        while True:
            await send({"type": "http.response.body", "body": b"tick", "more_body": True})
            await work(0.5)


# Bodies.


@pytest.mark.parametrize("head", [POST, CHUNKED, POST + b"some", CHUNKED + b"4\r\nsome\r\n"])
async def test_a_body_that_does_not_come_is_answered_408(head: bytes) -> None:
    server = Server()
    client, transport = server.connect()
    transport.feed(head)
    await advance(29.9)
    assert not client.got
    await advance(0.2)
    assert client.status == 408
    await advance(LINGER)
    assert client.has_ended
    assert not server.state.tasks
    assert not server.state.connections


async def test_a_byte_now_and_then_is_no_progress() -> None:
    server = Server()
    client, transport = server.connect()
    transport.feed(POST)
    for _ in range(29):
        await advance(1)
        transport.feed(b"x")
    await advance(1.1)
    assert client.status == 408


async def test_a_body_that_makes_progress_may_take_its_time() -> None:
    server = Server()
    client, transport = server.connect()
    transport.feed(POST)
    rest = 100_000
    while rest:
        await advance(1)
        piece = min(rest, MIN_RATE + 20)
        transport.feed(b"x" * piece)
        rest -= piece
    await settle()
    assert client.status == 200
    transport.feed(REQUEST)
    await settle()
    assert client.got.count(b"HTTP/1.1 200") == 2
    server.stop()


async def test_a_body_that_the_application_does_not_read_is_not_late() -> None:
    class Busy:
        go = asyncio.Event()

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.go.wait()
            size, more = 0, True
            while more:
                event = await receive()
                size, more = size + len(event["body"]), event["more_body"]
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"%d" % size})

    app = Busy()
    server = Server(app=app)
    client, transport = server.connect()
    transport.feed(POST + b"x" * 70_000)
    await advance(100)
    assert not client.got
    app.go.set()
    await settle()
    transport.feed(b"x" * 30_000)
    await settle()
    assert client.got.endswith(b"\r\n100000\r\n0\r\n\r\n")
    server.stop()


async def answer_early(scope: Any, receive: Any, send: Any) -> None:
    """Answer without reading the body."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def until_left(scope: Any, receive: Any, send: Any) -> None:
    """Send no answer, and wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def test_the_rest_of_a_body_that_nobody_reads_has_the_keep_alive_time() -> None:
    server = Server(app=answer_early)
    server.config.timeout_keep_alive = 5
    client, transport = server.connect()
    transport.feed(POST)
    await settle()
    assert client.status == 404
    for _ in range(9):
        await advance(0.5)
        transport.feed(b"x")
        assert not client.has_ended
    await advance(0.6)
    assert client.has_ended
    assert not server.state.connections


class Observed:
    """An application, with weak references to uvicorn's cycles of its requests."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.cycles: list[weakref.ref[Any]] = []
        self.sizes: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.cycles.append(weakref.ref(receive.__self__))
        self.sizes.append(len(receive.__self__.body))
        await self.app(scope, receive, send)


async def test_what_an_answered_request_left_of_its_body_is_not_kept() -> None:
    """It is not kept while the connection waits for the next request either."""
    app = Observed(answer_early)
    server = Server(app=app)
    _, transport = server.connect()
    transport.feed(POST + b"x" * 80_000)
    await settle()
    cycle = app.cycles[0]()
    assert app.sizes[0] > 0
    assert cycle is not None
    assert not cycle.body
    server.stop()


@pytest.mark.parametrize("answer", [answer_early, until_left])
async def test_a_request_whose_client_went_needs_no_garbage_collector(answer: Any) -> None:
    """The collector counts objects, so a few large objects would stay for long."""
    app = Observed(answer)
    server = Server(app=app)
    _, transport = server.connect()
    gc.disable()
    try:
        transport.feed(POST + b"x" * 80_000)
        await settle()
        assert app.cycles[0]() is not None
        transport.lose(None)
        await settle()
        assert app.cycles[0]() is None
    finally:
        gc.enable()


async def test_a_client_that_still_sends_may_read_an_answer_that_ends_the_connection() -> None:
    """Its socket is not reset in the middle of its body."""

    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    server = Server(app=refuse)
    server.config.timeout_keep_alive = 5
    client, transport = server.connect()
    transport.feed(POST)
    await settle()
    assert client.status == 413
    for _ in range(9):
        transport.feed(b"x" * 1000)
        await advance(0.5)
        assert not transport.is_closing()
    await advance(1)
    assert client.has_ended
    assert not server.state.connections
    client, transport = server.connect()
    transport.feed(REQUEST)
    await settle()
    assert client.has_ended


async def test_a_body_that_nobody_read_and_that_came_in_time_does_no_harm() -> None:
    server = Server(app=answer_early)
    client, transport = server.connect()
    transport.feed(POST)
    await settle()
    transport.feed(b"x" * 100_000)
    await advance(20)
    assert not client.has_ended
    transport.feed(REQUEST)
    await settle()
    assert client.got.count(b"HTTP/1.1 404") == 2
    server.stop()


async def test_trailers_are_no_headers_of_the_request() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        seen.append(scope["headers"])
        await answer_early(scope, receive, send)

    server = Server(app=app)
    _, transport = server.connect()
    transport.feed(CHUNKED)
    await settle()
    transport.feed(b"1\r\nx\r\n0\r\nHost: other\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
    await settle()
    assert seen == [[(b"host", b"x"), (b"transfer-encoding", b"chunked")]]
    server.stop()


@pytest.mark.parametrize(
    "piece", [b"1;" + b"x" * 70_000, b"0\r\n" + b"X: y\r\n" * 20_000], ids=["extension", "trailers"]
)
async def test_what_surrounds_a_body_is_bounded_like_a_head(piece: bytes) -> None:
    server = Server()
    client, transport = server.connect()
    transport.feed(CHUNKED + piece)
    await settle()
    assert client.status == 431
    await advance(LINGER)
    assert client.has_ended
    assert not server.state.tasks


# Pipelines.


@pytest.mark.parametrize("requests", [2, 3, 60, 2000])
async def test_requests_behind_each_other_are_answered_in_order(requests: int) -> None:
    server = Server()
    client, transport = server.connect()
    transport.feed(SLOW + REQUEST * (requests - 1))
    await settle()
    assert not client.got
    server.go.set()
    await settle()
    assert client.got.count(b"HTTP/1.1 200") == requests
    server.stop()


async def test_no_more_requests_are_parsed_than_a_piece_holds() -> None:
    server = Server()
    _, transport = server.connect()
    protocol: Any = next(iter(server.state.connections))
    transport.feed(SLOW + REQUEST * 5000)
    await settle()
    assert 0 < len(protocol.pipeline) <= HEAD_PIECE / len(REQUEST)
    transport.feed(REQUEST)
    await settle()
    assert protocol.flow.read_paused
    assert 0 < len(protocol.pipeline) <= HEAD_PIECE / len(REQUEST)
    server.go.set()
    await settle()
    server.stop()


async def test_who_pipelines_more_than_is_kept_is_cut_off() -> None:
    server = Server(app=Endless())
    client, transport = server.connect()
    transport.feed(REQUEST * 100)
    transport.feed(b"x" * MAX_HELD)
    await advance(LINGER)
    assert client.has_ended
    assert not server.state.tasks
    assert not server.state.connections


@pytest.mark.parametrize("behind", [b"", REQUEST, REQUEST * 2, REQUEST * 500])
async def test_all_requests_of_a_client_that_goes_learn_it(behind: bytes) -> None:
    """uvicorn notifies only the last request, so the first would write for ever."""
    app = Endless()
    server = Server(app=app)
    _, transport = server.connect()
    transport.feed(REQUEST + behind)
    await advance(2)
    assert app.living == 1
    transport.lose(None)
    await advance(2)
    assert (app.living, app.begun) == (0, 1)
    assert not server.state.tasks


# Upgrades.


@pytest.mark.parametrize("between", [b"", REQUEST, REQUEST * 500])
@pytest.mark.parametrize("together", [True, False])
async def test_an_upgrade_behind_a_response_is_refused_and_leaves_nothing(
    between: bytes, *, together: bool
) -> None:
    app = Endless()
    server = Server(app=app)
    client, transport = server.connect()
    if together:
        transport.feed(REQUEST + between + UPGRADE)
        await settle()
    else:
        transport.feed(REQUEST)
        await settle()
        transport.feed(between + UPGRADE)
    await advance(3)
    assert b"101" not in client.got
    if len(between) < HEAD_PIECE:
        assert client.has_ended
    transport.lose(None)
    await settle()
    assert app.living == 0
    assert not server.state.tasks
    assert not server.state.connections


async def test_an_upgrade_that_waited_is_refused_too() -> None:
    """The responses before it have ended when its turn comes, or not."""
    server = Server()
    client, transport = server.connect()
    transport.feed(SLOW + REQUEST * 100 + UPGRADE)
    server.go.set()
    await advance(3)
    assert b"HTTP/1.1 101" not in client.got
    assert client.has_ended
    assert not server.state.tasks
    assert not server.state.connections


@pytest.mark.parametrize("header", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
async def test_an_upgrade_with_a_body_is_refused(header: bytes) -> None:
    server = Server()
    client, transport = server.connect()
    transport.feed(UPGRADE.replace(b"Host: x", b"Host: x\r\n" + header) + b"hello")
    await settle()
    assert client.status == 400


async def test_an_upgrade_to_something_else_ends_with_its_answer() -> None:
    """The bytes after it can be anything."""
    server = Server()
    client, transport = server.connect()
    transport.feed(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0"
    )
    await settle()
    assert client.status == 200
    assert client.has_ended
    assert not server.state.connections


@pytest.mark.parametrize("path", [b"/socket/\xff", b"http://[/"])
async def test_an_upgrade_of_what_is_no_target_is_refused(path: bytes) -> None:
    server = Server()
    client, transport = server.connect()
    transport.feed(UPGRADE.replace(b"/socket/websocket", path))
    await settle()
    assert client.status == 400
    assert not server.state.tasks
