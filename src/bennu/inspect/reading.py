"""Reads the messages of both directions, for the inspector and for recordings. Pure."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

from ..errors import DecodeError
from ..message import BINARY, PHX_REPLY, TEXT, Encoded, Opcode
from ..protocol import JSONV1, JSONV2, Serializer

__all__ = ["SERIALIZERS", "Read", "json_of_raw", "read", "written"]

_PUSH: Final = 0
_REPLY: Final = 1
_BROADCAST: Final = 2

_TEXTS: Final = {_PUSH: 3, _REPLY: 4, _BROADCAST: 2}
"""How many texts the header of each binary frame of the server has."""


class Read(NamedTuple):
    """A message of one direction.

    Attributes:
        join_ref: The ref of the join.
        ref: The ref of the message.
        topic: The topic.
        event: The event.
        payload: Raw JSON, or bytes.
        status: The status of a binary reply; None for any other message.
    """

    join_ref: Any
    ref: Any
    topic: Any
    event: Any
    payload: Any
    status: str | None = None


def read(serializer: Serializer, opcode: Opcode, data: bytes, *, is_client: bool) -> Read | None:
    """Return the message of a client or of the server; None if it is no message.

    Args:
        serializer: The serializer of the connection.
        opcode: TEXT or BINARY.
        data: The content of the frame.
        is_client: Whether the client has sent it.
    """
    if opcode is BINARY and not is_client:
        return _read_binary(data)
    try:
        message = serializer.decode(opcode, data)
    except DecodeError:
        return None
    return Read(message.join_ref, message.ref, message.topic, message.event, message.payload)


def _read_binary(data: bytes) -> Read | None:
    """Read a binary frame of the server: a byte for the kind, a byte for each length, the texts, and the payload."""
    kind = data[0] if data else -1
    count = _TEXTS.get(kind)
    if count is None or len(data) <= count:
        return None
    start = count + 1
    texts: list[str] = []
    for length in data[1:start]:
        texts.append(data[start : start + length].decode(errors="replace"))
        start += length
    payload = data[start:]
    if kind == _PUSH:
        return Read(texts[0], None, texts[1], texts[2], payload)
    if kind == _REPLY:
        join_ref, ref, topic, status = texts
        return Read(join_ref or None, ref or None, topic, PHX_REPLY, payload, status)
    return Read(None, None, texts[0], texts[1], payload)


def written(message: Read, vsn: str) -> Encoded:
    """Return the frame that a client sends for a message.

    Args:
        message: The message. Its payload is JSON, raw or not, or bytes.
        vsn: The version of the protocol: ``"1.0.0"`` or ``"2.0.0"``.
    """
    join_ref, ref, topic, event, payload, _ = message
    if isinstance(payload, bytes):
        fields = (join_ref, ref, topic, event)
        texts = [b"" if one is None else str(one).encode() for one in fields]
        header = bytes((_PUSH, *map(len, texts)))
        return BINARY, b"".join((header, *texts, payload))
    if vsn.startswith("1."):
        names = ("join_ref", "ref", "topic", "event", "payload")
        return TEXT, msgspec.json.encode(dict(zip(names, message, strict=False)))
    return TEXT, msgspec.json.encode((join_ref, ref, topic, event, payload))


def json_of_raw(payload: Any) -> Any:
    """Return the value of a raw payload: JSON as builtins, anything else unchanged. Text that is no JSON stays text."""
    if not isinstance(payload, Raw):
        return payload
    try:
        return msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return bytes(payload).decode(errors="replace")


SERIALIZERS: Final[dict[str, Serializer]] = {"1": JSONV1, "2": JSONV2}
"""The serializers by the first digit of ``vsn``."""
