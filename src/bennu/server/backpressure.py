"""Between a connection and a client that does not read as fast as is written for it.

Theory of operation
-------------------
A :class:`Slow` is made when the transport's buffer goes over its high-water mark
(:meth:`~bennu.server.link.Link.congested`), and gone when the client has caught up. So whoever keeps up
pays nothing for it.

If none of the connection's channels lets messages be dropped, it only *watches*: everything goes on to
the transport, in the same blobs as before. Once more than ``max_unsent`` bytes wait there behind what was
under way when the client fell back, the next write is the last: so one message of any size always gets
through.

Else it *sorts*: the connection leaves the fast lane, every message comes here one by one and waits in a
:class:`~bennu.server.send_queue.Backlog`, which drops what it may. The transport gets nothing before it
has drained; then it gets as much as it takes. When all is written the connection returns to the fast
lane.

What a client sends makes replies, and those can't be dropped. So when a good part of the bound waits, of what
can't be dropped, no more is read from the client until it has caught up: one that sends much and is answered
much is held back by its own reading, and not closed.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final, Protocol

from ..backpressure import DropPolicy
from ..message import Broadcast, Encoded
from ..pubsub import Writer
from ..pubsub.fastlane import Interceptor, LaneKey
from ..reasons import CloseCode, DropReason
from ..user_code.callback import Callback
from .send_queue import Backlog
from .server import Server
from .transport import Transport

__all__ = ["Slow", "SlowChannel", "discard"]


CHUNK: Final = 64 * 1024
"""Bytes that are joined for one write."""

HOLD: Final = 8
"""The part of the bound from which on nothing is read from the client. The rest is for what its channels have
in their inboxes by then, and for broadcasts."""

OTHER: Final = "*"
"""The topic under which replies and notices count."""


class SlowChannel(Interceptor, Protocol):
    """A channel, as far as it matters here."""

    @property
    def topic(self) -> str:
        """The topic."""
        ...

    @property
    def drop_policy(self) -> DropPolicy | None:
        """Which of its messages may be dropped; None if none may."""
        ...

    @property
    def drop_key(self) -> Callback | None:
        """Finds the key by which a newer message takes the place of an older one."""
        ...

    @property
    def lane(self) -> LaneKey | None:
        """The lane of its topic that the connection is in because of it."""
        ...


class SlowLink(Protocol):
    """A connection, as far as it matters here: an outbox of the fast lane, and what closes it."""

    lanes: int
    cursor: int
    write: Writer
    slow: Slow | None

    @property
    def server(self) -> Server:
        """What the endpoint's connections share."""
        ...

    def members(self) -> Sequence[SlowChannel]:
        """Return the channels that are joined."""
        ...

    def inbox_full(self) -> None:
        """Stop reading."""
        ...

    def inbox_drained(self) -> None:
        """Go on reading."""
        ...

    def close(
        self, code: CloseCode, text: str | None = None, *, reason: str | Exception = ...
    ) -> None:
        """Close from our side."""
        ...


