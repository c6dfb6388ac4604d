"""The client's side of the wire: messages to the server, and messages of the server. Pure.

Protocol document, §2.2 to §2.4. V2 (vsn 2.0.0) has JSON arrays in text frames, and three kinds of binary frame. V1 (vsn
1.0.0) has JSON objects, and no binary frames. Payloads stay raw JSON until something reads them.

In V1 a message of the server has no join_ref. The ref of ``phx_close`` and ``phx_error`` is that of their join, so it is
taken for the join_ref.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, cast

import msgspec
from msgspec import Raw, Struct

from ..errors import DecodeError, EncodeError
from ..logs.printable import described
from ..message import PHX_CLOSE, PHX_ERROR, PHX_REPLY
from ..protocol.encoding import encode_json, raw_object

__all__ = [
    "VERSIONS",
    "BinaryReply",
    "ClientSerializer",
    "Data",
    "Received",
    "answer_of",
    "json_of",
    "payload_of",
]

Data = str | bytes
"""The content of a frame: text, or bytes of a binary frame."""

_PUSH: Final = 0
_REPLY: Final = 1
_BROADCAST: Final = 2

_LENGTHS: Final = {_PUSH: 3, _REPLY: 4, _BROADCAST: 2}
"""How many texts the header of each binary frame of the server has."""


class Received(Struct, array_like=True, frozen=True):
    """A message of the server.

    Attributes:
        join_ref: The join that it belongs to; None for broadcasts.
        ref: The ref of the message that it answers; or the position of an entry of a history.
        topic: The topic.
        event: The event.
        payload: Raw JSON, or bytes of a binary frame.
    """

    join_ref: str | int | None
    ref: str | int | None
    topic: str
    event: str
    payload: Raw


class BinaryReply(Received, frozen=True, kw_only=True):
    """A reply whose response is bytes.

    Attributes:
        status: The status of the reply.
    """

    status: str


class _Object(Struct):
    topic: str
    event: str
    payload: Raw
    ref: str | int | None = None
    join_ref: str | int | None = None


class _Body(Struct):
    status: str
    response: Raw = Raw(b"{}")


_decode_array = msgspec.json.Decoder(Received).decode
_decode_object = msgspec.json.Decoder(_Object).decode
_decode_body = msgspec.json.Decoder(_Body).decode


class ClientSerializer(Protocol):
    """Encodes and decodes one version of the wire, for a client."""

    vsn: str
    """The version, as the parameter ``vsn`` of the URL."""

    def encode(
        self, join_ref: str | None, ref: str | None, topic: str, event: str, payload: Any
    ) -> Data:
        """Return a frame.

        Args:
            join_ref: The ref of the channel's join; None for a heartbeat.
            ref: The ref of the message.
            topic: The topic.
            event: The event.
            payload: Raw JSON, a dict, or bytes.

        Raises:
            EncodeError: The payload can't be written.
        """
        ...

    def decode(self, data: Data) -> Received:
        """Return the message of a frame.

        Raises:
            DecodeError: The frame is no message.
        """
        ...


class _V2:
    """The client's side of V2."""

    vsn = "2.0.0"

    def encode(
        self, join_ref: str | None, ref: str | None, topic: str, event: str, payload: Any
    ) -> Data:
        """Return a frame: binary if the payload is bytes."""
        if isinstance(payload, bytes):
            return _binary(join_ref, ref, topic, event, payload)
        return encode_json((join_ref, ref, topic, event, payload)).decode()

    def decode(self, data: Data) -> Received:
        """Return the message of a frame; elements after the fifth are ignored."""
        if isinstance(data, bytes):
            return _decode_binary(data)
        try:
            return _decode_array(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise _no_message(
                "a JSON array [join_ref, ref, topic, event, payload]", data
            ) from error


class _V1:
    """The client's side of V1."""

    vsn = "1.0.0"

    def encode(
        self, join_ref: str | None, ref: str | None, topic: str, event: str, payload: Any
    ) -> Data:
        """Return a text frame."""
        if isinstance(payload, bytes):
            raise EncodeError(
                'bytes can\'t be sent with vsn="1.0.0", which has no binary frames: connect with'
                ' Client(..., vsn="2.0.0"), or send JSON'
            )
        message = {
            "topic": topic,
            "event": event,
            "payload": payload,
            "ref": ref,
            "join_ref": join_ref,
        }
        return encode_json(message).decode()

    def decode(self, data: Data) -> Received:
        """Return the message of a frame."""
        try:
            found = _decode_object(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise _no_message("a JSON object with topic, event, payload and ref", data) from error
        is_end = found.event in (PHX_CLOSE, PHX_ERROR)
        join_ref = found.ref if found.join_ref is None and is_end else found.join_ref
        return Received(join_ref, found.ref, found.topic, found.event, found.payload)


VERSIONS: Final[dict[str, ClientSerializer]] = {"2.0.0": _V2(), "1.0.0": _V1()}
"""The serializers by their ``vsn``."""


def payload_of(value: Any) -> Any:
    """Return a payload as it is sent: bytes unchanged, anything else as a raw JSON object. None is ``{}``.

    Raises:
        EncodeError: The payload has no JSON form, or its JSON is not an object.
    """
    if value is None:
        return Raw(b"{}")
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(cast("bytearray", value))
    return raw_object(value)


def answer_of(message: Received) -> tuple[str, Any]:
    """Return the status of a reply, and its response: raw JSON, or bytes.

    Raises:
        DecodeError: The payload is no reply.
    """
    if isinstance(message, BinaryReply):
        return message.status, message.payload
    try:
        body = _decode_body(message.payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise _no_message("a reply with status and response", bytes(message.payload)) from error
    return body.status, body.response


def json_of(payload: Any) -> Any:
    """Return the value of a raw payload: bytes unchanged, JSON as builtins.

    Raises:
        DecodeError: The payload is no JSON: half a character in a text, for example.
    """
    if not isinstance(payload, Raw):
        return payload
    try:
        return msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise _no_message("JSON", bytes(payload)) from error


def _no_message(expected: str, data: Data) -> DecodeError:
    return DecodeError(f"the server sent {described(data[:80])}: expected {expected}")


def _decode_binary(data: bytes) -> Received:
    """Decode a binary frame: a byte for the kind, a byte for each length, the texts, and the payload."""
    kind = data[0] if data else -1
    count = _LENGTHS.get(kind)
    if count is None or len(data) <= count:
        raise _no_message("a binary frame of kind 0, 1 or 2", data)
    start = count + 1
    texts: list[str] = []
    for length in data[1:start]:
        texts.append(data[start : start + length].decode(errors="replace"))
        start += length
    if start > len(data):
        raise _no_message(f"a binary header of {start} bytes", data)
    payload: Any = data[start:]
    if kind == _PUSH:
        join_ref, topic, event = texts
        return Received(join_ref, None, topic, event, payload)
    if kind == _REPLY:
        join_ref, ref, topic, status = texts
        return BinaryReply(
            join_ref=join_ref, ref=ref, topic=topic, event=PHX_REPLY, payload=payload, status=status
        )
    topic, event = texts
    return Received(None, None, topic, event, payload)


def _binary(join_ref: str | None, ref: str | None, topic: str, event: str, payload: bytes) -> bytes:
    header = bytearray((_PUSH,))
    texts: list[bytes] = []
    fields = {"join_ref": join_ref, "ref": ref, "topic": topic, "event": event}
    for name, text in fields.items():
        encoded = (text or "").encode(errors="replace")
        if len(encoded) > 255:
            raise EncodeError(
                f"the {name} of a binary message has at most 255 bytes, got {len(encoded)}:"
                f" {described(text)}"
            )
        header.append(len(encoded))
        texts.append(encoded)
    return b"".join((header, *texts, payload))
