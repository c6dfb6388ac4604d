"""The client's side of the wire, V1 and V2, written from the protocol document and without Bennu's code."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

__all__ = ["Frame", "decode_v1", "decode_v2", "encode_v1", "encode_v2", "error", "ok"]


class Frame(NamedTuple):
    """One message in either direction. A reply's payload is ``{"status": ..., "response": ...}``."""

    join_ref: Any
    ref: Any
    topic: Any
    event: Any
    payload: Any


def ok(response: Any = None) -> dict[str, Any]:
    """Return the payload of an ok reply; by default with an empty response."""
    return {"status": "ok", "response": {} if response is None else response}


def error(response: Any) -> dict[str, Any]:
    """Return the payload of an error reply; a text is its reason."""
    response = {"reason": response} if isinstance(response, str) else response
    return {"status": "error", "response": response}


def encode_v1(frame: Frame) -> str:
    """Return a message as a V1 client sends it."""
    return json.dumps(
        {
            "topic": frame.topic,
            "event": frame.event,
            "payload": frame.payload,
            "ref": frame.ref,
            "join_ref": frame.join_ref,
        }
    )


def decode_v1(data: str | bytes) -> Frame:
    """Read a V1 frame, which has exactly four keys."""
    assert isinstance(data, str), f"V1 has no binary frames: {data!r}"
    message = json.loads(data)
    assert sorted(message) == ["event", "payload", "ref", "topic"], message
    return Frame(None, message["ref"], message["topic"], message["event"], message["payload"])


def encode_v2(frame: Frame) -> str | bytes:
    """Return a message as a V2 client sends it; it is binary if its payload is bytes."""
    if not isinstance(frame.payload, bytes):
        return json.dumps(list(frame))
    texts = [b"" if text is None else str(text).encode() for text in frame[:4]]
    return bytes([0, *map(len, texts)]) + b"".join(texts) + frame.payload


def decode_v2(data: str | bytes) -> Frame:
    """Read a V2 frame, text or binary."""
    if isinstance(data, str):
        message = json.loads(data)
        assert isinstance(message, list), message
        assert len(message) == 5, message
        return Frame(*message)
    kind = data[0]
    count = {0: 3, 1: 4, 2: 2}[kind]
    start = 1 + count
    texts: list[str | None] = []
    for length in data[1:start]:
        texts.append(data[start : start + length].decode() or None)
        start += length
    assert start <= len(data), data
    rest = data[start:]
    if kind == 0:
        join_ref, topic, event = texts
        return Frame(join_ref, None, topic, event, rest)
    if kind == 1:
        join_ref, ref, topic, status = texts
        return Frame(join_ref, ref, topic, "phx_reply", {"status": status, "response": rest})
    topic, event = texts
    return Frame(None, None, topic, event, rest)
