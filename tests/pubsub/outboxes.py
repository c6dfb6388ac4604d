"""Connections for the fast lane that remember what was written to them, and how often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from bennu import Broadcast
from bennu.message import Encoded, Opcode
from bennu.pubsub.fastlane import LaneKey
from bennu.serializers import JSONV2, Serializer

__all__ = ["CountingSerializer", "Member", "RecordingOutbox", "TupleFraming", "key_for"]


class TupleFraming:
    """Frames are tuples of messages, so that what was joined can be taken apart again."""

    carries_binary = True

    def frame(self, opcode: Opcode, data: bytes) -> tuple[Encoded, ...]:
        """Return one message."""
        return ((opcode, data),)

    def join(self, frames: Sequence[tuple[Encoded, ...]], /) -> tuple[Encoded, ...]:
        """Return several."""
        return tuple(chain.from_iterable(frames))


FRAMING = TupleFraming()


class RecordingOutbox:
    """A connection.

    Attributes:
        writes: How many there were.
        received: Every message, in order, however it was written.
    """

    def __init__(self) -> None:
        self.writes = 0
        self.received: list[bytes] = []
        self.write: Callable[[Any], object] = self._take
        self.lanes = 0
        self.mark = 0

    def _take(self, written: tuple[Encoded, ...]) -> None:
        self.writes += 1
        self.received += [data for _, data in written]


class Member:
    """A channel of a connection: the sender of a ``broadcast_from``, and an interceptor."""

    def __init__(self, outbox: RecordingOutbox) -> None:
        self.outbox = outbox
        self.intercepted: list[Broadcast] = []

    def intercept(self, broadcast: Broadcast) -> None:
        """Remember a broadcast."""
        self.intercepted.append(broadcast)


class CountingSerializer:
    """V2, counting how often it encodes a broadcast."""

    name = JSONV2.name
    carries_binary = True
    requirement = JSONV2.requirement
    decode = staticmethod(JSONV2.decode)
    reply = staticmethod(JSONV2.reply)
    push = staticmethod(JSONV2.push)
    close = staticmethod(JSONV2.close)
    error = staticmethod(JSONV2.error)

    def __init__(self) -> None:
        self.count = 0

    def broadcast(self, topic: str, event: str, payload: Any) -> Encoded:
        """Encode a broadcast."""
        self.count += 1
        return JSONV2.broadcast(topic, event, payload)


def key_for(
    serializer: Serializer = JSONV2, framing: TupleFraming = FRAMING, intercepts: str = ""
) -> LaneKey:
    """Return a lane's key; ``intercepts`` are events of one letter."""
    return serializer, framing, frozenset(intercepts)
