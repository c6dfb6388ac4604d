"""The two wire formats, byte for byte, and frames that are no message in them."""

from __future__ import annotations

import json
from typing import Final

import pytest

from bennu import Endpoint
from bennu.errors import DecodeError
from tests.support.frames import broadcast, ok, reply
from tests.support.servers import Server
from tests.support.wire import V1, connect

from .app import Journal

NOT_V2: Final[dict[str, str | bytes]] = {
    "four elements": '["1","1","room:1","phx_join"]',
    "no elements": "[]",
    "an object": '{"topic":"room:1","event":"phx_join","payload":{},"ref":"1"}',
    "null": "null",
    "no JSON": "hello",
    "nothing": "",
    "half": '["1","1","room:1","phx_join",{}',
    "too much": '["1","1","room:1","phx_join",{}]]',
    "too deep": "[" * 1000 + "]" * 1000,
    "binary nothing": b"",
    "binary kind only": b"\x00",
    "binary half a header": b"\x00\x01\x01\x06",
    "binary truncated": b"\x00\x01\x01\x06\xff12room:1echo",
    "binary of a server's kind": b"\x01\x01\x01\x06\x0412room:1echo",
    "text in a binary frame": b'["1","1","room:1","phx_join",{}]',
}

NOT_V1: Final[dict[str, str | bytes]] = {
    "no ref": '{"topic":"room:1","event":"phx_join","payload":{}}',
    "no payload": '{"topic":"room:1","event":"phx_join","ref":"1"}',
    "no event": '{"topic":"room:1","payload":{},"ref":"1"}',
    "no topic": '{"event":"phx_join","payload":{},"ref":"1"}',
    "an array": '["1","1","room:1","phx_join",{}]',
    "nothing": "",
    "half": "{",
    "no UTF-8": b"\xff",
}


async def test_v2_is_compact_json(server: Server, endpoint: Endpoint) -> None:
    """One client splits the text at its commas, so there is no white space, and no escaped Unicode."""
    async with connect(server) as client:
        await client.send("1", "2", "room:1", "phx_join")
        assert await client.receive_raw() == (
            '["1","2","room:1","phx_reply",{"status":"ok","response":{}}]'
        )
        await client.send("1", "3", "room:1", "push", {"a": "é"})
        assert await client.receive_raw() == '["1",null,"room:1","pushed",{"a":"é"}]'
        await endpoint.broadcast("room:1", "b", {"c": [1, None]})
        assert await client.receive_raw() == '[null,null,"room:1","b",{"c":[1,null]}]'
        await client.send("1", "4", "room:1", "stop", "normal")
        assert await client.receive_raw() == '["1","1","room:1","phx_close",{}]'
        assert await client.join("room:1", ref=5) == ok()
        await client.send(5, 6, "room:1", "crash")
        assert await client.receive_raw() == (
            '[5,5,"room:1","phx_error",{"reason":"channel_crash"}]'
        )


async def test_v1_never_sends_a_join_ref(server: Server, endpoint: Endpoint) -> None:
    """The ref of close and error is the join_ref."""
    async with connect(server, vsn=V1) as client:
        await client.send("1", "2", "room:1", "phx_join")
        answers = [json.loads(await client.receive_raw())]
        await client.send("1", "3", "room:1", "push", {"a": "é"})
        answers.append(json.loads(await client.receive_raw()))
        await endpoint.broadcast("room:1", "b", {"c": 1})
        answers.append(json.loads(await client.receive_raw()))
        await client.send("1", "4", "room:1", "stop", "normal")
        answers.append(json.loads(await client.receive_raw()))
    assert answers == [
        {
            "topic": "room:1",
            "event": "phx_reply",
            "ref": "2",
            "payload": {"status": "ok", "response": {}},
        },
        {"topic": "room:1", "event": "pushed", "ref": None, "payload": {"a": "é"}},
        {"topic": "room:1", "event": "b", "ref": None, "payload": {"c": 1}},
        {"topic": "room:1", "event": "phx_close", "ref": "1", "payload": {}},
    ]


async def test_v1_needs_no_join_ref(server: Server) -> None:
    """An old client sends no join_ref. Then the close has no ref."""
    async with connect(server, vsn=None) as client:
        join = {"topic": "room:1", "event": "phx_join", "payload": {}, "ref": "1"}
        await client.send_raw(json.dumps(join))
        await client.expect(reply(None, "1", "room:1", ok()))
        stop = {"topic": "room:1", "event": "stop", "payload": "normal", "ref": "2", "more": 1}
        await client.send_raw(json.dumps(stop))
        assert json.loads(await client.receive_raw()) == {
            "topic": "room:1",
            "event": "phx_close",
            "payload": {},
            "ref": None,
        }


