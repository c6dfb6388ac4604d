"""Decides about each message for a client that reads more slowly than the server writes.

Theory of operation
-------------------
A connection has a :class:`Backpressure` from the moment at which the transport's buffer goes over its high-water mark
(:meth:`~bennu.server.connection.ServerConnection.congested`) until the client has caught up. A client that keeps up
has none, and pays nothing. Its modes:

========  ====================================  ================================================================
mode      when                                  what it does with a message
========  ====================================  ================================================================
WATCHING  no channel of the connection allows   gives it to the transport, in the same blobs as before
          drops
SORTING   a channel allows drops                puts it into a :class:`~bennu.server.send_queue.SendQueue`
OVER      the client has caught up, was given   nothing: the connection writes past it, or nowhere
          up, or has gone
========  ====================================  ================================================================

**WATCHING** ends the connection when more than ``max_unsent`` bytes wait behind what was under way when the client fell
back. The next write is the last, so one message of any size always gets through.

**SORTING** takes the connection out of the fast lane, so that every message comes here one by one. The queue drops what
it may. The transport gets nothing before its buffer is nearly empty; then it gets as much as it takes. When all is
written, the connection returns to the fast lane.

What a client sends makes replies, and replies can't be dropped. So when a good part of the bound waits, of messages
that can't be dropped, the client is not read until it has caught up. A client that sends much and is answered much is
held back by its own reading, and is not closed.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from ..message import Broadcast, Encoded
from ..reasons import CloseCode, DropReason
from .send_queue import SendQueue

if TYPE_CHECKING:
    from ..backpressure import DropPolicy
    from ..user_code.callback import Callback
    from .channel_server import ChannelServer
    from .connection import ServerConnection
    from .transport import Transport

__all__ = ["Backpressure", "discard"]


CHUNK: Final = 64 * 1024
"""Bytes that are joined for one write."""

HOLD: Final = 8
"""The part of the bound from which on the client is not read. The rest of the bound is for the messages that wait in
mailboxes by then, and for broadcasts."""

OTHER: Final = "*"
"""The topic under which replies and notices count."""


class Mode(Enum):
    """What happens to messages: see the table above."""

    WATCHING = auto()
    SORTING = auto()
    OVER = auto()


class Backpressure:
    """What stands between a connection and a client that reads too slowly.

    Args:
        connection: The connection.
        transport: The connection's.
        bound: Bytes that may wait.
    """

    __slots__ = (
        "_behind",
        "_bound",
        "_connection",
        "_has_complained",
        "_has_dropped",
        "_holds",
        "_is_choked",
        "_is_writing",
        "_left",
        "_mode",
        "_queue",
        "_transport",
    )

    def __init__(self, connection: ServerConnection[Any], transport: Transport, bound: int) -> None:
        self._connection = connection
        self._transport = transport
        self._bound = bound
        self._mode = Mode.WATCHING
        self._queue: SendQueue | None = None
        self._is_choked = True  # the transport's buffer is over its mark
        self._is_writing = False
        self._holds = False  # the client is not read
        self._behind = 0
        self._left = -transport.unsent
        self._has_complained = False
        self._has_dropped = False

    @property
    def sorts(self) -> bool:
        """Whether it takes messages one by one."""
        return self._queue is not None

    # What is written for the client.

    def write(self, framed: Any) -> None:
        """Take what was framed for the connection."""
        transport = self._transport
        size = transport.framing.size(framed)
        if self._queue is not None:
            self._put(self._queue, OTHER, framed, size)
            return
        waiting = min(self._behind, transport.unsent)
        self._behind += size
        transport.write(framed)
        if waiting > self._bound:
            self._give_up()
        elif waiting > self._bound // HOLD:
            self._hold()

    def push(self, channel: Any, event: str, payload: Any, encoded: Encoded) -> None:
        """Take a push of a channel of the connection.

        Args:
            channel: The channel.
            event: The event's name.
            payload: The payload, from which a drop policy may find a key.
            encoded: The whole message.
        """
        connection = self._connection
        connection.server.pubsub.batch.sync(connection)
        framing = self._transport.framing
        frame = framing.frame(*encoded)
        if self._queue is None:
            connection.write(frame)
        else:
            broadcast = Broadcast(channel.topic, event, payload)
            self.offer(channel, broadcast, frame, framing.size(frame))

    def offer(self, member: Any, broadcast: Broadcast, frame: Any, size: int) -> None:
        """Take a broadcast for a channel of the connection.

        Args:
            member: The channel.
            broadcast: What is broadcast.
            frame: The same, ready to be written.
            size: Bytes of the frame.
        """
        queue = self._queue
        if queue is None or self._mode is Mode.OVER:
            self._dropped(broadcast.topic, DropReason.SLOW_ENDED, 1)
            return
        channel: ChannelServer = member
        policy = channel.definition.drop_policy
        if policy is None:
            self._put(queue, broadcast.topic, frame, size)
        else:
            key = self._key(policy, channel.definition.drop_key, broadcast)
            queue.offer(broadcast.topic, frame, size, owner=channel, key=key, most=policy.max)

    def _put(self, queue: SendQueue, topic: str, frame: Any, size: int) -> None:
        if not queue.put(topic, frame, size):
            self._dropped(topic, DropReason.SLOW_ENDED, 1)
            self._give_up()
        elif queue.kept > self._bound // HOLD:
            self._hold()

    def _dropped(self, topic: str, reason: DropReason, count: int) -> None:
        server = self._connection.server
        server.telemetry.dropped(topic, reason, count)
        if not self._has_dropped and reason is not DropReason.SLOW_ENDED:
            self._has_dropped = True
            server.log.info("A client reads slowly: messages of %r are dropped (when_slow)", topic)

    def _key(self, policy: DropPolicy, drop_key: Callback | None, broadcast: Broadcast) -> Hashable:
        event, payload = broadcast.event, broadcast.payload
        try:
            if drop_key is None:
                key = policy.key_of(event, payload)
            else:
                key = drop_key.call_now(event, payload)
            hash(key)
        except Exception:
            if not self._has_complained:
                self._has_complained = True
                self._connection.server.log.exception(
                    "%s found no key for a %r: such messages replace none",
                    policy,
                    broadcast.event,
                )
            return None
        return key

    # What is read from the client.

    def is_read(self) -> bool:
        """Whether the client has read since the last call; while reading is paused, that is its sign of life."""
        left = self._behind - self._transport.unsent
        before, self._left = self._left, left
        return self._holds and left > before

    def _hold(self) -> None:
        """Read no more from the client: what it says makes replies."""
        if not self._holds:
            self._holds = True
            self._connection.pause_reading()

    def _release(self) -> None:
        self._holds = False
        self._connection.resume_reading()

    # How it begins, and ends.

    def sort(self) -> None:
        """Begin to sort, if a channel of the connection allows drops."""
        connection = self._connection
        if self._mode is not Mode.WATCHING:
            return
        if all(channel.definition.drop_policy is None for channel in connection.members()):
            return
        connection.server.pubsub.batch.sync(connection)
        if self._is_watching():
            self._mode = Mode.SORTING
            self._queue = SendQueue(self._bound, self._dropped)
            self._move()

    def _is_watching(self) -> bool:
        """Whether a write just now has not ended it."""
        return self._mode is Mode.WATCHING

    def choke(self) -> None:
        """Write no more: the transport's buffer is over its mark again."""
        self._is_choked = True

    def drained(self) -> None:
        """Go on: the transport's buffer has room."""
        self._is_choked = False
        queue = self._queue
        if queue is None:
            self._catch_up()
        elif not self._is_writing:
            self._is_writing = True  # the transport may say so again while we write
            while queue and not self._is_choked:
                self._write_some(queue)
            self._is_writing = False
            if self._holds and queue.kept <= self._bound // HOLD // 2:
                self._release()
            if not self._is_choked:
                self._connection.server.pubsub.batch.when_written(self._catch_up)

    def settle(self) -> None:
        """Give the transport all that waits: an orderly close follows."""
        while self._queue:
            self._write_some(self._queue)

    def drop_all(self) -> None:
        """Drop all that waits, and end: there is nothing to write to any more."""
        self._mode = Mode.OVER
        if self._queue is not None:
            self._queue.drop_all()

    def _catch_up(self) -> None:
        """Let the connection write freely again, unless things have changed meanwhile."""
        if self._mode is Mode.OVER:
            return
        if self._queue:
            self.drained()
            return
        self._mode = Mode.OVER
        connection = self._connection
        connection.backpressure = None
        connection.write = self._transport.write
        if self._queue is not None:
            self._move()
        if self._holds:
            self._release()

    def _move(self) -> None:
        """Have the connection enter the lanes of its channels anew: as one that sorts, or one that does not."""
        connection = self._connection
        places = [
            (channel.topic, channel.lane)
            for channel in connection.members()
            if channel.lane is not None
        ]
        connection.server.pubsub.move(connection, places)

    def _write_some(self, queue: SendQueue) -> None:
        frames = queue.take(CHUNK)
        framing = self._transport.framing
        framed = frames[0] if len(frames) == 1 else framing.join(frames)
        self._behind += framing.size(framed)
        self._transport.write(framed)

    def _give_up(self) -> None:
        """Close: too much waits."""
        if self._mode is Mode.OVER:
            return
        connection = self._connection
        connection.server.log.warning(
            "Closing a connection that left %d bytes unread (Socket(max_unsent=...))", self._bound
        )
        connection.write = discard  # the fast lane must not see it leave while it writes
        self.drop_all()
        connection.server.loop.call_soon(
            lambda: connection.close(CloseCode.TOO_SLOW, reason="closed")
        )


def discard(framed: Any) -> None:
    """Take what is written for a connection that is lost, or is about to be."""
