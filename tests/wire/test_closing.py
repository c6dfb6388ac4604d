"""How connections end: close codes, silence, and disconnects by id."""

from __future__ import annotations

import pytest

from bennu import Endpoint
from tests.support.frames import ok, reply
from tests.support.raw import BINARY, CLOSE, PING, TEXT, client_frame, close_payload, open_raw
from tests.support.servers import Server, serve
from tests.support.wire import connect

from .app import Journal, make_endpoint
from .divergence import decided_by_server


@pytest.mark.conformance("WS030", "SK016")
async def test_a_disconnect_ends_every_connection_of_that_id(
    server: Server, vsn: str, endpoint: Endpoint, journal: Journal
) -> None:
    """The code is 1001 without a reason, after which stock clients reconnect. All channels end."""
    topics = [f"room:out-{vsn}-1", f"room:out-{vsn}-2"]
    async with (
        connect(server, vsn=vsn, params={"name": "users:1"}) as ann,
        connect(server, vsn=vsn, params={"name": "users:1"}) as too,
        connect(server, vsn=vsn, params={"name": "users:2"}) as bob,
        connect(server, vsn=vsn) as nobody,
    ):
        for topic in topics:
            assert await ann.join(topic) == ok()
        assert await too.join("room:1") == ok()
        await endpoint.disconnect("users:1")
        assert await ann.closed() == (1001, "")
        assert await too.closed() == (1001, "")
        for topic in topics:
            assert await journal.end_of(topic) == "disconnected"
        await bob.expect_silence()
        await nobody.expect_silence()


async def test_the_id_of_a_connection_hears_nothing_else(
    server: Server, endpoint: Endpoint, vsn: str
) -> None:
    """An id is no topic: a broadcast to the topic of that name closes no connection and reaches no client."""
    async with connect(server, vsn=vsn, params={"name": "users:1"}) as client:
        await endpoint.broadcast("users:1", "hello", {})
        await endpoint.broadcast("users:2", "disconnect", {})
        await endpoint.broadcast("users:1", "disconnect", {})
        await client.expect_silence()
        await endpoint.disconnect("users:1")
        assert await client.closed() == (1001, "")


async def test_what_was_said_before_a_disconnect_arrives(
    server: Server, endpoint: Endpoint, vsn: str
) -> None:
    async with connect(server, vsn=vsn, params={"name": "users:1"}) as client:
        assert await client.join("room:1") == ok()
        for number in range(20):
            await endpoint.broadcast("room:1", "n", {"n": number})
        await endpoint.disconnect("users:1")
        assert [(await client.receive()).payload["n"] for _ in range(20)] == list(range(20))
        assert await client.closed() == (1001, "")


@pytest.mark.conformance("WS034")
async def test_a_silent_client_is_closed(server: Server, vsn: str, journal: Journal) -> None:
    """The code is 1002, after the socket's timeout. The channels end."""
    topic = f"room:silent-{vsn}"
    async with connect(server, "/impatient", vsn=vsn) as client:
        assert await client.join(topic) == ok()
        assert await client.closed() == (1002, "timeout")
        assert await journal.end_of(topic) == "closed"


async def test_what_the_server_sends_does_not_count(server: Server, endpoint: Endpoint) -> None:
    """Only messages of a client count as activity, and not those of the server."""
    async with connect(server, "/impatient") as client:
        assert await client.join("room:1") == ok()
        while await client.receive_or_close() is not None:
            await endpoint.broadcast("room:1", "tick", {})


async def test_a_client_that_speaks_stays(server: Server) -> None:
    """A client that sends more often than the timeout (0.2 s) stays connected for longer than the timeout."""
    async with connect(server, "/impatient") as busy, connect(server, "/impatient") as silent:
        closed = False
        while not closed:
            await busy.expect_silence()  # a heartbeat and its answer
            closed = silent.is_closed
        await busy.expect_silence()


@pytest.mark.conformance("OB017")
@decided_by_server("pings and the timeout")
async def test_a_ping_counts_as_a_sign_of_life(server: Server) -> None:
    async with open_raw(server) as client, connect(server, "/impatient") as silent:
        await client.open("/impatient/websocket?vsn=2.0.0")
        while not silent.is_closed:
            client.send(client_frame(PING, b"x"))
            frame = await client.frame()
            assert frame.data == b"x"
        client.send_text('[null,"1","phoenix","heartbeat",{}]')
        assert "phx_reply" in await client.text()


