"""Messages of both directions are read and written."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from bennu.inspect.reading import SERIALIZERS, Read, json_of_raw, read, written
from bennu.message import BINARY, TEXT, Opcode
from bennu.protocol import JSONV1, JSONV2

from ..support.frames import Frame, decode_v2, encode_v1, encode_v2, ok, pushing, reply


def opened(data: str | bytes) -> tuple[Opcode, bytes]:
    return (TEXT, data.encode()) if isinstance(data, str) else (BINARY, data)


@pytest.mark.parametrize("is_client", [True, False])
def test_text_of_both_versions(is_client: bool) -> None:
    frame = pushing("1", "2", "room:1", "say", {"body": "hi"})
    for serializer, encode in ((JSONV2, encode_v2), (JSONV1, encode_v1)):
        message = read(serializer, *opened(encode(frame)), is_client=is_client)
        assert message is not None
        assert message._replace(payload=json_of_raw(message.payload)) == Read(*frame)


@pytest.mark.parametrize(
    "encoded",
    [
        JSONV2.reply("1", "2", "room:1", "ok", b"\x01"),
        JSONV2.push("1", "room:1", "e", b"\x01"),
        JSONV2.broadcast("room:1", "e", b"\x01"),
    ],
)
def test_binary_messages_of_the_server(encoded: tuple[Opcode, bytes]) -> None:
    message = read(JSONV2, *encoded, is_client=False)
    assert message is not None
    payload = message.payload
    if message.status is not None:
        payload = {"status": message.status, "response": payload}
    assert Frame(*message._replace(payload=payload)[:5]) == decode_v2(encoded[1])


@pytest.mark.parametrize("data", [b"", b"\x09", b"\x01\x01"])
def test_what_is_no_message(data: bytes) -> None:
    assert read(JSONV2, BINARY, data, is_client=False) is None
    assert read(JSONV2, TEXT, data, is_client=False) is None
    assert read(JSONV2, BINARY, data, is_client=True) is None


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
def test_what_is_written_is_read_again(vsn: str) -> None:
    frame = pushing("1", "2", "room:1", "say", {"body": "hi"})
    opcode, data = written(Read(*frame), vsn)
    found = read(SERIALIZERS[vsn[0]], opcode, data, is_client=True)
    assert found is not None
    assert (*found[:4], json_of_raw(found.payload)) == tuple(frame)


def test_a_binary_message_is_written() -> None:
    frame = pushing("1", None, "room:1", "say", b"\x00")
    assert written(Read(*frame), "2.0.0") == (BINARY, encode_v2(frame))


@pytest.mark.parametrize(
    ("payload", "value"), [(Raw(b"[1]"), [1]), (Raw(b'"\\ud800"'), '"\\ud800"'), (b"\x01", b"\x01")]
)
def test_payloads(payload: Any, value: Any) -> None:
    """Half a character is no JSON text, and is shown as it came."""
    assert json_of_raw(payload) == value


def test_a_reply_of_the_server() -> None:
    message = read(JSONV2, *JSONV2.reply("1", "2", "room:1", "ok", {}), is_client=False)
    assert message is not None
    assert (*message[:4], json_of_raw(message.payload)) == tuple(reply("1", "2", "room:1", ok()))
