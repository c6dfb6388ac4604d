"""The fast lane: broadcasts that reach connections without passing through their channels.

Theory of operation
-------------------
A :class:`Lane` holds the connections of one topic that get the same bytes for a broadcast: the same serializer,
framing and intercepted events. So each lane encodes a broadcast once.

The broadcasts of one turn of the event loop leave together, as a :class:`Batch`. A broadcast only enters the *log*
of the batch. At the end of the turn the frames of each lane are joined once, and the result is written to each of
its connections. With many publishers in a topic that is one write instead of dozens, and a write is most of the cost
of a delivery. A single message waits no longer than its own turn.

The order never changes. A connection receives exactly what it would receive if every broadcast were written at once:

- A connection can be in several lanes that have frames in the log. It gets those frames in the order of the log
  (:meth:`Batch._write_mixed`), not lane by lane.
- A reply, a push or a close is written to one connection alone. Before it, :meth:`Batch.sync` writes what the log
  holds for that connection. The *cursor* of the connection is its place in the log; the end of the turn begins there.
- A connection that joins in mid-turn is synced first, so it does not hear what was sent earlier. A connection that
  leaves is synced too. A connection that a ``broadcast_from`` leaves out is synced before, and its cursor moves past
  the frame.
- A log that exceeds a bound is flushed at once. So a loop of broadcasts within one turn holds neither memory nor
  time.

A connection whose client reads too slowly, and whose channels let messages be dropped, leaves the batch. It moves from
the members of the lane to its *slow* members, and each broadcast is offered to it one by one
(:mod:`bennu.server.backpressure`). It is synced when it moves, in both directions. A transport can find out during
a write that its client is slow. The lanes change only after that write (:meth:`Batch.when_written`).
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from ..message import Broadcast, Opcode
from ..protocol import Serializer

__all__ = [
    "Batch",
    "Framing",
    "Interceptor",
    "Lane",
    "LaneKey",
    "Outbox",
    "SlowReader",
    "Writer",
]

MAX_LOG: Final = 512
"""Broadcasts of one turn after which they leave without waiting for its end."""

MAX_LOG_BYTES: Final = 256 * 1024
"""The same in bytes."""


class Framing(Protocol):
    """How a transport writes: finished WebSocket frames, ASGI events, texts for a long poll."""

    @property
    def carries_binary(self) -> bool:
        """Whether it has a form for binary messages."""
        ...

    def frame(self, opcode: Opcode, data: bytes) -> Any:
        """Return one encoded message in the form that the transport writes.

        Raises:
            EncodeError: It is binary, and the transport can't write that.
        """
        ...

    def join(self, frames: Sequence[Any], /) -> Any:
        """Return several of them as one that is written in one go."""
        ...

    def size(self, framed: Any, /) -> int:
        """Return how many bytes a frame has, or several that were joined."""
        ...


class Writer(Protocol):
    """Takes what was framed for one connection, and never waits."""

    def __call__(self, framed: Any, /) -> object: ...


class Outbox(Protocol):
    """A connection, as the fast lane sees it.

    ``write`` must not change who is subscribed before it returns: see :meth:`Batch.when_written`.
    """

    lanes: int
    """In how many lanes it is."""
    cursor: int
    """Its place in the log of the batch: it has had what stands before."""

    @property
    def backpressure(self) -> SlowReader | None:
        """What stands between it and a client that reads too slowly."""
        ...

    @property
    def write(self) -> Writer:
        """Take what was framed for it."""
        ...


class SlowReader(Protocol):
    """What stands between a connection and a client that reads too slowly."""

    @property
    def sorts(self) -> bool:
        """Whether it wants messages one by one, so that it can drop some."""
        ...

    def offer(self, member: Interceptor, broadcast: Broadcast, frame: Any, size: int) -> None:
        """Take a broadcast for one of its channels.

        Args:
            member: The channel.
            broadcast: What is broadcast.
            frame: The same, ready to be written.
            size: Bytes of the frame.
        """
        ...


class Interceptor(Protocol):
    """A channel, which may want to see some broadcasts before its client does."""

    def intercept(self, broadcast: Broadcast) -> None:
        """Take a broadcast whose event is among those intercepted; others share it: copy what may change."""
        ...


LaneKey = tuple[Serializer, Framing, frozenset[str]]


class Lane:
    """The connections of one topic that get the same bytes."""

    __slots__ = ("frame", "framing", "intercepts", "key", "members", "serializer", "size", "slow")

    def __init__(self, key: LaneKey) -> None:
        self.key = key
        self.serializer, self.framing, self.intercepts = key
        self.frame = self.framing.frame
        self.size = self.framing.size
        self.members: dict[Outbox, Interceptor] = {}
        self.slow: dict[Outbox, Interceptor] | None = None

    def __len__(self) -> int:
        return len(self.members) + len(self.slow or ())

    def everybody(self) -> list[Interceptor]:
        """Return the channels of all connections, the slow ones too."""
        return [*self.members.values(), *(self.slow or {}).values()]

    def put(self, outbox: Outbox, member: Interceptor) -> None:
        """Enter a connection, among the slow ones if it is slow."""
        if outbox.backpressure is None or not outbox.backpressure.sorts:
            self.members[outbox] = member
            return
        if self.slow is None:
            self.slow = {}
        self.slow[outbox] = member

    def take(self, outbox: Outbox) -> Interceptor:
        """Take a connection out."""
        if outbox in self.members:
            return self.members.pop(outbox)
        slow = self.slow or {}
        member = slow.pop(outbox)
        if not slow:
            self.slow = None
        return member

    def offer(self, broadcast: Broadcast, frame: Any, sender: object) -> None:
        """Offer a broadcast to the slow connections."""
        size = self.size(frame)
        for outbox, member in tuple((self.slow or {}).items()):
            if member is not sender and outbox.backpressure is not None:
                outbox.backpressure.offer(member, broadcast, frame, size)

    def outbox_of(self, sender: object) -> Outbox | None:
        """Return the connection through which a channel is in this lane."""
        outbox: Outbox | None = getattr(sender, "outbox", None)
        return outbox if outbox is not None and self.members.get(outbox) is sender else None

    @property
    def carries_binary(self) -> bool:
        """Whether its connections can be sent bytes."""
        return self.serializer.carries_binary and self.framing.carries_binary


class Batch:
    """The broadcasts of one turn of the event loop.

    Args:
        call_soon: Calls :meth:`flush` at the end of the turn. The default is that of the running event loop.

    Attributes:
        log: What waits for the end of the turn, in order.
    """

    __slots__ = ("_call_soon", "_is_writing", "_moved", "_size", "_written", "log")

    def __init__(self, call_soon: Callable[[Callable[[], object]], object] | None = None) -> None:
        self._call_soon = call_soon
        self.log: list[tuple[Lane, Any]] = []
        self._moved: list[Outbox] = []
        self._size = 0
        self._is_writing = False
        self._written: list[Callable[[], object]] = []

    def add(self, lane: Lane, frame: Any, exclude: Outbox | None = None) -> bool:
        """Enter a frame for the members of a lane.

        Args:
            lane: The lane.
            frame: The frame, as the lane's framing made it.
            exclude: A member that does not get it.

        Returns:
            Whether the log was full and has left at once.
        """
        log = self.log
        if not log:
            call_soon = self._call_soon or get_running_loop().call_soon
            call_soon(self.flush)
        if exclude is not None and exclude in lane.members:
            self.sync(exclude)
            self._move(exclude, len(log) + 1)
        log.append((lane, frame))
        self._size += lane.size(frame)
        if len(log) < MAX_LOG and self._size < MAX_LOG_BYTES:
            return False
        self.flush()
        return True

    def sync(self, outbox: Outbox) -> None:
        """Write what the log holds for one connection beyond its cursor."""
        log = self.log
        if outbox.cursor >= len(log):
            return
        entries = [entry for entry in log[outbox.cursor :] if outbox in entry[0].members]
        self._move(outbox, len(log))
        if entries:
            framing = entries[0][0].framing
            outbox.write(framing.join([frame for _, frame in entries]))

    def _move(self, outbox: Outbox, position: int) -> None:
        if not outbox.cursor:
            self._moved.append(outbox)
        outbox.cursor = position

    def when_written(self, callback: Callable[[], object]) -> None:
        """Call back when members may change: at once, or after the write that is under way."""
        if self._is_writing:
            self._written.append(callback)
        else:
            callback()

    def flush(self) -> None:
        """Write the log to all connections: the end of the turn."""
        log = self.log
        if not log:
            return
        self.log = []
        self._size = 0
        self._is_writing = True
        try:
            lanes: dict[Lane, list[Any]] = {}
            for lane, frame in log:
                lanes.setdefault(lane, []).append(frame)
            mixed: dict[Outbox, list[Lane]] = {}
            is_alone = len(lanes) == 1
            for lane, frames in lanes.items():
                blob = frames[0] if len(frames) == 1 else lane.framing.join(frames)
                for outbox in lane.members:
                    if outbox.cursor or not (is_alone or outbox.lanes == 1):
                        mixed.setdefault(outbox, []).append(lane)
                    else:
                        outbox.write(blob)
            if mixed:
                self._write_mixed(log, mixed)
            for outbox in self._moved:
                outbox.cursor = 0
            self._moved.clear()
        finally:
            self._is_writing = False
        while self._written:
            self._written.pop()()

    @staticmethod
    def _write_mixed(log: list[tuple[Lane, Any]], mixed: dict[Outbox, list[Lane]]) -> None:
        """Write to the connections that are in several lanes of the log, or have had a part of it."""
        blobs: dict[tuple[int, tuple[Lane, ...]], Any] = {}
        for outbox, lanes in mixed.items():
            key = (outbox.cursor, tuple(lanes))
            if key not in blobs:
                frames = [frame for lane, frame in log[outbox.cursor :] if lane in lanes]
                blobs[key] = lanes[0].framing.join(frames) if frames else None
            blob = blobs[key]
            if blob is not None:
                outbox.write(blob)
