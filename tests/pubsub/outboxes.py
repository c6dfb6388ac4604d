"""Connections for the fastlane that record what is written to them, and how often.

The client of a :class:`StallingOutbox` can stop reading. All code between the client and the lanes is Bennu's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from types import SimpleNamespace
from typing import Any

from bennu import Broadcast, ConnectInfo, Socket
from bennu.backpressure import DropPolicy
from bennu.message import TEXT, Encoded, Opcode
from bennu.protocol import JSONV2, Serializer
from bennu.pubsub import Outbox, PubSub
from bennu.pubsub.fastlane import Batch, LaneKey, SlowReader
from bennu.server.connection import ServerConnection
from bennu.server.handshake import Accepted

__all__ = [
    "Bus",
    "CountingSerializer",
    "Member",
    "RecordingOutbox",
    "StallingOutbox",
    "TupleFraming",
    "key_for",
]


class TupleFraming:
    """Frames are tuples of messages, so a test can take joined frames apart."""

    carries_binary = True

    def frame(self, opcode: Opcode, data: bytes) -> tuple[Encoded, ...]:
        """Return a frame with one message."""
        return ((opcode, data),)

    def join(self, frames: Sequence[tuple[Encoded, ...]], /) -> tuple[Encoded, ...]:
        """Return a frame with the messages of several frames."""
        return tuple(chain.from_iterable(frames))

    def size(self, framed: tuple[Encoded, ...], /) -> int:
        """Return the number of bytes."""
        return sum(len(data) for _, data in framed)


FRAMING = TupleFraming()
INFO = ConnectInfo({"path": "/", "headers": []}, transport="websocket")


class Bus(PubSub):
    """A PubSub whose turns of the event loop end when the test ends them."""

    def __init__(self) -> None:
        super().__init__()
        self.callbacks: list[Callable[[], object]] = []
        self.batch = Batch(self.callbacks.append)

    def end_turn(self) -> None:
        """Run the callbacks that the event loop would run between two turns."""
        callbacks = tuple(self.callbacks)
        self.callbacks.clear()
        for callback in callbacks:
            callback()

    def say(self, topic: str, n: object, *, event: str = "e", sender: object = None) -> bool:
        """Broadcast a number."""
        return self.local_broadcast(topic, Broadcast(topic, event, {"n": n}), sender=sender)


class RecordingOutbox:
    """A connection that records what is written to it.

    Attributes:
        writes: The number of writes.
        received: All messages in order, of batches and of single writes.
    """

    def __init__(self) -> None:
        self.writes = 0
        self.received: list[bytes] = []
        self.write: Callable[[Any], object] = self._take
        self.backpressure: SlowReader | None = None
        self.lanes = 0
        self.cursor = 0

    def _take(self, written: tuple[Encoded, ...]) -> None:
        self.writes += 1
        self.received += [data for _, data in written]


class Member:
    """A channel of a connection: the sender of a ``broadcast_from``, and an interceptor."""

    def __init__(
        self,
        outbox: Outbox,
        topic: str = "",
        drop_policy: DropPolicy | None = None,
    ) -> None:
        self.outbox = outbox
        self.topic = topic
        self.lane: LaneKey | None = None
        self.drop_policy = drop_policy
        self.definition = SimpleNamespace(drop_policy=drop_policy, drop_key=None)
        self.intercepted: list[Broadcast] = []

    def intercept(self, broadcast: Broadcast) -> None:
        """Record a broadcast."""
        self.intercepted.append(broadcast)

    def intercept_entry(self, entry: Any) -> None:
        """Record an entry of a log."""
        self.intercepted.append(entry)

    def slow_down(self) -> None:
        """Do nothing: this topic has no history."""

    def catch_up(self) -> None:
        """Do nothing: this topic has no history."""


class _Wire:
    """A transport whose client can stop reading; its high-water mark is 0.

    Attributes:
        is_nervous: Whether each write exceeds the mark, and drains before it returns.
        is_paused: Whether reading from the client is paused.
    """

    name = "websocket"
    keeps_time = False
    is_client_gone = False
    counts_bytes = False

    def __init__(self, framing: TupleFraming, outbox: StallingOutbox) -> None:
        self.framing = framing
        self.is_stalled = False
        self.is_nervous = False
        self.is_paused = False
        self.waiting: tuple[Encoded, ...] = ()
        self._outbox = outbox
        self._is_congested = False

    @property
    def unsent(self) -> int:
        return self.framing.size(self.waiting)

    def control(self, opcode: Opcode, data: bytes) -> None: ...

    def write(self, written: tuple[Encoded, ...]) -> None:
        self._outbox.writes += 1
        self.waiting += written
        if self.is_nervous:
            self._outbox.connection.congested()
            self._deliver()
            self._outbox.connection.drained()
        self._deliver()
        if self.waiting and not self._is_congested:
            self._is_congested = True
            self._outbox.connection.congested()

    def read_on(self) -> None:
        self.is_stalled = False
        self._deliver()
        if self._is_congested:
            self._is_congested = False
            self._outbox.connection.drained()

    def read_once(self) -> None:
        self._outbox.received += [data for _, data in self.waiting]
        self.waiting = ()
        self._is_congested = False
        self._outbox.connection.drained()

    def _deliver(self) -> None:
        if not self.is_stalled:
            self._outbox.received += [data for _, data in self.waiting]
            self.waiting = ()

    def close(self, code: int, reason: str = "") -> None:
        """Record the close code."""
        self._outbox.code = code

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class _Connection(ServerConnection):
    """A connection whose channels are only members of lanes."""

    channels: list[Member]

    def members(self) -> list[Any]:
        return self.channels

    def receive(self, opcode: Opcode, data: bytes) -> None: ...
    def ended(self, reason: str | Exception) -> None: ...
    def put_info(self, message: Any) -> None: ...


class _Server:
    """The part of a server that a connection needs."""

    def __init__(self, bus: Bus) -> None:
        self.pubsub = bus
        self.telemetry = bus.telemetry
        self.log = bus.telemetry.log
        self.loop = self
        self.call_soon = bus.callbacks.append

    @staticmethod
    def time() -> float:
        """Return the time of the event loop."""
        return 0.0

    def opened(self, connection: object) -> None: ...
    def closed(self, connection: object) -> None: ...


class StallingOutbox:
    """A connection whose client can stop reading.

    Attributes:
        connection: The connection that is a member of lanes.
        received: All messages that the client has read.
        writes: The number of writes to the transport.
        code: The close code.
    """

    def __init__(
        self, bus: Bus, framing: TupleFraming = FRAMING, *, max_unsent: int = 1_000_000
    ) -> None:
        self.received: list[bytes] = []
        self.writes = 0
        self.code: int | None = None
        self.wire = _Wire(framing, self)
        socket: Socket[None] = Socket(connect=lambda: None, channels={}, max_unsent=max_unsent)
        accepted = Accepted(socket, "/socket", JSONV2, INFO, None, None, None)
        server: Any = _Server(bus)
        self._bus = bus
        self._framing = framing
        self.connection = _Connection(server, accepted, self.wire)
        self.connection.channels = []

    def join(self, topic: str, policy: DropPolicy | None = None, intercepts: str = "") -> Member:
        """Join a topic, as a connection does."""
        key = key_for(JSONV2, self._framing, intercepts)
        member = Member(self.connection, topic, policy)
        self.connection.channels.append(member)
        self._bus.enter(topic, key, self.connection, member)
        member.lane = key
        if self.connection.backpressure is not None:
            self.connection.backpressure.begin_queueing()
        return member

    def leave(self, member: Member) -> None:
        """Leave a topic."""
        assert member.lane is not None
        key, member.lane = member.lane, None
        self._bus.leave(member.topic, key, self.connection)
        self.connection.channels.remove(member)

    def reply(self, text: str) -> None:
        """Write to this connection alone."""
        self.connection.send((TEXT, text.encode()))

    def push(self, member: Member, event: str, payload: Any) -> Encoded:
        """Push an event, as a channel does."""
        encoded = JSONV2.push("1", member.topic, event, payload)
        if self.connection.backpressure is None:
            self.connection.send(encoded)
        else:
            self.connection.backpressure.push(member, event, payload, encoded)
        return encoded

    def stall(self) -> None:
        """Stop reading."""
        self.wire.is_stalled = True

    def read_once(self) -> None:
        """Read the waiting messages of the transport, and no more."""
        self.wire.read_once()

    def read_on(self) -> None:
        """Read the waiting messages, and later messages."""
        self.wire.read_on()


class CountingSerializer:
    """The V2 serializer, which counts its encodings of broadcasts."""

    name = JSONV2.name
    carries_binary = True
    requirement = JSONV2.requirement
    decode = staticmethod(JSONV2.decode)
    reply = staticmethod(JSONV2.reply)
    push = staticmethod(JSONV2.push)
    entry = staticmethod(JSONV2.entry)
    close = staticmethod(JSONV2.close)
    error = staticmethod(JSONV2.error)

    def __init__(self) -> None:
        self.count = 0

    def broadcast(self, topic: str, event: str, payload: Any) -> Encoded:
        """Encode and count a broadcast."""
        self.count += 1
        return JSONV2.broadcast(topic, event, payload)


def key_for(
    serializer: Serializer = JSONV2, framing: TupleFraming = FRAMING, intercepts: str = ""
) -> LaneKey:
    """Return the key of a lane; each letter of ``intercepts`` is an event."""
    return serializer, framing, frozenset(intercepts), False
