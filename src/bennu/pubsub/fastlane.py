"""The fast lane: broadcasts that go to connections without passing through their channels.

Theory of operation
-------------------
A :class:`Lane` is all the connections of one topic that get the very same bytes for a broadcast:
same serializer, same framing, same list of intercepted events. So a broadcast is encoded once a lane.

The broadcasts of one turn of the event loop leave together. A broadcast only enters the *log* of the
turn; at the end of the turn each lane's frames are joined once, and the blob is written to each of its
connections. With many publishers in one topic that is one write instead of dozens, and most of the
cost of a delivery is the write. A lone message waits no longer than its own turn.

Order is sacred. What a connection receives is exactly what it would receive if every broadcast were
written at once:

- A connection with several topics, of which more than one has frames in the log, gets those frames in
  the order of the log (:meth:`Turn._flush_mixed`), not lane by lane.
- Anything that is written to one connection alone (a reply, a push, the reply to a join, a close)
  first takes out of the log what stands before it for that connection: :meth:`Turn.sync`. The
  connection's *mark* says up to where it has had the log; the end of the turn begins there.
- Who joins in mid-turn is synced first, so its mark keeps it from hearing what was said earlier. Who
  leaves is synced too. Who is left out of a ``broadcast_from`` is synced before and marked after it.
- A log that grows beyond a bound is flushed at once, so a loop of broadcasts in one turn holds
  neither memory nor the order up.

A connection that reads too slowly, and lets messages be dropped, steps out of the log: it is moved from
the lane's members to its *slow* ones, and whatever is broadcast is offered to it one by one
(:mod:`bennu.server.backpressure`). It is synced as it goes and again as it comes back, like one that leaves and
joins. A transport learns in the middle of a write that its client is slow; what that changes in the lanes
waits until they are not being walked through (:meth:`Turn.when_written`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from ..message import Broadcast, Opcode
from ..protocol import Serializer

__all__ = [
    "Framing",
    "Interceptor",
    "Lane",
    "LaneKey",
    "Outbox",
    "SlowReader",
    "Turn",
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

    ``write`` must not change who is subscribed before it returns: see :meth:`Turn.when_written`.
    """

    lanes: int
    """In how many lanes it is."""
    mark: int
    """Up to where it has had the log of this turn."""

    @property
    def slow(self) -> SlowReader | None:
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

    __slots__ = ("framing", "intercepts", "members", "serializer", "size", "slow")

    def __init__(self, key: LaneKey) -> None:
        self.serializer, self.framing, self.intercepts = key
        self.size = self.framing.size
        self.members: dict[Outbox, Interceptor] = {}
        self.slow: dict[Outbox, Interceptor] | None = None

    def __len__(self) -> int:
        return len(self.members) + len(self.slow or ())

    def everybody(self) -> list[Interceptor]:
        """Return the channels of all connections, the slow ones too."""
        return [*self.members.values(), *(self.slow or {}).values()]

    def put(self, outbox: Outbox, member: Interceptor) -> None:
        """Enter a connection, among the slow ones if it is such."""
        if outbox.slow is None or not outbox.slow.sorts:
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
        """Offer a broadcast to the slow ones."""
        size = self.size(frame)
        for outbox, member in tuple((self.slow or {}).items()):
            if member is not sender and outbox.slow is not None:
                outbox.slow.offer(member, broadcast, frame, size)

    @property
    def carries_binary(self) -> bool:
        """Whether its connections can be sent bytes."""
        return self.serializer.carries_binary and self.framing.carries_binary

    def encode(self, broadcast: Broadcast) -> Any:
        """Return the finished frame of a broadcast.

        Raises:
            EncodeError: Its payload can't be written.
        """
        opcode, data = self.serializer.broadcast(
            broadcast.topic, broadcast.event, broadcast.payload
        )
        return self.framing.frame(opcode, data)


class Turn:
    """The broadcasts of one turn of the event loop.

    Args:
        call_soon: How to have :meth:`flush` called at the end of the turn.

    Attributes:
        log: What waits for the end of the turn, in order.
    """

    __slots__ = ("_call_soon", "_is_writing", "_marked", "_size", "_written", "log")

    def __init__(self, call_soon: Callable[[Callable[[], object]], object]) -> None:
        self._call_soon = call_soon
        self.log: list[tuple[Lane, Any]] = []
        self._marked: list[Outbox] = []
        self._size = 0
        self._is_writing = False
        self._written: list[Callable[[], object]] = []

    def add(self, lane: Lane, frame: Any, exclude: Outbox | None = None) -> bool:
        """Enter a frame for the members of a lane, all but one if so wished.

        Returns:
            Whether the log was full and has left at once.
        """
        log = self.log
        if not log:
            self._call_soon(self.flush)
        if exclude is not None and exclude in lane.members:
            self.sync(exclude)
            self._mark(exclude, len(log) + 1)
        log.append((lane, frame))
        self._size += lane.size(frame)
        if len(log) < MAX_LOG and self._size < MAX_LOG_BYTES:
            return False
        self.flush()
        return True

    def sync(self, outbox: Outbox) -> None:
        """Write what the log holds for one connection and it has not had yet."""
        log = self.log
        if outbox.mark >= len(log):
            return
        entries = [entry for entry in log[outbox.mark :] if outbox in entry[0].members]
        self._mark(outbox, len(log))
        if entries:
            framing = entries[0][0].framing
            outbox.write(framing.join([frame for _, frame in entries]))

    def _mark(self, outbox: Outbox, position: int) -> None:
        if not outbox.mark:
            self._marked.append(outbox)
        outbox.mark = position

    def when_written(self, callback: Callable[[], object]) -> None:
        """Call back when members may change: at once, or when what is being written is."""
        if self._is_writing:
            self._written.append(callback)
        else:
            callback()

    def flush(self) -> None:
        """Write the log to everybody: the end of the turn."""
        log = self.log
        if not log:
            return
        self.log = []
        self._size = 0
        self._is_writing = True
        try:
            self._write(log)
        finally:
            self._is_writing = False
        while self._written:
            self._written.pop()()

    def _write(self, log: list[tuple[Lane, Any]]) -> None:
        lanes: dict[Lane, list[Any]] = {}
        for lane, frame in log:
            lanes.setdefault(lane, []).append(frame)
        mixed: dict[Outbox, list[Lane]] = {}
        alone = len(lanes) == 1
        for lane, frames in lanes.items():
            blob = frames[0] if len(frames) == 1 else lane.framing.join(frames)
            for outbox in lane.members:
                if outbox.mark or not (alone or outbox.lanes == 1):
                    mixed.setdefault(outbox, []).append(lane)
                else:
                    outbox.write(blob)
        if mixed:
            self._flush_mixed(log, mixed)
        for outbox in self._marked:
            outbox.mark = 0
        self._marked.clear()

    @staticmethod
    def _flush_mixed(log: list[tuple[Lane, Any]], mixed: dict[Outbox, list[Lane]]) -> None:
        """Write to those who are in several lanes of the log, or have had a part of it."""
        blobs: dict[tuple[int, tuple[Lane, ...]], Any] = {}
        for outbox, lanes in mixed.items():
            key = (outbox.mark, tuple(lanes))
            if key not in blobs:
                frames = [frame for lane, frame in log[outbox.mark :] if lane in lanes]
                blobs[key] = lanes[0].framing.join(frames) if frames else None
            blob = blobs[key]
            if blob is not None:
                outbox.write(blob)
