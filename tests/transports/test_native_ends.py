"""The ends of native connections over real sockets: closed, broken, aborted, too slow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from bennu import Endpoint
from bennu.transports import native
from tests.support.frames import broadcast, joining, pushing
from tests.support.raw import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    RawClient,
    client_frame,
    close_payload,
    open_raw,
    text_frames,
)
from tests.support.servers import Server, serve
from tests.support.until import until
from tests.support.wire import connect
from tests.wire.app import Journal, make_endpoint

from .heartbeats import BEAT, is_alive


async def test_nothing_is_read_behind_a_close_frame(server: Server) -> None:
    async with open_raw(server) as client:
        await client.open()
        client.send(client_frame(CLOSE, b"") + client_frame(TEXT, BEAT) + b"nonsense")
        assert await client.close_frame() == (1000, "")
        assert await client.end() == b""


async def test_nothing_is_read_behind_a_violation(server: Server) -> None:
    """The server's half of the connection ends with the close frame."""
    async with open_raw(server) as client:
        await client.open()
        client.send(client_frame(3, b"") + client_frame(TEXT, BEAT))
        assert (await client.close_frame())[0] == 1002
        assert await client.end() == b""
        client.send(client_frame(TEXT, BEAT))


async def test_an_oversized_frame_is_refused_by_its_header(server: Server) -> None:
    """The server does not wait for the rest of the frame."""
    async with open_raw(server) as client:
        await client.open()
        client.send(bytes([0x80 | TEXT, 0x80 | 127]) + (1 << 62).to_bytes(8, "big"))
        assert (await client.close_frame())[0] == 1009
        assert await client.end() == b""


async def test_a_close_of_ours_waits_for_the_answer(server: Server, endpoint: Endpoint) -> None:
    """Messages that the client sent before it got the close are dropped."""
    async with open_raw(server) as client:
        await client.open("/socket/websocket?vsn=2.0.0&name=users:8")
        await is_alive(client)
        await endpoint.disconnect("users:8")
        assert await client.close_frame() == (1001, "")
        client.send(client_frame(TEXT, BEAT) + client_frame(PING, b""))
        client.send(client_frame(CLOSE, close_payload(1001)))
        assert await client.end() == b""


