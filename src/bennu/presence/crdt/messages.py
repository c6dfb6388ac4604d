"""What replicas say to each other. Protocol document, §6.8.

They go over the bus as MessagePack. A transfer has no number: to merge something twice, late, or unasked
changes nothing that is true, so an answer needs not be matched with its question.
"""

from __future__ import annotations

from typing import Any, NoReturn

from msgspec import MsgspecError, Struct, msgpack

from ...errors import DecodeError
from .clocks import Ref
from .delta import Clock, Delta

__all__ = [
    "Goodbye",
    "Heartbeat",
    "ShardMessage",
    "TransferAck",
    "TransferRequest",
    "decode",
    "encode",
]


class Heartbeat(Struct, frozen=True, array_like=True, tag="heartbeat"):
    """To all others: a replica lives.

    Attributes:
        ref: Which replica.
        delta: What is new, if anything.
        clocks: Up to where it knows everything of each replica that is up.
    """

    ref: Ref
    delta: Delta
    clocks: dict[Ref, Clock]


class TransferRequest(Struct, frozen=True, array_like=True, tag="transfer_req"):
    """To one: tell what is missing here.

    Attributes:
        ref: Who asks.
        clocks: Up to where it knows everything of each replica, down ones included.
    """

    ref: Ref
    clocks: dict[Ref, Clock]


class TransferAck(Struct, frozen=True, array_like=True, tag="transfer_ack"):
    """To who asked: what is missing there.

    Attributes:
        ref: Who answers.
        delta: For each replica of which something is missing, all from there on.
    """

    ref: Ref
    delta: Delta


class Goodbye(Struct, frozen=True, array_like=True, tag="graceful_permdown"):
    """To all others: a replica ends now.

    Attributes:
        ref: Which replica.
    """

    ref: Ref


ShardMessage = Heartbeat | TransferRequest | TransferAck | Goodbye


def _refuse_extension(code: int, data: memoryview) -> NoReturn:
    """Refuse what MessagePack can carry and JSON can't."""
    raise ValueError(f"an extension of type {code}, where only plain values may be")


_encoder = msgpack.Encoder()
_decoder: msgpack.Decoder[Any] = msgpack.Decoder(ShardMessage, ext_hook=_refuse_extension)


def encode(message: ShardMessage) -> bytes:
    """Return a message as MessagePack. ``meta_of`` and ``key_of`` saw to it that this can be done."""
    return _encoder.encode(message)


def decode(data: bytes) -> ShardMessage:
    """Return the message that ``encode`` made these bytes of.

    Raises:
        DecodeError: They are no such message.

    Example:
        >>> decode(encode(Goodbye(("node1", 7))))
        Goodbye(ref=('node1', 7))
    """
    try:
        message: ShardMessage = _decoder.decode(data)
    except (MsgspecError, ValueError, RecursionError) as error:
        raise DecodeError(
            f"expected a message between trackers, got other bytes: {error}"
        ) from error
    return message
