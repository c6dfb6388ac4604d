"""The interface of a serializer, which decodes a client's frames and encodes the server's. It is pure."""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Raw

from ..message import Encoded, Message, Opcode

__all__ = ["Serializer"]


class Serializer(Protocol):
    """Encodes and decodes one version of the wire format."""

    name: str
    """The serializer's name in logs."""

    carries_binary: bool
    """Whether this version has binary frames."""

    requirement: tuple[int, int]
    """The major and minor version of ``vsn`` that selects this serializer."""

    def decode(self, opcode: Opcode, data: bytes) -> Message:
        """Return the message of a frame.

        Args:
            opcode: TEXT (then the data is valid UTF-8) or BINARY.
            data: The content of the frame.

        Raises:
            DecodeError: The frame is no message. No other exception is raised.
        """
        ...

    def reply(self, join_ref: Any, ref: Any, topic: Any, status: str, response: Any) -> Encoded:
        """Encode a reply. The response is any JSON value, or bytes for a binary frame.

        Raises:
            EncodeError: The response can't be written.
        """
        ...

    def push(self, join_ref: Any, topic: str, event: str, payload: Any) -> Encoded:
        """Encode a push of one channel. The payload is a JSON object, or bytes.

        Raises:
            EncodeError: The payload can't be written.
        """
        ...

    def broadcast(self, topic: str, event: str, payload: Any) -> Encoded:
        """Encode a broadcast; all clients get the same bytes.

        Raises:
            EncodeError: The payload can't be written.
        """
        ...

    def entry(
        self, join_ref: Any, ref: str | None, topic: str, event: str, payload: Raw
    ) -> Encoded:
        """Encode an entry of a log: a broadcast whose ref is its position. It never raises.

        Args:
            join_ref: The join_ref of a replayed entry; None for a live one, whose bytes all clients share.
            ref: The position; None for clients that have not asked for it.
            topic: The topic.
            event: The event.
            payload: A JSON object.
        """
        ...

    def close(self, join_ref: Any, topic: str) -> Encoded:
        """Encode ``phx_close``, with the join_ref that the client sent."""
        ...

    def error(self, join_ref: Any, topic: str) -> Encoded:
        """Encode ``phx_error``, with the join_ref that the client sent."""
        ...
