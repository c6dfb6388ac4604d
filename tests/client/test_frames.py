"""The client's side of the wire, by the frames of phoenix.js's own tests and by those of our server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, strategies as st
from msgspec import Raw, Struct

from bennu import EncodeError
from bennu.client.frames import VERSIONS, Received, answer_of, json_of, payload_of
from bennu.errors import DecodeError
from bennu.message import BINARY, TEXT
from bennu.protocol import JSONV1, JSONV2

V1, V2 = VERSIONS["1.0.0"], VERSIONS["2.0.0"]


def fields(message: Received) -> tuple[Any, ...]:
    return (
        message.join_ref,
        message.ref,
        message.topic,
        message.event,
        json_of(message.payload),
    )


def test_encodes_a_push_as_an_array() -> None:
    assert V2.encode("0", "1", "t", "e", {"foo": 1}) == '["0","1","t","e",{"foo":1}]'


def test_decodes_an_array() -> None:
    message = V2.decode('["0","1","t","e",{"foo":1}]')
    assert fields(message) == ("0", "1", "t", "e", {"foo": 1})


def test_encodes_a_binary_push() -> None:
    assert V2.encode("0", "1", "t", "e", b"\x01") == b"\0\1\1\1\1" + b"01te" + b"\1"


def test_encodes_texts_of_any_length_in_a_binary_push() -> None:
    assert V2.encode("10", "1", "top", "ev", b"\1") == b"\0\2\1\3\2" + b"101topev" + b"\1"


def test_encodes_text_that_is_not_ascii_in_a_binary_push() -> None:
    encoded = V2.encode("1", "2", "grün", "é", b"\1")
    assert encoded == b"\0\1\1\5\2" + "12grüné".encode() + b"\1"


def test_a_text_of_a_binary_push_has_at_most_255_bytes() -> None:
    assert V2.encode("1", "2", "t" * 255, "e", b"")
    with pytest.raises(EncodeError, match="the topic of a binary message has at most 255 bytes"):
        V2.encode("1", "2", "ü" * 128, "e", b"")


def test_decodes_a_binary_push() -> None:
    message = V2.decode(b"\0\3\3\x0a123topsome-event\1\1")
    assert fields(message) == ("123", None, "top", "some-event", b"\1\1")


def test_decodes_a_binary_reply() -> None:
    message = V2.decode(b"\1\3\2\3\2" + b"10012topok" + b"\1\1")
    assert fields(message) == ("100", "12", "top", "phx_reply", b"\1\1")
    assert answer_of(message) == ("ok", b"\1\1")


def test_decodes_a_binary_broadcast() -> None:
    message = V2.decode(b"\2\3\x0atopsome-event\1\1")
    assert fields(message) == (None, None, "top", "some-event", b"\1\1")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\3\1\1",
        b"\0\1\1",
        b"\1\5\5\5\5abc",
        "7",
        "[]",
        '{"topic":"t"}',
        "[1,2",
        '["1","1",7,"e",{}]',
    ],
)
def test_what_is_no_message_says_what_came(data: str | bytes) -> None:
    with pytest.raises(DecodeError, match=r"the server sent .*: expected "):
        V2.decode(data)


def test_v1_is_an_object_in_both_directions() -> None:
    sent = V1.encode("1", "2", "t", "e", {"a": 1})
    assert sent == '{"topic":"t","event":"e","payload":{"a":1},"ref":"2","join_ref":"1"}'
    message = V1.decode('{"topic":"t","event":"e","payload":{"a":1},"ref":null}')
    assert fields(message) == (None, None, "t", "e", {"a": 1})


@pytest.mark.parametrize("event", ["phx_close", "phx_error"])
def test_the_ref_of_an_end_is_its_join_ref_in_v1(event: str) -> None:
    """So an end of a former join is told from one of the present join."""
    end = V1.decode(f'{{"topic":"t","event":"{event}","payload":{{}},"ref":"3"}}')
    assert end.join_ref == "3"
    assert V1.decode('{"topic":"t","event":"phx_reply","payload":{},"ref":"3"}').join_ref is None


def test_v1_has_no_binary_frames() -> None:
    with pytest.raises(EncodeError, match=r'vsn="2\.0\.0"'):
        V1.encode("1", "2", "t", "e", b"\1")
    with pytest.raises(DecodeError, match="expected a JSON object"):
        V1.decode("[]")


def test_a_response_can_be_missing_or_wrong() -> None:
    assert answer_of(V2.decode('["1","1","t","phx_reply",{"status":"ok"}]')) == ("ok", Raw(b"{}"))
    with pytest.raises(DecodeError, match="expected a reply with status and response"):
        answer_of(V2.decode('["1","1","t","phx_reply",[]]'))


def test_half_a_character_is_no_json() -> None:
    with pytest.raises(DecodeError, match="expected JSON"):
        json_of(Raw(rb'{"a":"\ud800"}'))


class Point(Struct):
    x: int


@dataclass
class Line:
    y: int


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (None, b"{}"),
        ({"a": 1}, b'{"a":1}'),
        (Point(1), b'{"x":1}'),
        (Line(2), b'{"y":2}'),
    ],
)
def test_a_payload_is_an_object_of_any_kind(value: Any, sent: bytes) -> None:
    assert bytes(payload_of(value)) == sent


def test_bytes_are_a_binary_payload() -> None:
    assert (
        payload_of(b"ab") == payload_of(bytearray(b"ab")) == payload_of(memoryview(b"ab")) == b"ab"
    )


@pytest.mark.parametrize("value", [7, "text", [1]])
def test_a_payload_that_is_no_object_says_what_to_write(value: Any) -> None:
    with pytest.raises(EncodeError, match="around it"):
        payload_of(value)


REFS = st.none() | st.text(max_size=8)
NAMES = st.text(max_size=20)
PAYLOADS = st.dictionaries(st.text(max_size=5), st.integers(-(2**53), 2**53) | st.text(max_size=9))


@given(REFS, REFS, NAMES, NAMES, PAYLOADS)
def test_our_server_reads_what_the_client_writes(
    join_ref: Any, ref: Any, topic: str, event: str, payload: Any
) -> None:
    for client, server in ((V1, JSONV1), (V2, JSONV2)):
        data = client.encode(join_ref, ref, topic, event, payload)
        assert isinstance(data, str)
        message = server.decode(TEXT, data.encode())
        assert (message.join_ref, message.ref, message.topic, message.event) == (
            join_ref,
            ref,
            topic,
            event,
        )
        assert json_of(message.payload) == payload
    data = V2.encode(join_ref, ref, topic, event, b"\0\xff")
    assert isinstance(data, bytes)
    message = JSONV2.decode(BINARY, data)
    assert (message.join_ref, message.topic, message.payload) == (join_ref or "", topic, b"\0\xff")


@given(REFS, REFS, NAMES, NAMES, PAYLOADS | st.binary(max_size=9))
def test_the_client_reads_what_our_server_writes(
    join_ref: Any, ref: Any, topic: str, event: str, payload: Any
) -> None:
    for opcode, data in (
        JSONV2.reply(join_ref, ref, topic, "ok", payload),
        JSONV2.push(join_ref, topic, event, payload),
        JSONV2.broadcast(topic, event, payload),
    ):
        message = V2.decode(data if opcode is BINARY else data.decode())
        assert message.topic == topic
        if message.event == "phx_reply" and event != "phx_reply":
            status, response = answer_of(message)
            assert (status, json_of(response)) == ("ok", payload)
        elif message.event == event and event != "phx_reply":
            assert json_of(message.payload) == payload
