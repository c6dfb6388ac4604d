"""The messages of a test client, and what comes for it, by the serializers of the Python client (:mod:`bennu.client.frames`)."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from ..client.frames import VERSIONS, BinaryReply, json_of

__all__ = ["Version", "WireMessage", "decode", "encode"]

Version = Literal["1.0.0", "2.0.0"]


class WireMessage(NamedTuple):
    """One message in either direction.

    Attributes:
        join_ref: The ref of the join; None in V1, except at the end of a channel.
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


def encode(message: WireMessage, version: Version) -> str | bytes:
    """Return the frame that a client sends; binary if the payload is bytes.

    Raises:
        EncodeError: The payload can't be written: for example bytes in V1.
    """
    return VERSIONS[version].encode(*message)


def decode(frame: str | bytes, version: Version) -> WireMessage:
    """Return the message of a frame of the server."""
    message = VERSIONS[version].decode(frame)
    payload = json_of(message.payload)
    if isinstance(message, BinaryReply):
        payload = {"status": message.status, "response": payload}
    return WireMessage(message.join_ref, message.ref, message.topic, message.event, payload)