class Slow:
    """A client that reads too slowly.

    Args:
        link: Its connection.
        wire: The transport.
        bound: Bytes that may wait.
    """

    __slots__ = (
        "_backlog",
        "_behind",
        "_bound",
        "_has_complained",
        "_has_dropped",
        "_holds",
        "_is_choked",
        "_is_writing",
        "_left",
        "_link",
        "_wire",
    )

    def __init__(self, link: SlowLink, wire: Transport, bound: int) -> None:
        self._link = link
        self._wire = wire
        self._bound = bound
        self._holds = False
        self._backlog: Backlog | None = None
        self._behind = 0
        self._left = -wire.unsent
        self._is_choked = True
        self._is_writing = False
        self._has_complained = False
        self._has_dropped = False

    @property
    def sorts(self) -> bool:
        """Whether it takes messages one by one."""
        return self._backlog is not None

    # What is written for the client.

    def write(self, framed: Any) -> None:
        """Take what was framed for it."""
        size = self._wire.framing.size(framed)
        if self._backlog is not None:
            self._put(self._backlog, OTHER, framed, size)
            return
        waiting = min(self._behind, self._wire.unsent)
        self._behind += size
        self._wire.write(framed)
        if waiting > self._bound:
            self._give_up()
        elif waiting > self._bound // HOLD:
            self._hold()

    def push(self, channel: Any, event: str, payload: Any, encoded: Encoded) -> None:
        """Take a push of one of its channels."""
        link = self._link
        link.server.pubsub.batch.sync(link)
        framing = self._wire.framing
        frame = framing.frame(*encoded)
        if self._backlog is None:
            link.write(frame)
        else:
            self.offer(
                channel, Broadcast(channel.topic, event, payload), frame, framing.size(frame)
            )

    def offer(self, member: Any, broadcast: Broadcast, frame: Any, size: int) -> None:
        """Take a broadcast for one of its channels."""
        backlog = self._backlog
        if backlog is None or self._link.write is discard:
            self._dropped(broadcast.topic, DropReason.SLOW_ENDED, 1)
            return
        channel: SlowChannel = member
        policy = channel.drop_policy
        if policy is None:
            self._put(backlog, broadcast.topic, frame, size)
        else:
            key = self._key(policy, channel.drop_key, broadcast)
            backlog.offer(broadcast.topic, frame, size, owner=channel, key=key, most=policy.max)

    def _put(self, backlog: Backlog, topic: str, frame: Any, size: int) -> None:
        if not backlog.put(topic, frame, size):
            self._dropped(topic, DropReason.SLOW_ENDED, 1)
            self._give_up()
        elif backlog.kept > self._bound // HOLD:
            self._hold()

    def _hold(self) -> None:
        """Read no more from the client: what it says makes replies."""
        if not self._holds:
            self._holds = True
            self._link.inbox_full()

    def _release(self) -> None:
        self._holds = False
        self._link.inbox_drained()

    def is_read(self) -> bool:
        """Whether the client has read since this was asked last; while it is not heard, that is life."""
        left = self._behind - self._wire.unsent
        before, self._left = self._left, left
        return self._holds and left > before

    def _dropped(self, topic: str, reason: DropReason, count: int) -> None:
        self._link.server.telemetry.dropped(topic, reason, count)
        if not self._has_dropped and reason is not DropReason.SLOW_ENDED:
            self._has_dropped = True
            self._link.server.log.info(
                "A client reads slowly: messages of %r are dropped (when_slow)", topic
            )

    def _key(self, policy: DropPolicy, drop_key: Callback | None, broadcast: Broadcast) -> Hashable:
        event, payload = broadcast.event, broadcast.payload
        try:
            if drop_key is None:
                key = policy.key_of(event, payload)
            else:
                key = drop_key.now(event, payload)
            hash(key)
        except Exception:
            if not self._has_complained:
                self._has_complained = True
                self._link.server.log.exception(
                    "%s found no key for a %r: such messages replace none",
                    policy,
                    broadcast.event,
                )
            return None
        return key

    # How it begins, and ends.

    def sort(self) -> None:
        """Begin to sort, if a channel lets messages be dropped."""
        link = self._link
        if self._backlog is not None or link.slow is not self:
            return
        if all(channel.drop_policy is None for channel in link.members()):
            return
        link.server.pubsub.batch.sync(link)
        if link.write is not discard:
            self._backlog = Backlog(self._bound, self._dropped)
            self._move()

    def choke(self) -> None:
        """Write no more: the transport's buffer is over its mark again."""
        self._is_choked = True

    def drained(self) -> None:
        """Go on: the transport's buffer has room."""
        self._is_choked = False
        backlog = self._backlog
        if backlog is None:
            self._catch_up()
        elif not self._is_writing:
            self._is_writing = True  # the transport may say so again while we write
            while backlog and not self._is_choked:
                self._write_some(backlog)
            self._is_writing = False
            if self._holds and backlog.kept <= self._bound // HOLD // 2:
                self._release()
            if not self._is_choked:
                self._link.server.pubsub.batch.when_written(self._catch_up)

    def settle(self) -> None:
        """Give the transport all that waits: an orderly close follows."""
        while self._backlog:
            self._write_some(self._backlog)

    def drop_all(self) -> None:
        """Drop all that waits: there is nobody to write to any more."""
        if self._backlog is not None:
            self._backlog.drop_all()

    def _catch_up(self) -> None:
        """Let the connection write freely again, unless things have changed meanwhile."""
        link = self._link
        if link.slow is not self or link.write is discard:
            return
        if self._backlog:
            self.drained()
            return
        link.slow = None
        link.write = self._wire.write
        if self._backlog is not None:
            self._move()
        if self._holds:
            self._release()

    def _move(self) -> None:
        link = self._link
        places = [
            (channel.topic, channel.lane) for channel in link.members() if channel.lane is not None
        ]
        link.server.pubsub.move(link, places)

    def _write_some(self, backlog: Backlog) -> None:
        frames = backlog.take(CHUNK)
        framing = self._wire.framing
        framed = frames[0] if len(frames) == 1 else framing.join(frames)
        self._behind += framing.size(framed)
        self._wire.write(framed)

    def _give_up(self) -> None:
        link = self._link
        if link.write is discard:
            return
        self._link.server.log.warning(
            "Closing a connection that left %d bytes unread (Socket(max_unsent=...))", self._bound
        )
        link.write = discard  # the fast lane must not see it leave while it writes
        self.drop_all()
        link.server.loop.call_soon(lambda: link.close(CloseCode.TOO_SLOW, reason="closed"))


def discard(framed: Any) -> None:
    """Stand in for the wire of a connection that is lost, or about to be."""