async def test_v1_in_a_binary_frame_is_accepted(server: Server) -> None:
    async with connect(server, vsn=V1) as client:
        await client.send_raw(b'{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}')
        await client.expect(reply(None, "1", "phoenix", ok()))


@pytest.mark.conformance("WS040")
async def test_binary_in_and_out(server: Server) -> None:
    """A handler that gets bytes and returns bytes sends a binary frame of kind 1."""
    async with connect(server) as client:
        assert await client.join("room:1") == ok()
        await client.send_raw(b"\x00\x01\x01\x06\x0412room:1echo\x00\xff\xfe")
        assert await client.receive_raw() == b"\x01\x01\x01\x06\x0212room:1ok\x00\xff\xfe"
        await client.send("1", "3", "room:1", "echo", b"")
        await client.expect(reply("1", "3", "room:1", ok(b"")))


@pytest.mark.conformance("WS041")
async def test_a_binary_push(server: Server) -> None:
    """The frame has kind 0, and no field for the ref."""
    async with connect(server) as client:
        assert await client.join("room:1") == ok()
        await client.send("1", "2", "room:1", "push", b"\x07\x07")
        assert await client.receive_raw() == b"\x00\x01\x06\x061room:1pushed\x07\x07"


async def test_a_binary_broadcast(server: Server, endpoint: Endpoint) -> None:
    """The frame has kind 2. A V1 client does not get the broadcast."""
    async with connect(server) as client, connect(server, vsn=V1) as old:
        assert await client.join("room:1") == ok()
        assert await old.join("room:1") == ok()
        await endpoint.broadcast("room:1", "bb", b"\x07\x07")
        assert await client.receive_raw() == b"\x02\x06\x02room:1bb\x07\x07"
        await endpoint.broadcast("room:1", "text", {})
        await old.expect(broadcast("room:1", "text", {}))


@pytest.mark.conformance("OB004")
async def test_heartbeat_join_and_leave_in_binary(server: Server) -> None:
    """The answers are text. An empty ref is an empty text, and not null."""
    async with connect(server) as client:
        await client.send_raw(b"\x00\x00\x01\x07\x095phoenixheartbeat")
        assert await client.receive_raw() == (
            '[null,"5","phoenix","phx_reply",{"status":"ok","response":{}}]'
        )
        await client.send_raw(b"\x00\x01\x01\x06\x0817room:1phx_join")
        assert await client.receive_raw() == (
            '["1","7","room:1","phx_reply",{"status":"ok","response":{}}]'
        )
        await client.send_raw(b"\x00\x00\x00\x06\x08room:2phx_join")
        assert await client.receive_raw() == (
            '["","","room:2","phx_reply",{"status":"ok","response":{}}]'
        )


@pytest.mark.conformance("OB003")
async def test_a_binary_message_without_join_ref_is_stale(server: Server) -> None:
    """An empty join_ref is no wildcard. Only null is, which binary frames can't contain."""
    async with connect(server) as client:
        assert await client.join("room:1") == ok()
        await client.send_raw(b"\x00\x00\x01\x06\x042room:1echo")
        await client.expect_silence()


@pytest.mark.conformance("OB001")
async def test_elements_after_the_fifth_are_ignored(server: Server) -> None:
    async with connect(server) as client:
        await client.send_raw('["1","1","room:1","phx_join",{},"more",[{}]]')
        await client.expect(reply("1", "1", "room:1", ok()))


@pytest.mark.conformance("OB001", "OB002")
@pytest.mark.parametrize("frame", NOT_V2.values(), ids=NOT_V2)
async def test_what_v2_cannot_decode_closes_the_connection(
    server: Server, frame: str | bytes, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """The code is 1011, and all channels end. No error frame is sent."""
    async with connect(server) as client:
        assert await client.join("room:bad", ref="1") == ok()
        assert await client.join("room:good", ref="2") == ok()
        await client.send_raw(frame)
        code, _ = await client.closed()
        assert code == 1011
        for topic in ("room:bad", "room:good"):
            assert isinstance(await journal.end_of(topic), DecodeError)
    assert "undecodable frame" in caplog.text


@pytest.mark.conformance("OB002")
@pytest.mark.parametrize("frame", NOT_V1.values(), ids=NOT_V1)
async def test_what_v1_cannot_decode_closes_the_connection(
    server: Server, frame: str | bytes
) -> None:
    """Each of the four keys is required."""
    async with connect(server, vsn=V1) as client:
        await client.send_raw(frame)
        code, _ = await client.closed()
        assert code == 1011
