"""The V1 wire: JSON objects in text frames (protocol, §2.2)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from bennu.errors import DecodeError, EncodeError
from bennu.message import BINARY, TEXT, Encoded, Message, Opcode
from bennu.protocol import JSONV1, Serializer
from tests.support.frames import Frame, decode_v1, encode_v1

from ..support.properties import json_values, property_test, refs, texts

SERIALIZER: Serializer = JSONV1


def decode(data: str) -> Message:
    """Return the message of a text frame."""
    return JSONV1.decode(TEXT, data.encode())


def payload_of(message: Message) -> Any:
    """Return the decoded payload of a message."""
    return msgspec.json.decode(message.payload)


def read(encoded: Encoded) -> Frame:
    """Return an outgoing frame as a client reads it."""
    opcode, data = encoded
    assert opcode is TEXT
    return decode_v1(data.decode())


def test_it_says_what_it_is() -> None:
    """The serializer has a name for logs, and a version for the negotiation."""
    assert (JSONV1.name, JSONV1.carries_binary, JSONV1.requirement) == ("V1 JSON", False, (1, 0))


# Messages of a client.


@pytest.mark.conformance("SK003", "SK023")
def test_an_object_with_topic_event_payload_and_ref_is_a_message() -> None:
    """Without a join_ref in the object it is null."""
    message = decode('{"topic":"t","event":"e","payload":{"m":1},"ref":"1"}')

    assert (message.topic, message.event, message.ref, message.join_ref) == ("t", "e", "1", None)
    assert payload_of(message) == {"m": 1}


def test_a_join_ref_is_taken_and_other_keys_are_ignored() -> None:
    """One V1 client sends a join_ref. Without it, that client would close its own new channel."""
    message = decode(
        '{"x":[1],"join_ref":"7","ref":null,"payload":null,"event":"e","topic":"t","y":null}'
    )

    assert (message.join_ref, message.ref) == ("7", None)
    assert payload_of(message) is None


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param({"topic"}, marks=pytest.mark.conformance("SK004")),
        pytest.param({"event"}, marks=pytest.mark.conformance("SK005")),
        pytest.param({"payload"}, marks=pytest.mark.conformance("SK006")),
        pytest.param({"ref"}, marks=pytest.mark.conformance("SK007")),
        pytest.param({"topic", "ref"}, marks=pytest.mark.conformance("SK007")),
        pytest.param({"topic", "event", "payload", "ref"}, marks=pytest.mark.conformance("SK007")),
    ],
    ids=lambda missing: ",".join(sorted(missing)),
)
def test_a_missing_key_is_a_decode_error(missing: set[str]) -> None:
    """Each key must be there, and can be null. The error names a missing key."""
    whole = {"topic": "t", "event": "e", "payload": {}, "ref": "1"}
    part = {key: value for key, value in whole.items() if key not in missing}

    with pytest.raises(DecodeError, match="missing required field") as raised:
        decode(json.dumps(part))

    assert any(f"`{key}`" in str(raised.value) for key in missing)


@pytest.mark.conformance("SK024")
def test_an_array_is_a_decode_error_that_says_what_was_expected() -> None:
    """A V2 client would send an array."""
    with pytest.raises(DecodeError, match=r"expected a JSON object.*got `array`"):
        decode('["1","2","t","e",{}]')


@pytest.mark.parametrize(
    "data",
    [
        "",
        "null",
        "5",
        '"text"',
        "{}",
        '{"topic":"t","event":"e","payload":{},"ref":"1"',
        '{"topic":"t","event":"e","payload":{},"ref":"1"}x',
        '{"topic":"t","event":"e","payload":NaN,"ref":"1"}',
        '{"topic":"t","event":"e","payload":{},"ref":1e999}',
        '{"topic":"t","event":"e","payload":{},"ref":' + "9" * 5000 + "}",
        '{"topic":"t","event":"e","payload":' + "[" * 10_000 + "]" * 10_000 + ',"ref":"1"}',
        '{"topic":"t","event":"e","payload":{},"ref":"1","x":' + "[" * 10_000 + "]" * 10_000 + "}",
        '{"a":' * 10_000,
    ],
    ids=lambda data: f"{data[:60]!r} {len(data)}",
)
def test_text_that_is_no_message_is_a_decode_error(data: str) -> None:
    """The close code is 1011. The error has the first bytes of the frame, and no more."""
    with pytest.raises(DecodeError) as raised:
        decode(data)

    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("ref", [True, 1.5, 2**63, [], [1], {}], ids=repr)
@pytest.mark.parametrize("member", ["ref", "join_ref"])
def test_a_ref_is_null_an_integer_or_text(ref: Any, member: str) -> None:
    """A ref of any other type is refused."""
    message = {"topic": "t", "event": "e", "payload": {}, "ref": "1", member: ref}

    with pytest.raises(DecodeError):
        decode(json.dumps(message))


def test_json_in_a_binary_frame_is_accepted_if_it_is_utf_8() -> None:
    """The kind of frame is ignored, as in Phoenix. Bytes that are no UTF-8 are refused."""
    data = '{"topic":"é","event":"e","payload":"ü","ref":"1"}'.encode()

    message = JSONV1.decode(BINARY, data)

    assert (message.topic, payload_of(message)) == ("é", "ü")
    with pytest.raises(DecodeError, match="utf-8"):
        JSONV1.decode(BINARY, data.replace("ü".encode(), b"\xff"))


@property_test
@given(st.sampled_from([TEXT, BINARY]), st.binary(max_size=60), st.booleans())
def test_no_bytes_raise_anything_but_a_decode_error(
    opcode: Opcode, data: bytes, enveloped: bool
) -> None:
    """The text is valid UTF-8 already. Each decoded message can be answered."""
    if opcode is TEXT:
        data = data.decode(errors="replace").encode()
    if enveloped:
        data = b'{"topic":"t","event":"e","payload":' + data + b',"ref":"1"}'
    try:
        message = JSONV1.decode(opcode, data)
    except DecodeError:
        return
    JSONV1.reply(message.join_ref, message.ref, message.topic, "ok", {})


@property_test
@given(st.builds(Frame, refs, refs, texts, texts, json_values))
def test_every_message_that_a_client_can_send_arrives_as_it_was(sent: Frame) -> None:
    """The refs keep their types."""
    message = decode(encode_v1(sent))

    assert repr((message.join_ref, message.ref)) == repr((sent.join_ref, sent.ref))
    assert (message.topic, message.event) == (sent.topic, sent.event)
    assert payload_of(message) == sent.payload


# Messages of the server.


@pytest.mark.parametrize(
    ("encoded", "data"),
    [
        pytest.param(
            JSONV1.push("1", "t", "e", {"m": 1}),
            '{"topic":"t","event":"e","payload":{"m":1},"ref":null}',
            marks=pytest.mark.conformance("SK020"),
            id="push",
        ),
        pytest.param(
            JSONV1.broadcast("t", "e", {"m": 1}),
            '{"topic":"t","event":"e","payload":{"m":1},"ref":null}',
            marks=pytest.mark.conformance("SK025"),
            id="broadcast",
        ),
        pytest.param(
            JSONV1.reply("1", "2", "t", "ok", {"m": 1}),
            '{"topic":"t","event":"phx_reply","payload":{"status":"ok","response":{"m":1}},"ref":"2"}',
            marks=pytest.mark.conformance("SK021"),
            id="reply",
        ),
        pytest.param(
            JSONV1.reply(None, None, "t", "ok", None),
            '{"topic":"t","event":"phx_reply","payload":{"status":"ok","response":null},"ref":null}',
            marks=pytest.mark.conformance("SK022"),
            id="reply of nothing",
        ),
        pytest.param(
            JSONV1.close("1", "t"),
            '{"topic":"t","event":"phx_close","payload":{},"ref":"1"}',
            id="close",
        ),
        pytest.param(
            JSONV1.close(None, "t"),
            '{"topic":"t","event":"phx_close","payload":{},"ref":null}',
            id="close without join_ref",
        ),
        pytest.param(
            JSONV1.error("1", "t"),
            '{"topic":"t","event":"phx_error","payload":{"reason":"channel_crash"},"ref":"1"}',
            id="error",
        ),
    ],
)
@pytest.mark.conformance("SK043")
def test_frames_are_compact_objects_without_a_join_ref(encoded: Encoded, data: str) -> None:
    """The frames are compared byte for byte. The ref of phx_close and phx_error is the join_ref.

    A status of null, which Phoenix would encode, is not possible in Python: a status is a str.
    """
    assert encoded == (TEXT, data.encode())


@pytest.mark.conformance("SK026")
@pytest.mark.parametrize("payload", [[1], "text", 5, None, True])
def test_any_json_value_will_do_as_a_payload(payload: Any) -> None:
    """V1 does not check the payload's type."""
    assert read(JSONV1.push("1", "t", "e", payload)).payload == payload
    assert read(JSONV1.broadcast("t", "e", payload)).payload == payload
    assert read(JSONV1.reply("1", "2", "t", "ok", payload)).payload["response"] == payload


