"""The serializer of V1 (vsn 1.0.x): JSON objects in text frames. Protocol document, §2.2.

The server's messages never have a ``join_ref``; the ``ref`` of ``phx_close`` and ``phx_error`` is the join_ref.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import DecodeError, EncodeError
from ..message import (
    PHX_CLOSE,
    PHX_ERROR,
    PHX_REPLY,
    TEXT,
    Encoded,
    Message,
    Opcode,
    Ref,
)
from ..reasons import Reason
from .encoding import SHALLOW, check_nesting, encode_json
from .halves import halved_message

__all__ = ["JSONV1"]


class _Envelope(msgspec.Struct, gc=False):
    topic: Any
    event: Any
    payload: msgspec.Raw
    ref: Ref
    join_ref: Ref = None


_decode = msgspec.json.Decoder(_Envelope).decode


class _JSONV1:
    """The V1 serializer."""

    __slots__ = ()
    name: str = "V1 JSON"
    carries_binary: bool = False
    requirement: tuple[int, int] = (1, 0)

    def decode(self, opcode: Opcode, data: bytes) -> Message:
        """Return the message of a frame; JSON in a binary frame is accepted."""
        try:
            if opcode is not TEXT and not data.isascii():
                data.decode()
            if len(data) > SHALLOW:
                check_nesting(data)
            envelope = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            halved = halved_message(data)
            if halved is not None:
                return halved
            raise DecodeError(
                "V1 expected a JSON object with topic, event, payload and ref:"
                f" {error}, in {len(data)} bytes that begin with {data[:16]!r}"
            ) from error
        return Message(
            envelope.join_ref, envelope.ref, envelope.topic, envelope.event, envelope.payload
        )

    def reply(self, join_ref: Any, ref: Any, topic: Any, status: str, response: Any) -> Encoded:
        """Encode a reply; the join_ref is dropped."""
        del join_ref
        _refuse_binary(response)
        return self._message(topic, PHX_REPLY, {"status": status, "response": response}, ref)

    def push(self, join_ref: Any, topic: str, event: str, payload: Any) -> Encoded:
        """Encode a push; the join_ref is dropped. The payload can be any JSON value."""
        del join_ref
        _refuse_binary(payload)
        return self._message(topic, event, payload, None)

    def broadcast(self, topic: str, event: str, payload: Any) -> Encoded:
        """Encode a broadcast."""
        _refuse_binary(payload)
        return self._message(topic, event, payload, None)

    def entry(
        self, join_ref: Any, ref: str | None, topic: str, event: str, payload: msgspec.Raw
    ) -> Encoded:
        """Encode an entry of a log: its ref is its position, and the join_ref is dropped."""
        del join_ref
        return self._message(topic, event, payload, ref)

    def close(self, join_ref: Any, topic: str) -> Encoded:
        """Encode ``phx_close``; its ref is the join_ref."""
        return self._message(topic, PHX_CLOSE, {}, join_ref)

    def error(self, join_ref: Any, topic: str) -> Encoded:
        """Encode ``phx_error``; its ref is the join_ref."""
        return self._message(topic, PHX_ERROR, Reason.CHANNEL_CRASH.payload(), join_ref)

    def _message(self, topic: Any, event: str, payload: Any, ref: Any) -> Encoded:
        return TEXT, encode_json({"topic": topic, "event": event, "payload": payload, "ref": ref})


def _refuse_binary(payload: Any) -> None:
    if isinstance(payload, bytes):
        raise EncodeError(
            "bytes can't be sent to a client that speaks V1 (vsn=1.0.0), which has no binary frames:"
            " send JSON, or ask the client to connect with vsn=2.0.0"
        )


JSONV1 = _JSONV1()
