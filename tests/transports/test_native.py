"""The native transport over real sockets: bytes in pieces of any size, and messages that wait."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest

from bennu import Endpoint
from bennu.loop import scheduler
from tests.support.frames import Frame, broadcast, encode_v2, joining, ok, pushing, reply
from tests.support.inside import has_input, is_behind
from tests.support.raw import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawClient,
    client_frame,
    close_payload,
    open_raw,
    text_frames,
)
from tests.support.servers import Server
from tests.support.until import until
from tests.support.wire import connect
from tests.wire.app import Journal

from .heartbeats import BEAT, BEATEN, is_alive

JOIN = joining("1", "room:1")
JOINED = reply("1", "1", "room:1", ok())


def echo(ref: int, payload: Any) -> Frame:
    """Return a message that is answered with its payload."""
    return pushing("1", str(ref), "room:1", "echo", payload)


async def expect_echo(client: RawClient, ref: int, payload: Any) -> None:
    """Check that the next frame is the answer to that message."""
    assert await client.message() == reply("1", str(ref), "room:1", ok(payload))


async def let_it_read(server: Server) -> None:
    """Give a server enough turns of the event loop to read megabytes, if it reads."""
    async with connect(server) as other:
        for _ in range(200):
            await other.expect_silence()


# Portions.


async def test_bytes_may_come_one_by_one(server: Server) -> None:
    """The bytes are an upgrade, a join, a long message, a ping, a message in fragments, a close."""
    async with open_raw(server) as client:

        async def trickle(data: bytes) -> None:
            for position in range(len(data)):
                client.send(data[position : position + 1])
                await asyncio.sleep(0)  # the server reads this byte before there is another

        client.request("/socket/websocket?vsn=2.0.0")
        assert (await client.response()).status == 101
        await trickle(text_frames(JOIN))
        assert await client.message() == JOINED
        await trickle(text_frames(echo(2, "x" * 200)))
        await expect_echo(client, 2, "x" * 200)
        await trickle(client_frame(PING, b"still there?"))
        assert await client.frame() == (0x80 | PONG, b"still there?")
        message = str(encode_v2(echo(3, "é" * 10))).encode()
        await trickle(
            client_frame(TEXT, message[:30], final=False)
            + client_frame(PING, b"")
            + client_frame(CONTINUATION, message[30:31], final=False)
            + client_frame(CONTINUATION, b"", final=False)
            + client_frame(CONTINUATION, message[31:])
        )
        assert await client.frame() == (0x80 | PONG, b"")
        await expect_echo(client, 3, "é" * 10)
        await trickle(client_frame(CLOSE, close_payload(1000)))
        assert await client.close_frame() == (1000, "")
        assert await client.end() == b""


async def test_a_request_may_come_byte_by_byte(server: Server) -> None:
    """This also holds if uvicorn collects the bytes."""
    async with open_raw(server) as client:
        request = client.head("/socket/websocket?vsn=2.0.0") + client_frame(TEXT, BEAT)
        for position in range(len(request)):
            client.send(request[position : position + 1])
            await asyncio.sleep(0)
        assert (await client.response()).status == 101
        assert await client.message() == BEATEN


async def test_a_thousand_frames_in_one_write(server: Server) -> None:
    """They are handled in order, with any sizes."""
    async with open_raw(server) as client:
        await client.open()
        messages = [echo(ref, "x" * (ref * 7 % 300)) for ref in range(1000)]
        client.send(text_frames(JOIN, *messages))
        assert await client.message() == JOINED
        for ref in range(1000):
            await expect_echo(client, ref, "x" * (ref * 7 % 300))


@pytest.mark.parametrize("size", [0, 125, 126, 127, 65535, 65536, 1_000_000])
async def test_frames_of_every_length(server: Server, size: int) -> None:
    """Each of the three forms of a length is written and read."""
    async with open_raw(server) as client:
        await client.open()
        client.send(text_frames(JOIN))
        assert await client.message() == JOINED
        head = b"\x00\x01\x01\x06\x0412room:1echo"
        content = os.urandom(size)
        client.send(client_frame(BINARY, head + content))
        answer = await client.frame()
        assert answer == (0x80 | BINARY, b"\x01\x01\x01\x06\x0212room:1ok" + content)


async def test_frames_may_come_behind_the_request(server: Server) -> None:
    """They come in the same packet: a client need not wait for the 101."""
    async with open_raw(server) as client:
        await client.open(behind=text_frames(JOIN, echo(2, {"a": 1})))
        assert await client.message() == JOINED
        await expect_echo(client, 2, {"a": 1})


async def test_what_comes_while_connect_runs_is_kept(server: Server, journal: Journal) -> None:
    """The bound is 64 KB. Beyond it the client's buffer fills, and nothing is lost."""
    async with open_raw(server) as client:
        frames = [text_frames(echo(ref, "x" * 10_000)) for ref in range(1000)]
        client.request("/waiting/websocket?vsn=2.0.0&gate=early", behind=text_frames(JOIN))
        await journal.read("early", "waits")
        client.send(b"".join(frames))
        unsent = client.writer.transport.get_write_buffer_size
        await let_it_read(server)
        assert unsent() > 0
        journal.gate("early").set()
        assert (await client.response()).status == 101
        assert await client.message() == JOINED
        for ref in range(1000):
            await expect_echo(client, ref, "x" * 10_000)
        assert unsent() == 0