async def test_a_message_that_is_too_big(server: Server, journal: Journal) -> None:
    """The code is 1009, and the channels end."""
    topic = "room:big"
    async with connect(server, "/small") as client:
        assert await client.join(topic) == ok()
        await client.send("1", "2", topic, "echo", {"a": "x" * 200})
        code, _ = await client.closed()
        assert code == 1009
        assert await journal.end_of(topic) == "closed"


async def test_messages_up_to_the_limit_pass(server: Server) -> None:
    async with connect(server, "/small") as client:
        assert await client.join("room:1") == ok()
        frame = '["1","2","room:1","echo",{"a":""}]'
        await client.send_raw(frame.replace('""', f'"{"x" * (200 - len(frame))}"'))
        await client.expect(reply("1", "2", "room:1", ok({"a": "x" * (200 - len(frame))})))


async def test_fragments_count_together(server: Server) -> None:
    """The size of a message is the sum of its fragments."""
    async with open_raw(server) as client:
        await client.open("/small/websocket?vsn=2.0.0")
        client.send(client_frame(TEXT, b'["1"', final=False))
        for _ in range(3):
            client.send(client_frame(0, b" " * 70, final=False))
        client.send(client_frame(0, b',"1","room:1","phx_join",{}]'))
        code, _ = await client.close_frame()
        assert code == 1009


@decided_by_server("text that is not UTF-8")
async def test_text_that_is_not_utf8(server: Server, vsn: str) -> None:
    async with open_raw(server) as client:
        await client.open(f"/socket/websocket?vsn={vsn}")
        client.send(client_frame(TEXT, b'["1","1","room:\xff","phx_join",{}]'))
        code, _ = await client.close_frame()
        assert code == 1007


VIOLATIONS = {
    "an unknown opcode": client_frame(3, b""),
    "an unknown control opcode": client_frame(0xB, b""),
    "a reserved bit": client_frame(TEXT, b"{}", reserved=1),
    "the bit of a compression that was not agreed on": client_frame(TEXT, b"{}", reserved=4),
    "no mask": client_frame(TEXT, b"{}", masked=False),
    "a continuation of nothing": client_frame(0, b"{}"),
    "a message within a message": client_frame(TEXT, b"[", final=False) + client_frame(BINARY, b""),
    "a control frame in fragments": client_frame(PING, b"", final=False),
    "a control frame too long": client_frame(PING, b"x" * 126),
}


@pytest.mark.parametrize("bytes_", VIOLATIONS.values(), ids=VIOLATIONS)
@decided_by_server("protocol violations")
async def test_protocol_violations_are_closed_with_1002(
    server: Server, bytes_: bytes, endpoint: Endpoint
) -> None:
    async with open_raw(server) as client:
        await client.open()
        client.send(bytes_)
        code, _ = await client.close_frame()
        assert code == 1002
        await client.end()


ANSWERS: dict[int | None, int] = {
    None: 1000,
    **dict.fromkeys([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999], 1000),
    **dict.fromkeys([0, 999, 1004, 1005, 1006, 1012, 1015, 2999, 5000, 65535], 1002),
}


@pytest.mark.parametrize(("sent", "answered"), ANSWERS.items(), ids=map(str, ANSWERS))
@decided_by_server("the answer to a close frame")
async def test_a_close_frame_is_answered(server: Server, sent: int | None, answered: int) -> None:
    """The answer is 1000 for a code that a client can send and for none, else 1002. Then the connection ends."""
    async with open_raw(server) as client:
        await client.open()
        client.send(client_frame(CLOSE, b"" if sent is None else close_payload(sent, "bye")))
        assert await client.close_frame() == (answered, "")
        assert await client.end() == b""


@decided_by_server("1012 when the server stops")
async def test_a_server_that_stops_says_1012(server: Server) -> None:
    """Phoenix closes with 1000, after which a stock client does not reconnect."""
    async with serve(server.name, make_endpoint()) as stopping:
        joined = connect(stopping)
        client = await joined.__aenter__()
        assert await client.join("room:1") == ok()
    assert (await client.closed())[0] == 1012
    await joined.__aexit__(None, None, None)