def test_bytes_can_not_be_sent_and_the_error_says_what_can() -> None:
    """V1 has no binary frames. The error says what can be sent."""
    advice = r"ask the client to connect with vsn=2\.0\.0"
    with pytest.raises(EncodeError, match=advice):
        JSONV1.push("1", "t", "e", b"x")
    with pytest.raises(EncodeError, match=advice):
        JSONV1.broadcast("t", "e", b"x")
    with pytest.raises(EncodeError, match=advice):
        JSONV1.reply("1", "2", "t", "ok", b"x")


@property_test
@given(refs, refs, texts, texts, json_values)
def test_everything_that_is_sent_is_read_back_by_a_client(
    join_ref: Any, ref: Any, topic: str, event: str, payload: Any
) -> None:
    """The decoder of the tests is independent of Bennu's code, and expects exactly four keys."""
    assert read(JSONV1.push(join_ref, topic, event, payload)) == Frame(
        None, None, topic, event, payload
    )
    assert read(JSONV1.broadcast(topic, event, payload)) == Frame(None, None, topic, event, payload)
    assert read(JSONV1.reply(join_ref, ref, topic, "ok", payload)) == Frame(
        None, ref, topic, "phx_reply", {"status": "ok", "response": payload}
    )
    assert read(JSONV1.close(join_ref, topic)).ref == join_ref
    assert read(JSONV1.error(join_ref, topic)).ref == join_ref
