"""Messages between the shards of one number on all nodes. Protocol document, §6.8.

Messages go over the bus as MessagePack. A transfer has no number: an answer that is merged twice, late, or without a
request does no harm. So an answer need not be matched with its request.
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
    """Tells all other replicas that a replica is alive, and what has changed.

    Attributes:
        ref: The replica.
        delta: The changes since the last heartbeat; empty if there are none.
        clocks: For each replica that is up, the clock up to which everything is known.
    """

    ref: Ref
    delta: Delta
    clocks: dict[Ref, Clock]


class TransferRequest(Struct, frozen=True, array_like=True, tag="transfer_req"):
    """Asks one replica for missing changes.

    Attributes:
        ref: The replica that asks.
        clocks: For each replica, up or down, the clock up to which everything is known.
    """

    ref: Ref
    clocks: dict[Ref, Clock]


class TransferAck(Struct, frozen=True, array_like=True, tag="transfer_ack"):
    """Answers a request.

    Attributes:
        ref: The replica that answers.
        delta: For each replica of which changes are missing, all changes after the known clock.
    """

    ref: Ref
    delta: Delta


class Goodbye(Struct, frozen=True, array_like=True, tag="graceful_permdown"):
    """Tells all other replicas that a replica ends now.

    Attributes:
        ref: The replica.
    """

    ref: Ref


ShardMessage = Heartbeat | TransferRequest | TransferAck | Goodbye


def _refuse_extension(code: int, data: memoryview) -> NoReturn:
    """Refuse a MessagePack extension, which JSON can't represent."""
    raise ValueError(f"an extension of type {code}: only plain values are allowed")


_encoder = msgpack.Encoder()
_decoder: msgpack.Decoder[Any] = msgpack.Decoder(ShardMessage, ext_hook=_refuse_extension)


def encode(message: ShardMessage) -> bytes:
    """Return a message as MessagePack. ``meta_of`` and ``key_of`` have checked its metas and keys."""
    return _encoder.encode(message)


def decode(data: bytes) -> ShardMessage:
    """Return the message that ``encode`` has written as these bytes.

    Raises:
        DecodeError: The bytes are no such message.

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
