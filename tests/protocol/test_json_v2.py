"""The V2 wire: arrays in text frames, and three kinds of binary frame (protocol, §2.3 and §2.4)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from bennu.errors import DecodeError, EncodeError
from bennu.message import BINARY, TEXT, Encoded, Message, Opcode
from bennu.protocol import JSONV2, Serializer
from tests.support.frames import Frame, decode_v2, encode_v2

from ..support.properties import json_objects, json_values, property_test, refs, texts

SERIALIZER: Serializer = JSONV2


def decode(data: str | bytes) -> Message:
    """Return the message of a text frame, or of a binary frame."""
    if isinstance(data, str):
        return JSONV2.decode(TEXT, data.encode())
    return JSONV2.decode(BINARY, data)


def payload_of(message: Message) -> Any:
    """Return the payload of a message: decoded JSON, or bytes."""
    payload: Any = message.payload
    return payload if isinstance(payload, bytes) else msgspec.json.decode(payload)


def read(encoded: Encoded) -> Frame:
    """Return an outgoing frame as a client reads it."""
    opcode, data = encoded
    return decode_v2(data.decode() if opcode is TEXT else data)


def test_it_says_what_it_is() -> None:
    """The serializer has a name for logs, and a version for the negotiation."""
    assert (JSONV2.name, JSONV2.carries_binary, JSONV2.requirement) == ("V2 JSON", True, (2, 0))


# Messages of a client.


@pytest.mark.conformance("SK030", "OB001")
@pytest.mark.parametrize("more", ["", ",6", ',{"a":[1]},null'])
def test_an_array_of_five_or_more_elements_is_a_message(more: str) -> None:
    """Elements after the fifth are ignored."""
    message = decode(f'["1","2","room:1","new_msg",{{"a":1}}{more}]')

    assert (message.join_ref, message.ref) == ("1", "2")
    assert (message.topic, message.event) == ("room:1", "new_msg")
    assert payload_of(message) == {"a": 1}


@pytest.mark.conformance("OB005")
def test_refs_and_payload_are_any_json_values_and_white_space_is_free() -> None:
    """A join_ref can be null, a ref can be a number, and a payload can be any JSON value."""
    message = decode(' [ null , 7 , "room:1" , "e" , [ 1 , "two" ] ] ')

    assert (message.join_ref, message.ref) == (None, 7)
    assert payload_of(message) == [1, "two"]


@pytest.mark.parametrize(
    "ref", ["1", "", 0, 1, -1, None, 2**53, 2**63 - 1, -(2**63), "é"], ids=repr
)
def test_a_ref_keeps_its_type(ref: Any) -> None:
    """``"1"`` and ``1`` are different refs."""
    decoded = decode(json.dumps([ref, ref, "t", "e", {}]))

    assert repr(decoded.join_ref) == repr(decoded.ref) == repr(ref)


@pytest.mark.parametrize(
    "ref", [True, False, 1.5, 1e300, 2**63, -(2**63) - 1, 10**30, [], [1], {}, {"a": 1}], ids=repr
)
@pytest.mark.parametrize("position", [0, 1])
def test_a_ref_is_null_an_integer_or_text(ref: Any, position: int) -> None:
    """A ref of any other type is refused: an array would take twenty times the memory of its text."""
    message = ["1", "2", "t", "e", {}]
    message[position] = ref

    with pytest.raises(DecodeError):
        decode(json.dumps(message))


@pytest.mark.parametrize(
    ("topic", "event"), [(5, "e"), (None, "e"), ({"a": 1}, "e"), ("t", 7), ("t", [])]
)
def test_topic_and_event_are_not_checked_here(topic: Any, event: Any) -> None:
    """A topic or event of another type matches nothing later, as in Phoenix."""
    message = decode(json.dumps(["1", "2", topic, event, {}]))

    assert (message.topic, message.event) == (topic, event)


@pytest.mark.parametrize(
    "data",
    [
        "",
        " ",
        "null",
        "5",
        '"text"',
        "{}",
        '{"topic":"t","event":"e","payload":{},"ref":"1"}',
        "[]",
        '["1","2","t","e"]',
        '["1","2","t","e",]',
        '["1","2","t","e",{}',
        '["1","2","t","e",{}]x',
        '["1","2","t","e",{}][]',
        '["1","2","t","e",{"a":}]',
        '["1","2","t","e",{a:1}]',
        "['1','2','t','e',{}]",
        '["1","2","t","e",NaN]',
        '["1","2","t","e",Infinity]',
        '["1",NaN,"t","e",{}]',
        '["1",1e999,"t","e",{}]',
        '["1","2","t","e",01]',
        '["1","2","t","e","\\x41"]',
        '["1","2","t","e","a\nb"]',
        '["1",' + "9" * 5000 + ',"t","e",{}]',
        "[" * 10_000,
        "[" * 10_000 + "]" * 10_000,
        '["1","2","t","e",' + "[" * 10_000 + "]" * 10_000 + "]",
        '["1","2","t","e",' + '{"a":' * 10_000 + "1" + "}" * 10_000 + "]",
        "\ufeff[]",
    ],
    ids=lambda data: f"{data[:40]!r} {len(data)}",
)
def test_text_that_is_no_message_is_a_decode_error(data: str) -> None:
    """The close code is 1011. The error has the first bytes of the frame, and no more."""
    with pytest.raises(DecodeError) as raised:
        decode(data)

    assert len(str(raised.value)) < 400


def test_a_payload_may_nest_as_deep_as_the_bound_and_no_deeper() -> None:
    """The envelope counts as one level."""
    deepest = '["1","2","t","e",' + "[" * 127 + "]" * 127 + "]"

    assert payload_of(decode(deepest)) is not None
    with pytest.raises(DecodeError, match="deeper than 128"):
        decode(deepest.replace("[]", "[[]]"))


@pytest.mark.conformance("SK042")
@pytest.mark.parametrize(
    "message",
    [
        Frame("5", "16", "room:bin", "push", b"\1\2\3"),
        Frame("5", "16", "room:bin", "push", b""),
        Frame("é", "ü", "räume", "grüße", b"\xff\0"),
        Frame("x" * 255, "y" * 255, "z" * 255, "e" * 255, b"p"),
        Frame("9", "1", "room:bin", "phx_join", b"{}"),
        Frame("", "7", "phoenix", "heartbeat", b""),
    ],
)
def test_a_binary_push_has_a_header_of_sizes(message: Frame) -> None:
    """Kind 0, four sizes of one byte each, four texts in UTF-8, and the payload."""
    data = encode_v2(message)
    assert isinstance(data, bytes)

    decoded = decode(data)

    assert (
        Frame(decoded.join_ref, decoded.ref, decoded.topic, decoded.event, payload_of(decoded))
        == message
    )


def test_an_empty_ref_of_a_binary_push_is_empty_text_and_not_null() -> None:
    """An empty ref is no wildcard, as null is. Stock clients never send it to a joined channel."""
    message = decode(b"\0\0\0\1\1te")

    assert (message.join_ref, message.ref) == ("", "")


def test_bytes_of_a_binary_header_that_are_not_utf_8_are_replaced() -> None:
    """The texts are sent back in a reply, which must be UTF-8. Phoenix does not check them."""
    message = decode(b"\0\1\1\2\1\xff\xc3t\xffe")

    assert (message.join_ref, message.ref) == ("\N{REPLACEMENT CHARACTER}",) * 2
    assert message.topic == "t\N{REPLACEMENT CHARACTER}"
    assert JSONV2.reply(message.join_ref, message.ref, message.topic, "ok", {})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0\0\0\0",
        b"\0\1\1\1\1abc",
        b"\0\xff\xff\xff\xff",
        b"\1\1\1\1\1abcd",
        b"\2\1\1te",
        b"\3\1\1\1\1abcd",
        b"\x84",
        b'["1","2","t","e",{}]',
    ],
)
def test_a_binary_frame_of_another_kind_or_cut_short_is_a_decode_error(data: bytes) -> None:
    """A client can send only kind 0."""
    with pytest.raises(DecodeError, match="V2 expected"):
        decode(data)


_PIECES = st.lists(
    st.sampled_from(
        [
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            '"',
            "\\",
            "\\u",
            "d800",
            "1",
            "-",
            "e9",
            ".",
            "null",
            "a",
            " ",
        ]
    ),
    max_size=40,
).map("".join)
_NEARLY = json_values.map(json.dumps).flatmap(
    lambda whole: st.integers(0, len(whole)).map(lambda end: whole[:end])
)


@property_test
@given(st.sampled_from([TEXT, BINARY]), st.binary(max_size=60))
def test_no_bytes_raise_anything_but_a_decode_error(opcode: Opcode, data: bytes) -> None:
    """The text is valid UTF-8 already. A binary frame can have any bytes."""
    if opcode is TEXT:
        data = data.decode(errors="replace").encode()
    try:
        message = JSONV2.decode(opcode, data)
    except DecodeError:
        return
    assert isinstance(message, Message)


@property_test
@given(texts | _PIECES | _NEARLY, st.booleans())
def test_no_text_raises_anything_but_a_decode_error(text: str, enveloped: bool) -> None:
    """Text that is nearly JSON, alone or in an envelope, raises only DecodeError. Decoded messages can be answered."""
    data = f'["1","2","t","e",{text}]' if enveloped else text
    try:
        message = JSONV2.decode(TEXT, data.encode())
    except DecodeError:
        return
    JSONV2.reply(message.join_ref, message.ref, message.topic, "ok", {})


@property_test
@given(st.builds(Frame, refs, refs, texts, texts, json_values | st.binary(max_size=40)))
def test_every_message_that_a_client_can_send_arrives_as_it_was(sent: Frame) -> None:
    """Text or binary. In a binary frame a ref is text."""
    if isinstance(sent.payload, bytes):
        sent = sent._replace(join_ref=str(sent.join_ref)[:60], ref=str(sent.ref)[:60])

    decoded = decode(encode_v2(sent))

    assert (decoded.join_ref, decoded.ref) == (sent.join_ref, sent.ref)
    assert (decoded.topic, decoded.event) == (sent.topic, sent.event)
    assert payload_of(decoded) == sent.payload


# Messages of the server.


@pytest.mark.parametrize(
    ("encoded", "data"),
    [
        pytest.param(
            JSONV2.push("1", "t", "e", {"m": 1}),
            '["1",null,"t","e",{"m":1}]',
            marks=pytest.mark.conformance("SK027"),
            id="push",
        ),
        pytest.param(
            JSONV2.broadcast("t", "e", {"m": 1}),
            '[null,null,"t","e",{"m":1}]',
            marks=pytest.mark.conformance("SK031"),
            id="broadcast",
        ),
        pytest.param(
            JSONV2.reply("1", "2", "t", "ok", {"m": 1}),
            '["1","2","t","phx_reply",{"status":"ok","response":{"m":1}}]',
            marks=pytest.mark.conformance("SK029"),
            id="reply",
        ),
        pytest.param(
            JSONV2.reply(None, 7, 5, "whatever", ["é"]),
            '[null,7,5,"phx_reply",{"status":"whatever","response":["é"]}]',
            marks=pytest.mark.conformance("OB005"),
            id="reply with other refs, topic, status and response",
        ),
        pytest.param(JSONV2.close("1", "t"), '["1","1","t","phx_close",{}]', id="close"),
        pytest.param(
            JSONV2.close(None, "t"), '[null,null,"t","phx_close",{}]', id="close without join_ref"
        ),
        pytest.param(
            JSONV2.error("1", "t"),
            '["1","1","t","phx_error",{"reason":"channel_crash"}]',
            id="error",
        ),
    ],
)
@pytest.mark.conformance("SK043")
def test_text_frames_are_compact_arrays(encoded: Encoded, data: str) -> None:
    """The frames are compared byte for byte, because one client splits them at their commas."""
    assert encoded == (TEXT, data.encode())


@pytest.mark.parametrize(
    ("encoded", "data"),
    [
        pytest.param(
            JSONV2.push("1", "room:a", "binpush", b"\7"),
            b"\0\1\6\x071room:abinpush\7",
            marks=pytest.mark.conformance("SK033"),
            id="push",
        ),
        pytest.param(
            JSONV2.reply("5", "16", "room:bin", "ok", b"\1\2\3"),
            b"\1\1\2\x08\x02516room:binok\1\2\3",
            marks=pytest.mark.conformance("SK037"),
            id="reply",
        ),
        pytest.param(
            JSONV2.broadcast("room:a", "bb", b"\7\7"),
            b"\2\6\2room:abb\7\7",
            marks=pytest.mark.conformance("SK039"),
            id="broadcast",
        ),
        pytest.param(JSONV2.push(None, "t", "e", b""), b"\0\0\1\1te", id="null is empty"),
        pytest.param(
            JSONV2.reply(7, True, "t", "ok", b""), b"\1\1\4\1\0027truetok", id="refs are their JSON"
        ),
        pytest.param(JSONV2.broadcast("é", "ü", b""), b"\2\2\2\xc3\xa9\xc3\xbc", id="UTF-8"),
    ],
)
@pytest.mark.conformance("SK043")
def test_a_payload_of_bytes_makes_a_binary_frame(encoded: Encoded, data: bytes) -> None:
    """Kind, sizes, texts and payload; a push has no ref. The examples are those of docs/protocol.md."""
    assert encoded == (BINARY, data)


LONG = "x" * 256


@pytest.mark.parametrize(
    ("kind", "arguments", "field"),
    [
        pytest.param("push", ("1", LONG, "e"), "topic", marks=pytest.mark.conformance("SK034")),
        pytest.param("push", ("1", "t", LONG), "event", marks=pytest.mark.conformance("SK035")),
        pytest.param("push", (LONG, "t", "e"), "join_ref", marks=pytest.mark.conformance("SK036")),
        pytest.param("reply", (LONG, "2", "t", "ok"), "join_ref"),
        pytest.param(
            "reply", ("1", LONG, "t", "ok"), "ref", marks=pytest.mark.conformance("SK038")
        ),
        pytest.param("reply", ("1", "2", LONG, "ok"), "topic"),
        pytest.param("reply", ("1", "2", "t", LONG), "status"),
        pytest.param("broadcast", (LONG, "e"), "topic", marks=pytest.mark.conformance("SK040")),
        pytest.param("broadcast", ("t", LONG), "event", marks=pytest.mark.conformance("SK041")),
        pytest.param("broadcast", ("é" * 128, "e"), "topic", id="bytes count, not characters"),
    ],
)
def test_a_field_of_a_binary_frame_has_at_most_255_bytes(
    kind: str, arguments: tuple[str, ...], field: str
) -> None:
    """The error names the field. In a text frame the same field is allowed."""
    encode = getattr(JSONV2, kind)

    with pytest.raises(EncodeError, match=f"^the {field} of a binary frame has at most 255 bytes"):
        encode(*arguments, b"")
    assert encode(*arguments, {})[0] is TEXT
    assert encode(*("x" * min(len(one), 255) for one in arguments), b"")[0] is BINARY


@pytest.mark.conformance("SK028", "SK032")
@pytest.mark.parametrize("payload", [[1], "text", 5, None])
def test_a_push_or_broadcast_that_is_no_object_is_refused(payload: Any) -> None:
    """Only replies can have any JSON value."""
    with pytest.raises(EncodeError, match="JSON object"):
        JSONV2.push("1", "t", "e", payload)
    with pytest.raises(EncodeError, match="JSON object"):
        JSONV2.broadcast("t", "e", payload)
    assert read(JSONV2.reply("1", "2", "t", "ok", payload)).payload["response"] == payload


@pytest.mark.parametrize("payload", [{}, b""], ids=["text", "binary"])
def test_a_lone_surrogate_in_a_topic_or_event_is_an_encode_error(payload: Any) -> None:
    """A lone surrogate has no UTF-8 form, so it is an error in both kinds of frame."""
    with pytest.raises(EncodeError):
        JSONV2.broadcast("\ud800", "e", payload)
    with pytest.raises(EncodeError):
        JSONV2.push("1", "t", "\ud800", payload)


_NAMES = texts.filter(bool)  # in a binary frame an empty text reads as null


@property_test
@given(refs, refs, _NAMES, _NAMES, json_objects | st.binary(max_size=40), json_values)
def test_everything_that_is_sent_is_read_back_by_a_client(
    join_ref: Any, ref: Any, topic: str, event: str, payload: Any, response: Any
) -> None:
    """The decoder of the tests is independent of Bennu's code."""
    assert read(JSONV2.push("1", topic, event, payload)) == Frame("1", None, topic, event, payload)
    assert read(JSONV2.broadcast(topic, event, payload)) == Frame(None, None, topic, event, payload)
    assert read(JSONV2.reply(join_ref, ref, topic, "ok", response)) == Frame(
        join_ref, ref, topic, "phx_reply", {"status": "ok", "response": response}
    )


@property_test
@given(refs, refs, texts, texts, json_objects)
def test_no_white_space_stands_between_the_elements_of_a_frame(
    join_ref: Any, ref: Any, topic: str, event: str, payload: dict[str, Any]
) -> None:
    """The elements as raw JSON, joined with commas, are the frame again."""
    for _, data in (
        JSONV2.push(join_ref, topic, event, payload),
        JSONV2.broadcast(topic, event, payload),
        JSONV2.reply(join_ref, ref, topic, "ok", payload),
        JSONV2.close(join_ref, topic),
        JSONV2.error(join_ref, topic),
    ):
        elements = msgspec.json.decode(data, type=list[msgspec.Raw])
        assert len(elements) == 5
        assert b"[" + b",".join(bytes(element) for element in elements) + b"]" == data
