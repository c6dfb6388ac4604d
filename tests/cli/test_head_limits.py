"""Limits on the head of a request: its time, and its size."""

from __future__ import annotations

import pytest

from bennu import Channel, Endpoint, Socket
from bennu.cli.head_limits import HeadLimits
from bennu.cli.limited_protocol import LINGER
from bennu.reasons import Limit
from bennu.testing.clock import advance, settle
from bennu.testing.memory_socket import MemoryTransport

from .memory import REQUEST, UPGRADE, Client, Server

pytestmark = [pytest.mark.clock("virtual"), pytest.mark.usefixtures("_quiet")]


# Time.


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"G", REQUEST[:-1], REQUEST[:20]])
async def test_a_head_that_does_not_come_is_answered_408(sent: bytes) -> None:
    """The answer comes after ten seconds, for any part of the head."""
    server = Server()
    client, transport = server.connect()
    if sent:
        transport.feed(sent)
    await advance(9.5)
    assert not client.got
    await advance(0.6)
    assert client.status == 408
    assert b"within 10 seconds" in client.got
    await advance(LINGER)
    assert client.has_ended
    assert not server.state.connections


async def test_a_byte_now_and_then_wins_no_time() -> None:
    """This is the slow loris attack. The limit is for the whole head."""
    server = Server()
    client, transport = server.connect()
    slow = b"GET / HTTP/1.1\r\nA:"
    for byte in slow:
        transport.feed(bytes([byte]))
        await advance(0.55)
    assert not client.got
    transport.feed(b"b")
    await advance(0.2)
    assert client.status == 408
    await advance(LINGER)
    assert client.has_ended


async def test_each_connection_has_its_own_time() -> None:
    server = Server()
    early, _ = server.connect()
    await advance(4)
    late, transport = server.connect()
    await advance(6.1)
    assert (early.status, late.status) == (408, None)
    transport.feed(REQUEST)
    await settle()
    assert late.status == 200
    await advance(10)
    assert not late.has_ended
    server.stop()
    await settle()


async def test_a_connection_that_is_kept_has_that_time_for_each_request() -> None:
    """An empty line between two requests begins the second head, although the parser does not report it."""
    server = Server()
    for begin in (b"\r\n", REQUEST[:5]):
        client, transport = server.connect()
        transport.feed(REQUEST)
        await settle()
        assert client.status == 200
        await advance(30)
        transport.feed(begin)
        await advance(9.5)
        assert client.status == 200
        await advance(0.6)
        assert client.status == 408
        await advance(LINGER)
        assert client.has_ended


async def test_who_waits_for_an_answer_is_not_late() -> None:
    """Half of its next request has come. Its time begins when the answer is sent."""
    server = Server()
    client, transport = server.connect()
    transport.feed(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + REQUEST[:9])
    await advance(35)
    assert not client.got
    server.go.set()
    await settle()
    assert client.status == 200
    await advance(10.1)
    assert client.status == 408
    await advance(LINGER)
    assert client.has_ended


async def test_a_client_that_goes_is_awaited_no_more() -> None:
    server = Server()
    client, transport = server.connect()
    transport.feed(REQUEST[:9])
    await settle()
    assert server.awaited == 1
    transport.lose(ConnectionResetError())
    await settle()
    assert server.awaited == 0
    await advance(20)
    assert not client.got


async def test_many_that_send_nothing_are_all_ended() -> None:
    server = Server()
    clients = []
    for _ in range(2000):
        clients.append(server.connect()[0])
        await advance(0.001)
    await advance(10 + LINGER)
    assert all(client.status == 408 and client.has_ended for client in clients)
    assert not server.state.connections


async def test_a_websocket_is_awaited_no_more() -> None:
    """A WebSocket has an idle timeout instead."""

    class Room(Channel): ...

    socket: Socket[None] = Socket(connect=lambda: None, channels={"room:*": Room})
    endpoint = Endpoint(sockets={"/socket": socket})
    await endpoint.start()
    server = Server(app=endpoint)
    client, transport = server.connect()
    transport.feed(UPGRADE)
    await settle()
    assert client.status == 101
    assert server.awaited == 0
    await advance(30)
    assert endpoint.connections == 1
    await endpoint.stop()
    server.stop()
    await settle()


# Size.


async def send(server: Server, *pieces: bytes) -> Client:
    client, transport = server.connect()
    for piece in pieces:
        transport.feed(piece)
    await settle()
    return client


