"""Packs a message of server code for the bus: endpoints and publishers send the same bytes. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Raw

from ..message import Broadcast
from ..protocol.encoding import raw_object
from .envelope import EnvelopeKind, pack
from .message_types import MessageTypes

__all__ = ["Packed", "packed"]


class Packed(NamedTuple):
    """A message, ready for the bus.

    Attributes:
        envelope: The bytes that travel.
        text: The payload as JSON, which clients get; None if the payload is bytes, or the message has a type of its own.
    """

    envelope: bytes
    text: Raw | None


def packed(message: Any, types: MessageTypes) -> Packed:
    """Return a message as it travels.

    Args:
        message: A :class:`~bennu.Broadcast`, or a message of a known type.
        types: The known types.

    Raises:
        EncodeError: The message has no JSON form, its type is not known, or the name of its event is too long.
    """
    if not isinstance(message, Broadcast):
        return Packed(pack(EnvelopeKind.TYPED, *types.pack(message)), None)
    if isinstance(message.payload, bytes):
        return Packed(pack(EnvelopeKind.BINARY, message.event, message.payload), None)
    text = raw_object(message.payload)
    return Packed(pack(EnvelopeKind.JSON, message.event, bytes(text)), text)
