"""Decides about each message for a client that reads more slowly than the server writes.

Theory of operation
-------------------
A connection has a :class:`Backpressure` from the moment at which the transport's buffer goes over its high-water mark
(:meth:`~bennu.server.connection.ServerConnection.congested`) until the client has caught up. A client that keeps up
has none, at no cost. Its modes:

========  ====================================  ================================================================
mode      when                                  effect on a message
========  ====================================  ================================================================
WATCHING  no channel of the connection allows   goes to the transport, joined as before
          drops
QUEUEING  a channel allows drops                goes into a :class:`~bennu.server.send_queue.SendQueue`
OVER      the client has caught up, was given   none: the connection writes to the transport, or discards
          up, or has gone
========  ====================================  ================================================================

**WATCHING** ends the connection when more than ``max_unsent`` bytes wait, besides the bytes that waited when the
backpressure began. The next write is the last, so one message of any size always gets through.

**QUEUEING** takes the connection out of the fast lane, so that every message comes here one by one. The queue drops
messages for which drops are allowed. The transport gets nothing before its buffer is nearly empty; then it gets as much
as it takes. When all messages are written, the connection returns to the fast lane.

Messages of a client cause replies, and replies can't be dropped. So if messages that can't be dropped fill an eighth of
the bound, the server stops reading from the client until the client has caught up. This slows down a client that sends
many messages and reads their replies slowly. The client is not closed.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from ..logs.context import running
from ..message import Broadcast, Encoded
from ..reasons import CloseCode, DropReason
from ..telemetry.accounts import Account
from .running import AboutConnection
from .send_queue import SendQueue

if TYPE_CHECKING:
    from ..backpressure import DropPolicy
    from ..user_code.callback import Callback
    from .connection import ServerConnection
    from .transport import Transport

__all__ = ["Backpressure", "discard"]


CHUNK: Final = 64 * 1024
"""Bytes that are joined for one write."""

HOLD: Final = 8
"""Divisor of the bound: beyond an eighth of the bound, reading is paused. The rest of the bound is for replies to
messages that wait in mailboxes already, and for broadcasts."""

OTHER: Final = "*"
"""The topic under which replies and notices are counted."""


class Mode(Enum):
    """The modes of backpressure: see the table above."""

    WATCHING = auto()
    QUEUEING = auto()
    OVER = auto()


class Backpressure:
    """Decides about the messages of one connection while its client reads too slowly.

    Args:
        connection: The connection.
        transport: The transport of the connection.
        bound: The most bytes that can wait.
    """

    __slots__ = (
        "_behind",
        "_bound",
        "_connection",
        "_has_complained",
        "_has_dropped",
        "_is_full",
        "_is_reading_paused",
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
        self._is_full = True  # the transport's buffer is over its mark
        self._is_writing = False
        self._is_reading_paused = False  # the client is not read
        self._behind = 0
        self._left = -transport.unsent
        self._has_complained = False
        self._has_dropped = False

    @property
    def queues(self) -> bool:
        """Whether messages are queued one by one."""
        return self._queue is not None

    @property
    def waiting(self) -> tuple[int, int]:
        """The messages that are queued, and all bytes that wait, those in the transport too."""
        queue = self._queue
        unsent = self._transport.unsent
        return (0, unsent) if queue is None else (len(queue), unsent + queue.size)

    def put_between(self, transport: Transport) -> None:
        """Write to another transport, which writes to the one before: the inspector's."""
        self._transport = transport

    # Writing to the client.

    def write(self, framed: Any) -> None:
        """Write framed messages to the connection."""
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
            self._pause_reading()

    def push(self, channel: Any, event: str, payload: Any, encoded: Encoded) -> None:
        """Write or queue a push of a channel of the connection.

        Args:
            channel: The channel.
            event: The event's name.
            payload: The payload, which a drop policy can read for its key.
            encoded: The whole message.
        """
        connection = self._connection
        connection.server.pubsub.batch.sync(connection)
        frame = connection.framed(encoded)
        if connection.tally is not None:
            connection.tally.sent(frame)
        if self._queue is None:
            connection.write(frame)
        else:
            broadcast = Broadcast(channel.topic, event, payload)
            self.offer(channel, broadcast, frame, self._transport.framing.size(frame))

    def offer(
        self,
        channel: Any,
        broadcast: Broadcast,
        frame: Any,
        size: int,
        account: Account | None = None,
    ) -> None:
        """Write or queue a broadcast for a channel of the connection.

        Args:
            channel: The channel.
            broadcast: The broadcast.
            frame: The frame of the broadcast, ready to be written.
            size: Bytes of the frame.
            account: Counts what becomes of it; None for a push, which nobody counts.
        """
        queue = self._queue
        if queue is None or self._mode is Mode.OVER:
            self._dropped(broadcast.topic, DropReason.SLOW_ENDED, 1)
            if account is not None:
                account.drop(DropReason.SLOW_ENDED)
            return
        policy = channel.definition.drop_policy
        if policy is None:
            self._put(queue, broadcast.topic, frame, size, account)
        else:
            key = self._key(policy, channel.definition.drop_key, broadcast)
            owner, most = channel, policy.max
            queue.offer(
                broadcast.topic, frame, size, owner=owner, key=key, most=most, account=account
            )

    def _put(
        self, queue: SendQueue, topic: str, frame: Any, size: int, account: Account | None = None
    ) -> None:
        if not queue.put(topic, frame, size, account):
            self._dropped(topic, DropReason.SLOW_ENDED, 1)
            if account is not None:
                account.drop(DropReason.SLOW_ENDED)
            self._give_up()
        elif queue.kept > self._bound // HOLD:
            self._pause_reading()

    def _dropped(self, topic: str, reason: DropReason, count: int) -> None:
        server = self._connection.server
        server.telemetry.dropped(topic, reason, count)
        if not self._has_dropped and reason is not DropReason.SLOW_ENDED:
            self._has_dropped = True
            with running(AboutConnection(self._connection)):
                server.log.info(
                    "A client reads slowly: messages on %r are dropped (when_slow)", topic
                )

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
                with running(AboutConnection(self._connection)):
                    self._connection.server.log.exception(
                        "%s failed to find a key for a %r: such messages replace no others",
                        policy,
                        broadcast.event,
                    )
            return None
        return key

    # Reading from the client.

    def is_read(self) -> bool:
        """Return whether the client has read since the last call. While reading is paused, a read counts as activity."""
        left = self._behind - self._transport.unsent
        before, self._left = self._left, left
        return self._is_reading_paused and left > before

    def _pause_reading(self) -> None:
        """Pause reading from the client, because its messages cause replies."""
        if not self._is_reading_paused:
            self._is_reading_paused = True
            self._connection.pause_reading()

    def _resume_reading(self) -> None:
        self._is_reading_paused = False
        self._connection.resume_reading()

    # Begin and end.

    def begin_queueing(self) -> None:
        """Begin to sort, if a channel of the connection allows drops."""
        connection = self._connection
        if self._mode is not Mode.WATCHING:
            return
        for channel in connection.members():
            channel.slow_down()
        if all(channel.definition.drop_policy is None for channel in connection.members()):
            return
        connection.server.pubsub.batch.sync(connection)
        if self._is_watching():
            self._mode = Mode.QUEUEING
            self._queue = SendQueue(self._bound, self._dropped)
            self._move()

    def _is_watching(self) -> bool:
        """Return whether the mode is still WATCHING, after a write that can end it."""
        return self._mode is Mode.WATCHING

    def congested(self) -> None:
        """Pause writing: the transport's buffer is over its mark again."""
        self._is_full = True

    def drained(self) -> None:
        """Continue to write: the transport's buffer has room."""
        self._is_full = False
        queue = self._queue
        if queue is None:
            self._catch_up()
        elif not self._is_writing:
            self._is_writing = True  # the transport can call this again during a write
            while queue and not self._is_full:
                self._write_some(queue)
            self._is_writing = False
            if self._is_reading_paused and queue.kept <= self._bound // HOLD // 2:
                self._resume_reading()
            if not self._is_full:
                self._connection.server.pubsub.batch.when_written(self._catch_up)

    def settle(self) -> None:
        """Give the transport all messages that wait, before an orderly close."""
        while self._queue:
            self._write_some(self._queue)

    def drop_all(self) -> None:
        """Drop all messages that wait, and end, because the transport is gone."""
        self._mode = Mode.OVER
        if self._queue is not None:
            self._queue.drop_all()

    def _catch_up(self) -> None:
        """Let the connection write to the transport again, unless backpressure has ended or messages wait again."""
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
        if self._is_reading_paused:
            self._resume_reading()
        for channel in connection.members():
            channel.catch_up()

    def _move(self) -> None:
        """Enter the lanes of the connection's channels anew, with or without sorting."""
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
        """Close the connection, because too many bytes wait."""
        if self._mode is Mode.OVER:
            return
        connection = self._connection
        with running(AboutConnection(connection)):
            connection.server.log.warning(
                "Closing a connection that left %d bytes unread (Socket(max_unsent=...))",
                self._bound,
            )
        connection.write = discard  # the fast lane must not see the connection leave during a write
        self.drop_all()
        connection.server.loop.call_soon(
            lambda: connection.close(CloseCode.TOO_SLOW, reason="closed")
        )


def discard(framed: Any) -> None:
    """Discard messages to a connection that is lost, or will be closed."""