# Holding.


async def test_a_join_holds_back_what_comes_behind_it(
    server: Server, endpoint: Endpoint, journal: Journal
) -> None:
    """Pings wait too. Broadcasts on topics that were joined before do not wait."""
    async with open_raw(server) as client:
        await client.open()
        client.send(text_frames(JOIN))
        assert await client.message() == JOINED
        client.send(text_frames(joining("2", "slow:held")))
        client.send(client_frame(PING, b"ping") + client_frame(TEXT, BEAT))
        await journal.read("slow:held", "waits")
        client.send(text_frames(echo(3, {}))[:20])
        await endpoint.broadcast("room:1", "meanwhile", {})
        assert await client.message() == broadcast("room:1", "meanwhile", {})
        journal.gate("slow:held").set()
        assert await client.message() == reply("2", "2", "slow:held", ok())
        assert await client.frame() == (0x80 | PONG, b"ping")
        assert await client.message() == BEATEN


async def test_a_held_client_fills_its_own_buffer_not_ours(
    server: Server, journal: Journal
) -> None:
    """Reading pauses once bytes have come that must wait."""
    async with open_raw(server) as client:
        await client.open()
        client.send(text_frames(joining("2", "slow:much")))
        await journal.read("slow:much", "waits")
        beat = BEAT.replace(b"{}", b'{"a":"' + b"x" * 100_000 + b'"}')
        client.send(client_frame(TEXT, beat) * 200)
        unsent = client.writer.transport.get_write_buffer_size
        await let_it_read(server)
        assert unsent() > 0
        journal.gate("slow:much").set()
        assert await client.message() == reply("2", "2", "slow:much", ok())
        for _ in range(200):
            assert await client.message() == BEATEN
        assert unsent() == 0


async def test_a_close_frame_behind_a_join_waits_for_it(server: Server, journal: Journal) -> None:
    """Then the close is answered."""
    async with open_raw(server) as client:
        await client.open()
        client.send(text_frames(joining("2", "slow:close")))
        client.send(client_frame(CLOSE, b"") + client_frame(TEXT, BEAT))
        await journal.read("slow:close", "waits")
        journal.gate("slow:close").set()
        assert await client.message() == reply("2", "2", "slow:close", ok())
        assert await client.close_frame() == (1000, "")
        assert await client.end() == b""
        assert await journal.end_of("slow:close") == "closed"


async def test_joins_in_one_write_are_handled_one_after_another(
    server: Server, journal: Journal
) -> None:
    """Each join holds the frames after it, also frames that were held already."""
    topics = [f"slow:row-{number}" for number in range(3)]
    async with open_raw(server) as client:
        await client.open()
        joins = text_frames(*(joining(topic, topic) for topic in topics))
        client.send(joins + client_frame(TEXT, BEAT))
        for topic in topics:
            await journal.read(topic, "waits")
            others = [other for other in topics if other > topic]
            assert not any(journal.has(other, "waits") for other in others)
            journal.gate(topic).set()
            assert (await client.message()).join_ref == topic
        assert await client.message() == BEATEN


