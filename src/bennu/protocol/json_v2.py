"""The serializer of V2 (vsn 2.0.x): JSON arrays in text frames, and three kinds of binary frame.

Protocol document, §2.3 and §2.4. A message is sent as a binary frame exactly if its payload (for a reply: its
response) is ``bytes``. The JSON is compact, because one client library splits it at its commas.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from ..errors import DecodeError, EncodeError
from ..message import BINARY, TEXT, Encoded, Message, Opcode
from ..reasons import Reason
from .encoding import SHALLOW, check_nesting, encode, encode_json, raw_object, unencodable
from .halves import halved_message

__all__ = ["JSONV2"]

_decode = msgspec.json.Decoder(Message).decode

_PUSH: Final = 0
_REPLY: Final = 1
_BROADCAST: Final = 2


class _JSONV2:
    """The V2 serializer."""

    __slots__ = ()
    name: str = "V2 JSON"
    carries_binary: bool = True
    requirement: tuple[int, int] = (2, 0)

    def decode(self, opcode: Opcode, data: bytes) -> Message:
        """Return the message of a frame; elements after the fifth are ignored."""
        if opcode is BINARY:
            return _decode_binary(data)
        try:
            if len(data) > SHALLOW:
                check_nesting(data)
            return _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            halved = halved_message(data)
            if halved is not None:
                return halved
            raise DecodeError(
                "V2 expected a JSON array [join_ref, ref, topic, event, payload]:"
                f" {error}, in {len(data)} bytes that begin with {data[:16]!r}"
            ) from error

    def reply(self, join_ref: Any, ref: Any, topic: Any, status: str, response: Any) -> Encoded:
        """Encode a reply; for a response of bytes it is a binary frame of kind 1."""
        if isinstance(response, bytes):
            fields = {"join_ref": join_ref, "ref": ref, "topic": topic, "status": status}
            return BINARY, _binary(_REPLY, fields, response)
        try:  # as in encode_json; this method and the next two are the hot path
            return TEXT, encode(
                (join_ref, ref, topic, "phx_reply", {"status": status, "response": response})
            )
        except Exception as error:
            raise unencodable(error) from error

    def push(self, join_ref: Any, topic: str, event: str, payload: Any) -> Encoded:
        """Encode a push; for a payload of bytes it is a binary frame of kind 0, without a ref."""
        if isinstance(payload, bytes):
            fields = {"join_ref": join_ref, "topic": topic, "event": event}
            return BINARY, _binary(_PUSH, fields, payload)
        if type(payload) is not dict:
            payload = raw_object(payload)
        try:
            return TEXT, encode((join_ref, None, topic, event, payload))
        except Exception as error:
            raise unencodable(error) from error

    def broadcast(self, topic: str, event: str, payload: Any) -> Encoded:
        """Encode a broadcast; for a payload of bytes it is a binary frame of kind 2."""
        if isinstance(payload, bytes):
            return BINARY, _binary(_BROADCAST, {"topic": topic, "event": event}, payload)
        if type(payload) is not dict:
            payload = raw_object(payload)
        try:
            return TEXT, encode((None, None, topic, event, payload))
        except Exception as error:
            raise unencodable(error) from error

    def entry(
        self, join_ref: Any, ref: str | None, topic: str, event: str, payload: msgspec.Raw
    ) -> Encoded:
        """Encode an entry of a log: a broadcast whose ref is its position."""
        return TEXT, encode((join_ref, ref, topic, event, payload))

    def close(self, join_ref: Any, topic: str) -> Encoded:
        """Encode ``phx_close``."""
        return TEXT, encode_json((join_ref, join_ref, topic, "phx_close", {}))

    def error(self, join_ref: Any, topic: str) -> Encoded:
        """Encode ``phx_error``."""
        return TEXT, encode_json(
            (join_ref, join_ref, topic, "phx_error", Reason.CHANNEL_CRASH.payload())
        )


def _decode_binary(data: bytes) -> Message:
    """Decode a client's push: a byte for the kind, four lengths, four texts, and the payload."""
    if len(data) < 5 or data[0] != _PUSH:
        raise DecodeError(
            f"V2 expected a binary frame of kind 0 with a header of five bytes, got {data[:5]!r}"
        )
    texts: list[str] = []
    start = 5
    for length in data[1:5]:
        texts.append(data[start : start + length].decode(errors="replace"))
        start += length
    if start > len(data):
        raise DecodeError(f"V2 expected {start} bytes of binary header, got {len(data)}")
    join_ref, ref, topic, event = texts
    return Message(join_ref, ref, topic, event, cast("msgspec.Raw", data[start:]))


def _binary(kind: int, fields: dict[str, Any], payload: bytes) -> bytes:
    """Encode a binary frame: the kind, the length of each field, the fields, the payload."""
    header = bytearray((kind,))
    texts: list[bytes] = []
    for name, value in fields.items():
        text = b"" if value is None else _text(name, value)
        if len(text) > 255:
            raise EncodeError(
                f"the {name} of a binary frame has at most 255 bytes, got {len(text)}:"
                f" {text[:40].decode(errors='replace')}..."
            )
        header.append(len(text))
        texts.append(text)
    return b"".join((header, *texts, payload))


def _text(name: str, value: Any) -> bytes:
    """Return a field of a binary header; a ref that is no text is encoded as JSON."""
    if not isinstance(value, str):
        return encode_json(value)
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise EncodeError(f"the {name} of a binary frame is no text: {error}") from error


JSONV2 = _JSONV2()
