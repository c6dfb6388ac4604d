"""The client's side of the wire: its messages as frames, and the server's frames as messages. Protocol document, §2 and §4."""

from __future__ import annotations

import json
from typing import Any, Final, Literal, NamedTuple

__all__ = ["Version", "WireMessage", "decode", "encode"]

Version = Literal["1.0.0", "2.0.0"]


class WireMessage(NamedTuple):
    """One message in either direction.

    Attributes:
        join_ref: The ref of the join; always None in V1.
        ref: The ref of the message that is answered; None for a push or broadcast.
        topic: The topic.
        event: The event.
        payload: JSON, or bytes. A reply's is ``{"status": ..., "response": ...}``.
    """

    join_ref: Any
    ref: Any
    topic: Any
    event: Any
    payload: Any


PUSH: Final = 0
REPLY: Final = 1
BROADCAST: Final = 2

_TEXTS: Final = {PUSH: 3, REPLY: 4, BROADCAST: 2}
"""The number of texts at the head of a binary frame of the server, by its kind."""


def encode(message: WireMessage, version: Version) -> str | bytes:
    """Return the frame that a client sends; binary if the payload is bytes.

    Raises:
        TypeError: V1 has no binary frames.
    """
    join_ref, ref, topic, event, payload = message
    if version == "1.0.0":
        names = {"topic": topic, "event": event, "payload": payload, "ref": ref}
        return json.dumps({**names, "join_ref": join_ref})
    if not isinstance(payload, bytes):
        return json.dumps([join_ref, ref, topic, event, payload])
    texts = [b"" if text is None else str(text).encode() for text in (join_ref, ref, topic, event)]
    return bytes([PUSH, *map(len, texts)]) + b"".join(texts) + payload


def decode(frame: str | bytes, version: Version) -> WireMessage:
    """Return the message of a frame of the server."""
    if isinstance(frame, bytes):
        return _decode_binary(frame)
    message: Any = json.loads(frame)
    if version == "1.0.0":
        return WireMessage(
            None, message["ref"], message["topic"], message["event"], message["payload"]
        )
    return WireMessage(*message)


def _decode_binary(frame: bytes) -> WireMessage:
    kind = frame[0]
    start = 1 + _TEXTS[kind]
    texts: list[Any] = []
    for length in frame[1:start]:
        texts.append(frame[start : start + length].decode() or None)
        start += length
    rest = frame[start:]
    if kind == REPLY:
        join_ref, ref, topic, status = texts
        return WireMessage(join_ref, ref, topic, "phx_reply", {"status": status, "response": rest})
    topic, event = texts[-2:]
    return WireMessage(texts[0] if kind == PUSH else None, None, topic, event, rest)