async def test_a_server_that_closes_drops_what_was_held(
    server: Server, endpoint: Endpoint, journal: Journal
) -> None:
    """If a client is closed during a join, only its answer to the close is read."""
    async with open_raw(server) as client:
        await client.open("/socket/websocket?vsn=2.0.0&name=users:9")
        client.send(text_frames(joining("2", "slow:dropped")))
        client.send(client_frame(TEXT, BEAT) * 100)
        await journal.read("slow:dropped", "waits")
        await endpoint.disconnect("users:9")
        assert await client.close_frame() == (1001, "")
        client.send(client_frame(TEXT, BEAT) + client_frame(CLOSE, close_payload(1001)))
        assert await client.end() == b""
        journal.gate("slow:dropped").set()
        assert await journal.end_of("slow:dropped") == "disconnected"


async def test_many_connections_come_and_go(server: Server, endpoint: Endpoint) -> None:
    """No connection, task or subscription is left."""
    for _ in range(20):
        async with connect(server) as ann, connect(server) as bob:
            for client in (ann, bob):
                assert await client.join("room:1") == ok()
            await ann.push("room:1", "shout", {"a": 1})
            for client in (ann, bob):
                await client.expect(broadcast("room:1", "shouted", {"a": 1}))
    await until(lambda: not endpoint.connections)
    await until(lambda: not endpoint.pubsub.subscribers("room:1"))


async def test_a_message_is_answered_while_another_channel_waits(
    server: Server, journal: Journal
) -> None:
    """Only joins hold the connection. Joined channels run concurrently."""
    async with connect(server) as client:
        assert await client.join("room:busy", ref="1") == ok()
        assert await client.join("room:2", ref="2") == ok()
        await client.push("room:busy", "wait", ref="3")
        await client.push("room:2", "echo", {"a": 1}, ref="4")
        await client.expect(reply("2", "4", "room:2", ok({"a": 1})))
        journal.gate("room:busy").set()
        await client.expect(reply("1", "3", "room:busy", ok()))


@pytest.fixture
def one_part_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each turn of the event loop handle one part of the received bytes."""
    monkeypatch.setattr(scheduler, "SLICE", 0.0)


FLOODS = {
    "pings": client_frame(PING, b"") * 20_000,
    "empty fragments": client_frame(TEXT, b"", final=False)
    + client_frame(CONTINUATION, b"", final=False) * 16_000,
    "heartbeats": client_frame(TEXT, BEAT) * 20_000,
}


@pytest.mark.usefixtures("one_part_a_turn")
@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_who_sends_much_at_once_makes_nobody_wait(server: Server, flood: bytes) -> None:
    """Ten heartbeats of another client are answered before a hundred kilobytes of small frames are handled."""
    async with open_raw(server) as much, open_raw(server) as little:
        await much.open()
        await little.open()
        much.send(flood)
        for _ in range(10):
            await is_alive(little)
        (busy,) = (one for one in server.connections if has_input(one))
        assert is_behind(busy)


@pytest.mark.usefixtures("one_part_a_turn")
async def test_what_is_handled_in_later_turns_keeps_its_order(server: Server) -> None:
    """Pushes come after the join that they need, pings between them, and the close at the end."""
    async with open_raw(server) as client:
        await client.open()
        frames = [text_frames(JOIN)]
        for number in range(2, 402):
            frames += [text_frames(echo(number, number)), client_frame(PING, b"%d" % number)]
        frames.append(text_frames(echo(402, "x" * 100_000)))
        frames.append(client_frame(CLOSE, close_payload(1000)))
        client.send(b"".join(frames))
        texts: list[Any] = []
        pongs: list[int] = []
        while (frame := await client.frame()).opcode != CLOSE:
            if frame.opcode == PONG:
                pongs.append(int(frame.data))
            else:
                texts.append(json.loads(frame.data)[4]["response"])
        assert texts == [{}, *range(2, 402), "x" * 100_000]
        assert pongs == list(range(2, 402))


@pytest.mark.usefixtures("one_part_a_turn")
async def test_a_connection_that_is_closed_while_more_waits_ends(
    server: Server, endpoint: Endpoint
) -> None:
    """Its frames are skipped, up to its close frame."""
    async with open_raw(server) as client:
        await client.open("/socket/websocket?vsn=2.0.0&name=busy")
        client.send(client_frame(PING, b"") * 5_000 + client_frame(CLOSE, close_payload(1001)))
        await until(lambda: any(is_behind(one) for one in server.connections))
        await endpoint.disconnect("busy")
        while (frame := await client.frame()).opcode != CLOSE:
            assert frame.opcode == PONG
        assert await client.end() == b""
    await until(lambda: not server.connections)
