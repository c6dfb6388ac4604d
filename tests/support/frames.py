"""The client's side of the wire, V1 and V2, written from the protocol document and without Bennu's code.

No test writes a frame as a tuple or as JSON: each kind of message has a function. What the server sends has a noun,
what a client sends ends in -ing.

    client.start_join("room:1", ref="5")
    await client.expect(reply("5", "5", "room:1", ok()), broadcast("room:1", "joined", {"name": "ann"}))
    assert await browser.post(token, pushing("1", "2", "room:1", "echo")) == {"status": 200}

Clients of :mod:`tests.support.memory` and :mod:`tests.support.wire` know their refs, and have a method for each
message that a client sends. A test of wrong refs gives these methods its own, ``client.push(..., join_ref="9")``. For
both versions a test expects the frames of V2: a client with V1 leaves out the ``join_ref``. ``tests/test_layout.py``
lists the modules whose subject is the frames, and that write them by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

__all__ = [
    "PHX_CLOSE",
    "PHX_ERROR",
    "PHX_JOIN",
    "PHX_LEAVE",
    "PHX_REPLY",
    "Frame",
    "broadcast",
    "closed",
    "crashed",
    "decode_v1",
    "decode_v2",
    "encode_v1",
    "encode_v2",
    "error",
    "frames_of",
    "heartbeat",
    "joining",
    "leaving",
    "ok",
    "push",
    "pushing",
    "reply",
]

PHX_JOIN: Final = "phx_join"
PHX_LEAVE: Final = "phx_leave"
PHX_REPLY: Final = "phx_reply"
PHX_CLOSE: Final = "phx_close"
PHX_ERROR: Final = "phx_error"


class Frame(NamedTuple):
    """One message in either direction. A reply's payload is ``{"status": ..., "response": ...}``."""

    join_ref: Any
    ref: Any
    topic: Any
    event: Any
    payload: Any


# What a server sends.


def reply(join_ref: Any, ref: Any, topic: Any, payload: Any) -> Frame:
    """Return a reply, with a payload of ``ok`` or ``error``."""
    return Frame(join_ref, ref, topic, PHX_REPLY, payload)


def ok(response: Any = None) -> dict[str, Any]:
    """Return the payload of an ok reply; by default with an empty response."""
    return {"status": "ok", "response": {} if response is None else response}


def error(response: Any) -> dict[str, Any]:
    """Return the payload of an error reply; a text is its reason."""
    response = {"reason": response} if isinstance(response, str) else response
    return {"status": "error", "response": response}


def push(join_ref: Any, topic: Any, event: str, payload: Any, *, at: str | None = None) -> Frame:
    """Return a push to one client. With ``at`` it is an entry of a history, at this position."""
    return Frame(join_ref, at, topic, event, payload)


def broadcast(topic: Any, event: str, payload: Any, *, at: str | None = None) -> Frame:
    """Return a broadcast. With ``at`` it is an entry of a history, at this position."""
    return Frame(None, at, topic, event, payload)


def closed(join_ref: Any, topic: Any) -> Frame:
    """Return the message that a channel has closed."""
    return Frame(join_ref, join_ref, topic, PHX_CLOSE, {})


def crashed(join_ref: Any, topic: Any) -> Frame:
    """Return the message that a channel has crashed."""
    return Frame(join_ref, join_ref, topic, PHX_ERROR, {"reason": "channel_crash"})


# What a client sends.


def joining(ref: Any, topic: Any, payload: Any = None) -> Frame:
    """Return a join; by default with an empty payload."""
    return pushing(ref, ref, topic, PHX_JOIN, payload)


def leaving(join_ref: Any, ref: Any, topic: Any) -> Frame:
    """Return a leave."""
    return pushing(join_ref, ref, topic, PHX_LEAVE)


def pushing(join_ref: Any, ref: Any, topic: Any, event: Any, payload: Any = None) -> Frame:
    """Return an event for a channel; by default with an empty payload."""
    return Frame(join_ref, ref, topic, event, {} if payload is None else payload)


def heartbeat(ref: Any) -> Frame:
    """Return a heartbeat."""
    return Frame(None, ref, "phoenix", "heartbeat", {})


# Text and bytes.


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))  # as JavaScript writes it


def encode_v1(frame: Frame) -> str:
    """Return a message as a V1 client sends it."""
    return _json(
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
        return _json(list(frame))
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
        return Frame(join_ref, ref, topic, PHX_REPLY, {"status": status, "response": rest})
    topic, event = texts
    return Frame(None, None, topic, event, rest)


def frames_of(answer: Any, decode: Callable[[str], Frame] = decode_v2) -> list[Frame]:
    """Return the messages in the answer to a poll."""
    return [decode(message) for message in answer.body["messages"]]