async def test_who_never_answers_a_close_is_cut_off(
    server: Server, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is aborted after 5 s (here almost at once)."""
    monkeypatch.setattr(native, "CLOSE_TIMEOUT", 0.01)
    async with open_raw(server) as client:
        await client.open("/socket/websocket?vsn=2.0.0&name=users:7")
        await is_alive(client)
        await endpoint.disconnect("users:7")
        assert await client.close_frame() == (1001, "")
        assert await client.end() == b""


async def test_half_of_a_connection_is_none(server: Server, journal: Journal) -> None:
    """A client that ends its half is gone, without a close frame."""
    async with open_raw(server) as client:
        await client.open()
        client.send(text_frames(joining("1", "room:half")))
        assert '"ok"' in await client.text()
        client.writer.write_eof()
        assert await client.end() == b""
        assert await journal.end_of("room:half") == "closed"


async def test_half_of_a_connection_is_none_while_connect_runs(
    server: Server, journal: Journal
) -> None:
    """connect is cancelled."""
    async with open_raw(server) as client:
        client.request("/waiting/websocket?vsn=2.0.0&gate=half")
        await journal.read("half", "waits")
        client.writer.write_eof()
        assert await client.end() == b""
        assert await journal.read("half", "cancelled")


async def test_a_server_that_stops_ends_the_handshakes_under_way(
    endpoint: Endpoint, server: Server
) -> None:
    """They get 503. Open connections get 1012."""
    assert endpoint.is_started, server
    stopping = make_endpoint()
    running = serve("native", stopping)
    other = await running.__aenter__()
    async with open_raw(other) as waiting, open_raw(other) as joined:
        await joined.open()
        await is_alive(joined)
        waiting.request("/waiting/websocket?vsn=2.0.0&gate=stop")
        journal: Journal = stopping.state
        await journal.read("stop", "waits")
        stopped = asyncio.create_task(running.__aexit__(None, None, None))
        assert (await waiting.response()).status == 503
        assert await joined.close_frame() == (1012, "shutdown")
        joined.send(client_frame(CLOSE, close_payload(1012)))
        assert await joined.end() == b""
        journal.gate("stop").set()
        await stopped


async def test_idle_connections_share_one_timer(server: Server, endpoint: Endpoint) -> None:
    """One check finds all silent connections. Other connections stay."""
    async with (
        open_raw(server) as silent,
        open_raw(server) as other,
        connect(server) as patient,
    ):
        for client in (silent, other):
            await client.open("/impatient/websocket?vsn=2.0.0")
        assert await silent.close_frame() == (1002, "timeout")
        assert await other.close_frame() == (1002, "timeout")
        await patient.expect_silence()
        assert endpoint.connections == 1


# Clients that vanish.


async def _before_the_request_is_whole(client: RawClient, journal: Journal) -> None:
    client.send(b"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: x\r\nConnec")


async def _while_connect_runs(client: RawClient, journal: Journal) -> None:
    client.request("/waiting/websocket?vsn=2.0.0&gate=vanish")
    await journal.read("vanish", "waits")


async def _with_early_frames(client: RawClient, journal: Journal) -> None:
    await _while_connect_runs(client, journal)
    client.send(client_frame(TEXT, BEAT) * 5000)


async def _behind_the_101(client: RawClient, journal: Journal) -> None:
    await client.open()


async def _in_a_frame(client: RawClient, journal: Journal) -> None:
    await client.open()
    client.send(client_frame(TEXT, BEAT)[:-3])


async def _in_a_fragmented_message(client: RawClient, journal: Journal) -> None:
    await client.open()
    client.send(client_frame(TEXT, BEAT[:9], final=False))


async def _in_a_join(client: RawClient, journal: Journal) -> None:
    await client.open()
    client.send(text_frames(joining("1", "slow:vanish")))
    await journal.read("slow:vanish", "waits")


async def _in_a_join_with_more_behind_it(client: RawClient, journal: Journal) -> None:
    await _in_a_join(client, journal)
    client.send(client_frame(TEXT, BEAT) * 100)


async def _in_a_handler(client: RawClient, journal: Journal) -> None:
    await client.open()
    client.send(text_frames(joining("1", "room:vanish"), pushing("1", "2", "room:vanish", "wait")))
    await journal.read("room:vanish", "waits")


async def _with_answers_unread(client: RawClient, journal: Journal) -> None:
    await client.open()
    client.send(client_frame(TEXT, BEAT) * 1000)
    await client.text()


async def _behind_its_close_frame(client: RawClient, journal: Journal) -> None:
    await client.open()
    client.send(client_frame(CLOSE, b""))


async def _behind_a_violation(client: RawClient, journal: Journal) -> None:
    await client.open()
    client.send(client_frame(3, b""))


MOMENTS: dict[str, Callable[[RawClient, Journal], Awaitable[None]]] = {
    moment.__name__.strip("_").replace("_", " "): moment
    for moment in (
        _before_the_request_is_whole,
        _while_connect_runs,
        _with_early_frames,
        _behind_the_101,
        _in_a_frame,
        _in_a_fragmented_message,
        _in_a_join,
        _in_a_join_with_more_behind_it,
        _in_a_handler,
        _with_answers_unread,
        _behind_its_close_frame,
        _behind_a_violation,
    )
}


@pytest.mark.parametrize("ending", ["reset", "closed"])
@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
async def test_a_client_may_vanish_at_any_moment(
    server: Server,
    endpoint: Endpoint,
    journal: Journal,
    moment: Callable[[RawClient, Journal], Awaitable[None]],
    ending: str,
) -> None:
    """Nothing of it is left, no error is logged, and other clients are not affected."""
    async with connect(server) as other, open_raw(server) as client:
        await moment(client, journal)
        if ending == "reset":
            client.reset()
        else:
            client.writer.close()
        for topic in ("vanish", "slow:vanish", "room:vanish"):
            journal.gate(topic).set()
        await until(lambda: endpoint.connections == 1)
        await until(lambda: len(server.connections) == 1)
        await until(lambda: not server.tasks)
        await other.expect_silence()
    journal.close_gates()


# Clients that do not read.


MEGABYTE = "x" * 1_000_000


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
        for number in range(sent):
            frame = await slow.frame()
            if frame.opcode == CLOSE:
                assert number > 1
                break
            assert f'"n":{number},'.encode() in frame.data[:60]
        else:
            frame = await slow.frame()
        assert frame.data == close_payload(1013, "too slow")
        slow.send(client_frame(CLOSE, close_payload(1013)))
        assert await slow.end() == b""
        await fast.expect_silence()
    assert "unread" in caplog.text
    assert sent < 100


async def test_who_closes_without_reading_is_cut_off(
    server: Server, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages for it are kept for at most 5 s (here almost no time)."""
    monkeypatch.setattr(native, "CLOSE_TIMEOUT", 0.01)
    async with open_raw(server, limit=1000) as client:
        await client.open()
        client.send(text_frames(joining("1", "room:unread")))
        assert '"ok"' in await client.text()
        (transport,) = [connection.transport for connection in server.connections]
        while not transport.get_write_buffer_size():
            await endpoint.broadcast("room:unread", "n", {"x": MEGABYTE})
            await asyncio.sleep(0)
        client.send(client_frame(CLOSE, close_payload(1000)))
        await until(lambda: not endpoint.connections)
        await until(lambda: not server.connections)


async def test_a_client_that_does_not_read_its_pongs_is_not_listened_to(
    server: Server, endpoint: Endpoint
) -> None:
    """The client's buffer fills, and not the server's. When the client reads, all its pings are answered."""
    async with open_raw(server, limit=1000) as client:
        await client.open()
        count = 0
        unsent = client.writer.transport.get_write_buffer_size
        while unsent() < 2_000_000:
            client.send(client_frame(PING, b"x" * 125) * 1000)
            count += 1000
            await asyncio.sleep(0)
        (transport,) = [connection.transport for connection in server.connections]
        await until(lambda: transport.get_write_buffer_size() > 0)
        assert transport.get_write_buffer_size() < 1_000_000
        assert endpoint.connections == 1
        for _ in range(count):
            assert (await client.frame()).first == 0x80 | PONG
        assert unsent() == 0


async def test_a_client_that_falls_behind_may_catch_up(
    server: Server, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """Below the bound no message is lost. Afterwards the connection is as before."""
    caplog.set_level(logging.WARNING, "bennu")
    async with open_raw(server, limit=1000) as client:
        await client.open()
        client.send(text_frames(joining("1", "room:behind")))
        assert '"ok"' in await client.text()
        for number in range(5):
            await endpoint.broadcast("room:behind", "n", {"n": number, "x": MEGABYTE})
            await asyncio.sleep(0)
        for number in range(5):
            assert f'"n":{number},' in (await client.text())[:60]
        await is_alive(client)
        for number in range(5):
            await endpoint.broadcast("room:behind", "n", {"n": number})
            assert f'"n":{number}}}' in await client.text()
    assert not caplog.messages