SMALL = HeadLimits(max_bytes=1000)

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([b"GET /" + b"a" * 980 + b" HTTP/1.1\r\n\r\n"], 200),
        ([b"GET /" + b"a" * 1000 + b" HTTP/1.1\r\n\r\n"], 414),
        ([b"GET /", *[b"a" * 100] * 12], 414),
        ([HEAD + b"A: " + b"b" * 900 + b"\r\n\r\n"], 200),
        ([HEAD + b"A: " + b"b" * 1000 + b"\r\n\r\n"], 431),
        ([HEAD, *[b"A: b\r\n"] * 300], 431),
        ([HEAD, b"A: ", *[b"b" * 100] * 12], 431),
        ([b"\r\n" * 600], 431),
        ([b"GET /" + b"a" * 400 + b" HTTP/1.1\r\n", b"A: " + b"b" * 700 + b"\r\n\r\n"], 431),
    ],
    ids=[
        "a long target",
        "a target that is too long",
        "one that has no end",
        "a long header",
        "a header that is too long",
        "headers without an end",
        "a header without an end",
        "nothing but empty lines",
        "all of it together",
    ],
)
async def test_a_head_has_a_size(pieces: list[bytes], status: int) -> None:
    server = Server(SMALL)
    client = await send(server, *pieces)
    assert client.status == status
    if status != 200:
        assert b"at most 1000 bytes" in client.got
        await advance(LINGER)
        assert client.has_ended
    server.stop()
    await settle()


async def test_bodies_are_not_counted() -> None:
    """This holds for whole bodies, for chunks, and for later requests on the same connection."""
    server = Server(SMALL)
    client, transport = server.connect()
    transport.feed(b"POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n")
    for _ in range(50):
        transport.feed(b"b" * 100)
    await settle()
    assert client.got.endswith(b"5000\r\n0\r\n\r\n")
    transport.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(300):
        transport.feed(b"5\r\nbbbbb\r\n")
    transport.feed(b"0\r\n\r\n" + REQUEST)
    await settle()
    assert b"1500\r\n" in client.got
    assert client.status == 200
    server.stop()
    await settle()


async def test_many_small_requests_in_one_read_are_fine() -> None:
    server = Server(SMALL)
    client = await send(server, REQUEST * 200)
    assert client.got.count(b"HTTP/1.1 200") == 200
    server.stop()
    await settle()


@pytest.mark.parametrize(
    "bomb", [b"0\r\n" + b"A: b\r\n" * 300, b"0\r\nA: " + b"b" * 2000, b"1;a=" + b"b" * 2000]
)
async def test_what_is_hidden_behind_a_body_is_counted(bomb: bytes) -> None:
    """These are trailers and chunk extensions. Their request gets 431."""
    server = Server(SMALL)
    pieces = [bomb[start : start + 100] for start in range(0, len(bomb), 100)]
    client = await send(
        server, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", *pieces
    )
    assert client.status == 431
    await advance(LINGER)
    assert client.has_ended
    assert not server.state.connections


async def test_what_a_refused_client_goes_on_to_send_is_thrown_away() -> None:
    """So the client can read the answer. This has a time limit."""
    server = Server(SMALL)
    client, transport = server.connect()
    transport.feed(b"GET /" + b"a" * 2000)
    await settle()
    assert client.status == 414
    for _ in range(1000):
        transport.feed(b"a" * 100_000)
    await settle()
    assert client.got.count(b"HTTP/1.1") == 1
    await advance(LINGER)
    assert client.has_ended


async def test_where_half_of_a_connection_cannot_be_ended_all_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An example is TLS."""
    monkeypatch.setattr(MemoryTransport, "can_write_eof", lambda self: False)
    client = await send(Server(SMALL), b"GET /" + b"a" * 2000)
    assert client.status == 414
    assert client.has_ended


async def test_a_client_that_left_before_its_refusal() -> None:
    server = Server(SMALL)
    client, transport = server.connect()
    transport.feed(REQUEST[:4])
    await settle()
    transport.peer_reads = False
    transport.write(b"x")
    transport.close()
    await advance(10.1)
    transport.abort()
    await settle()
    assert client.has_ended


# Being told.


async def test_what_was_refused_is_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The endpoint counts it, if the application is an endpoint."""
    endpoint = Endpoint(sockets={})
    await endpoint.start()
    server = Server(SMALL, app=endpoint)
    for _ in range(5):
        await send(server, b"GET /" + b"a" * 2000)
    for _ in range(3):
        server.connect()
    await advance(10.1 + LINGER)
    assert endpoint.telemetry.exceeded == {Limit.HANDSHAKE_BYTES: 5, Limit.HANDSHAKE_TIME: 3}
    lines = [record.getMessage() for record in caplog.records if record.name == "bennu"]
    assert len(lines) == 3
    assert "--handshake-bytes" in lines[0]
    assert lines[1].startswith("Not shown: 4 more")
    assert "--handshake-timeout" in lines[2]
    await endpoint.stop()
