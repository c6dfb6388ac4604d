"""The fast lane: broadcasts that reach connections without passing through their channels.

Theory of operation
-------------------
A :class:`Lane` holds the connections of one topic that get the same bytes for a broadcast: the same serializer,
framing and intercepted events. So each lane encodes a broadcast once.

The broadcasts of one turn of the event loop leave together, as a :class:`Batch`. A broadcast only becomes an entry
of the batch. At the end of the turn the frames of each lane are joined once, and the result is written to each of
its connections. With many publishers in a topic that is one write instead of dozens, and a write is most of the cost
of a delivery. A single message waits no longer than its own turn.

The order never changes. A connection receives exactly what it would receive if every broadcast were written at once:

- A connection can be in several lanes that have frames in the batch. It gets those frames in the order of the batch
  (:meth:`Batch._write_mixed`), not lane by lane.
- A reply, a push or a close is written to one connection alone. Before it, :meth:`Batch.sync` writes what the batch
  holds for that connection. The *cursor* of the connection is its place in the batch; the end of the turn begins there.
- A connection that joins in mid-turn is synced first, so it does not hear what was sent earlier. A connection that
  leaves is synced too. A connection that a ``broadcast_from`` leaves out is synced before, and its cursor moves past
  the frame.
- A batch that exceeds a bound is flushed at once. So a loop of broadcasts within one turn holds neither memory nor
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
from ..telemetry.accounts import Account

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

MAX_ENTRIES: Final = 512
"""Broadcasts of one turn after which they leave without waiting for its end."""

MAX_BYTES: Final = 256 * 1024
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
    """Takes what was framed for one connection, and never waits. It is no Callable: a type checker would bind that to ``self``."""

    def __call__(self, framed: Any, /) -> object: ...


class Outbox(Protocol):
    """A connection as the fast lane sees it.

    ``write`` must not change who is subscribed before it returns: see :meth:`Batch.when_written`.
    """

    lanes: int
    """In how many lanes it is."""
    cursor: int
    """Its place in the batch: the connection has got all entries before. 0 if none was written to it alone."""

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
    def queues(self) -> bool:
        """Whether it wants messages one by one, so that it can drop some."""
        ...

    def offer(
        self,
        channel: Interceptor,
        broadcast: Broadcast,
        frame: Any,
        size: int,
        account: Account | None = None,
    ) -> None:
        """Take a broadcast for one of its channels.

        Args:
            channel: The channel.
            broadcast: What is broadcast.
            frame: The same, ready to be written.
            size: Bytes of the frame.
            account: Counts what becomes of it; None for a message that nobody counts.
        """
        ...


class Interceptor(Protocol):
    """A channel as the fast lane sees it. It can get some broadcasts instead of its client."""

    def intercept(self, broadcast: Broadcast) -> None:
        """Take a broadcast whose event is among those intercepted; others share it: copy what may change."""
        ...

    def intercept_entry(self, entry: Any) -> None:
        """Take an entry of a log (:class:`~bennu.store.entry.LogEntry`) in the same way. The channel changes its lane."""
        ...


LaneKey = tuple[Serializer, Framing, frozenset[str], bool | None]
"""Serializer, framing, intercepted events, and whether the frames of entries carry their positions. None is for channels that
catch up: the lane carries what is not in the log, and no entries."""


class Lane:
    """The connections of one topic that get the same bytes."""

    __slots__ = (
        "frame",
        "framing",
        "intercepts",
        "is_positioned",
        "key",
        "members",
        "serializer",
        "size",
        "slow",
    )

    def __init__(self, key: LaneKey) -> None:
        self.key = key
        self.serializer, self.framing, self.intercepts, self.is_positioned = key
        self.frame = self.framing.frame
        self.size = self.framing.size
        self.members: dict[Outbox, Interceptor] = {}
        self.slow: dict[Outbox, Interceptor] | None = None

    def __len__(self) -> int:
        return len(self.members) + len(self.slow or ())

    def everybody(self) -> list[Interceptor]:
        """Return the channels of all connections, the slow ones too."""
        return [*self.members.values(), *(self.slow or {}).values()]

    def put(self, connection: Outbox, channel: Interceptor) -> None:
        """Enter a connection, among the slow ones if it is slow."""
        if connection.backpressure is None or not connection.backpressure.queues:
            self.members[connection] = channel
            return
        if self.slow is None:
            self.slow = {}
        self.slow[connection] = channel

    def take(self, connection: Outbox) -> Interceptor:
        """Take a connection out."""
        if connection in self.members:
            return self.members.pop(connection)
        slow = self.slow or {}
        channel = slow.pop(connection)
        if not slow:
            self.slow = None
        return channel

    def offer(self, broadcast: Broadcast, frame: Any, sender: object, account: Account) -> None:
        """Offer a broadcast to the slow connections."""
        size = self.size(frame)
        for connection, channel in tuple((self.slow or {}).items()):
            account.due += 1
            if channel is sender:
                account.own += 1
            elif connection.backpressure is not None:
                connection.backpressure.offer(channel, broadcast, frame, size, account)

    def outbox_of(self, sender: object) -> Outbox | None:
        """Return the connection through which a channel is in this lane."""
        connection: Outbox | None = getattr(sender, "outbox", None)
        return (
            connection
            if connection is not None and self.members.get(connection) is sender
            else None
        )

    @property
    def carries_binary(self) -> bool:
        """Whether its connections can be sent bytes."""
        return self.serializer.carries_binary and self.framing.carries_binary


class Batch:
    """The broadcasts of one turn of the event loop.

    Args:
        call_soon: Calls :meth:`flush` at the end of the turn. The default is that of the running event loop.

    Attributes:
        entries: What waits for the end of the turn, in order.
    """

    __slots__ = ("_call_soon", "_is_writing", "_moved", "_size", "_written", "entries")

    def __init__(self, call_soon: Callable[[Callable[[], object]], object] | None = None) -> None:
        self._call_soon = call_soon
        self.entries: list[tuple[Lane, Any]] = []
        self._moved: list[Outbox] = []
        self._size = 0
        self._is_writing = False
        self._written: list[Callable[[], object]] = []

    def add(self, lane: Lane, frame: Any, exclude: Outbox | None = None) -> bool:
        """Enter a frame for the members of a lane.

        Args:
            lane: The lane.
            frame: The frame, as the lane's framing made it.
            exclude: A connection that does not get it.

        Returns:
            Whether the batch was full and has left at once.
        """
        self.put(lane, frame, exclude)
        if (
            len(self.entries) < MAX_ENTRIES and self._size < MAX_BYTES
        ):  # as flush_if_full, for speed
            return False
        self.flush()
        return True

    def flush_if_full(self) -> bool:
        """Write the batch at once if it is full. Return whether it was."""
        if len(self.entries) < MAX_ENTRIES and self._size < MAX_BYTES:
            return False
        self.flush()
        return True

    def put(self, lane: Lane, frame: Any, exclude: Outbox | None = None) -> None:
        """Enter a frame as :meth:`add` does, but leave a full batch to the next call of :meth:`flush_if_full`."""
        entries = self.entries
        if not entries:
            call_soon = self._call_soon or get_running_loop().call_soon
            call_soon(self.flush)
        if exclude is not None and exclude in lane.members:
            self.sync(exclude)
            self._move(exclude, len(entries) + 1)
        entries.append((lane, frame))
        self._size += lane.size(frame)

    def sync(self, connection: Outbox) -> None:
        """Write what the batch holds for one connection beyond its cursor."""
        entries = self.entries
        if connection.cursor >= len(entries):
            return
        left = [entry for entry in entries[connection.cursor :] if connection in entry[0].members]
        self._move(connection, len(entries))
        if left:
            framing = left[0][0].framing
            connection.write(framing.join([frame for _, frame in left]))

    def _move(self, connection: Outbox, position: int) -> None:
        if not connection.cursor:
            self._moved.append(connection)
        connection.cursor = position

    def when_written(self, callback: Callable[[], object]) -> None:
        """Call back when members may change: at once, or after the write that is under way."""
        if self._is_writing:
            self._written.append(callback)
        else:
            callback()

    def flush(self) -> None:
        """Write the batch to all connections: the end of the turn."""
        entries = self.entries
        if not entries:
            return
        self.entries = []
        self._size = 0
        self._is_writing = True
        try:
            lanes: dict[Lane, list[Any]] = {}
            for lane, frame in entries:
                lanes.setdefault(lane, []).append(frame)
            mixed: dict[Outbox, list[Lane]] = {}
            is_alone = len(lanes) == 1
            for lane, frames in lanes.items():
                joined = frames[0] if len(frames) == 1 else lane.framing.join(frames)
                for connection in lane.members:
                    if connection.cursor or not (is_alone or connection.lanes == 1):
                        mixed.setdefault(connection, []).append(lane)
                    else:
                        connection.write(joined)
            if mixed:
                self._write_mixed(entries, mixed)
            for connection in self._moved:
                connection.cursor = 0
            self._moved.clear()
        finally:
            self._is_writing = False
        while self._written:
            self._written.pop()()

    @staticmethod
    def _write_mixed(entries: list[tuple[Lane, Any]], mixed: dict[Outbox, list[Lane]]) -> None:
        """Write to the connections that are in several lanes of the batch, or have had a part of it."""
        parts: dict[tuple[int, tuple[Lane, ...]], Any] = {}
        for connection, lanes in mixed.items():
            key = (connection.cursor, tuple(lanes))
            if key not in parts:
                frames = [frame for lane, frame in entries[connection.cursor :] if lane in lanes]
                parts[key] = lanes[0].framing.join(frames) if frames else None
            joined = parts[key]
            if joined is not None:
                connection.write(joined)
