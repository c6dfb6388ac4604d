"""The queue of messages for a client that reads too slowly. Some of its messages can be dropped.

The queue has all messages for one connection in the order in which they were sent. Replies and notices are never
dropped. Messages of a channel can be dropped if the channel allows it. A drop does not change the order of the other
messages. So a message that replaces an older message with the same key goes to the end.

Two bounds hold after every call. The first is a number of messages for each *owner* (a joined channel that
allows drops). The second is a number of bytes for the queue. Beyond it, the queue drops the oldest message that can be
dropped. One message that can't be dropped can exceed the bound, with any size. The queue refuses the next such message,
and the connection must end.

Every message counts ``COST`` bytes more than its own: the memory of its place in the queue.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Any, Final

from ..reasons import DropReason
from ..telemetry.accounts import Account

__all__ = ["COST", "SendQueue"]

COST: Final = 256
"""Bytes that a message takes besides its own."""

SLACK: Final = 32
"""The number of gaps up to which the queue is not compacted."""

Dropped = Callable[[str, DropReason, int], object]
"""Called with messages that were dropped: their topic, the reason, and their number."""


class _Entry:
    __slots__ = ("account", "frame", "key", "owner", "size", "topic")

    def __init__(
        self,
        topic: str,
        frame: Any,
        size: int,
        owner: object,
        key: Hashable,
        account: Account | None,
    ) -> None:
        self.account = account
        if account is not None:
            account.queued()
        self.topic = topic
        self.frame = frame
        self.size = size
        self.owner = owner
        self.key = key


class SendQueue:
    """The queue of one slow connection.

    Args:
        bound: The most bytes that can wait.
        dropped: Called with each message that is dropped.

    Attributes:
        size: Bytes that wait, each message with its ``COST``.
        kept: The part of ``size`` that must not be dropped.
    """

    __slots__ = (
        "_bound",
        "_count",
        "_droppable",
        "_dropped",
        "_entries",
        "_owners",
        "kept",
        "size",
    )

    def __init__(self, bound: int, dropped: Dropped) -> None:
        self.size = 0
        self.kept = 0
        self._bound = bound
        self._dropped = dropped
        self._count = 0
        # In both, an entry whose frame is None is a gap.
        self._entries: deque[_Entry] = deque()
        self._droppable: deque[_Entry] = deque()
        self._owners: dict[object, OrderedDict[Hashable, _Entry]] = {}

    def __len__(self) -> int:
        return self._count

    def put(self, topic: str, frame: Any, size: int, account: Account | None = None) -> bool:
        """Add a message that must not be dropped.

        Args:
            topic: The topic under which the message is counted, if it can't be delivered.
            frame: The message, framed for the transport.
            size: The bytes of the frame.
            account: Counts what becomes of it; None for a message that nobody counts.

        Returns:
            Whether the message was queued. It is not if the queue exceeds its bound already.
        """
        if self.size > self._bound:
            return False
        self.kept += size + COST
        self._append(_Entry(topic, frame, size + COST, None, None, account))
        self._keep_bound()
        return True

    def offer(
        self,
        topic: str,
        frame: Any,
        size: int,
        *,
        owner: object,
        key: Hashable,
        most: int,
        account: Account | None = None,
    ) -> None:
        """Add a message that can be dropped.

        Args:
            topic: The topic under which the message is counted, if it is dropped.
            frame: The message, framed for the transport.
            size: The bytes of the frame.
            owner: The channel.
            key: The message replaces a waiting message of this owner with the same key. None replaces no message.
            most: The most messages of this owner that can wait.
            account: Counts what becomes of it; None for a message that nobody counts.
        """
        owned = self._owners.get(owner) or OrderedDict[Hashable, _Entry]()
        if key is not None and key in owned:
            self._drop(owned[key], DropReason.SLOW_REPLACED)
        elif len(owned) >= most:
            self._drop(next(iter(owned.values())), DropReason.SLOW_OLDEST)
        key = object() if key is None else key
        entry = _Entry(topic, frame, size + COST, owner, key, account)
        self._owners.setdefault(owner, OrderedDict())[entry.key] = entry
        self._append(entry)
        self._droppable.append(entry)
        self._keep_bound()

    def take(self, limit: int) -> list[Any]:
        """Remove frames from the front, and return them.

        Args:
            limit: Bytes after which no more frames are taken.

        Returns:
            At least one frame, unless the queue is empty.
        """
        frames: list[Any] = []
        entries = self._entries
        while entries and limit > 0:
            entry = entries.popleft()
            if entry.frame is not None:
                frames.append(entry.frame)
                limit -= entry.size - COST
                if entry.account is not None:
                    entry.account.unqueued(size=entry.size - COST)
                self._forget(entry)
        if not entries:
            self._droppable.clear()
        return frames

    def drop_all(self) -> None:
        """Drop all messages, because the connection has ended."""
        left = [entry for entry in self._entries if entry.frame is not None]
        for entry in left:
            if entry.account is not None:
                entry.account.unqueued(DropReason.SLOW_ENDED)
        lost = Counter(entry.topic for entry in left)
        for topic, count in lost.items():
            self._dropped(topic, DropReason.SLOW_ENDED, count)
        self._entries.clear()
        self._droppable.clear()
        self._owners.clear()
        self.size = self.kept = self._count = 0

    def _append(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self._count += 1
        self.size += entry.size
        many = 2 * self._count + SLACK
        if len(self._entries) > many:
            self._entries = _without_gaps(self._entries)
        if len(self._droppable) > many:
            self._droppable = _without_gaps(self._droppable)

    def _keep_bound(self) -> None:
        droppable = self._droppable
        while self.size > self._bound and droppable:
            entry = droppable.popleft()
            if entry.frame is not None:
                self._drop(entry, DropReason.SLOW_OLDEST)

    def _drop(self, entry: _Entry, reason: DropReason) -> None:
        self._forget(entry)
        if entry.account is not None:
            entry.account.unqueued(reason)
        self._dropped(entry.topic, reason, 1)

    def _forget(self, entry: _Entry) -> None:
        """Remove an entry, and leave a gap in its place."""
        entry.frame = None
        self._count -= 1
        self.size -= entry.size
        if entry.owner is None:
            self.kept -= entry.size
        else:
            owned = self._owners[entry.owner]
            del owned[entry.key]
            if not owned:
                del self._owners[entry.owner]


def _without_gaps(entries: deque[_Entry]) -> deque[_Entry]:
    return deque(entry for entry in entries if entry.frame is not None)
