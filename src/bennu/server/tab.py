"""Pauses reading from a connection that exceeds a rate, until what has come is paid for.

While reading is paused, the server does not meet the end of a connection whose client has closed it: megabytes may wait in
the kernel before that end. So a tab is looked at now and then. If the client has gone, nothing has to be paid any more: what
it sent before is read at once, and the connection ends.
"""

from __future__ import annotations

import asyncio

from ..limits.rate import Bucket
from ..reasons import Limit
from .link import Link
from .transport import Transport

__all__ = ["Tab"]


class Tab:
    """The debts of one connection.

    Args:
        link: The connection. It is paused as if its inbox were full.
    """

    __slots__ = ("_due", "_is_free", "_link", "_timer")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._due = 0.0
        self._is_free = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether anything is owed."""
        return self._timer is not None

    def put(self, limit: Limit, bucket: Bucket, now: float, count: int) -> None:
        """Take so many tokens; if some are owed by that, pause until none are.

        Args:
            limit: Of what.
            bucket: Where from.
            now: The time in seconds.
            count: How many.
        """
        wait = bucket.draw(now, count)
        if not wait or self._is_free:
            return
        link = self._link
        if self._timer is None:
            link.server.excesses.note(limit, link.info.peer.host)
            link.inbox_full()
        else:  # of two buckets, or of what had been received when reading paused
            self._timer.cancel()
        self._due = max(self._due, now + wait)
        self._timer = link.server.loop.call_at(self._due, self._paid)

    def look(self, wire: Transport) -> None:
        """Read on at once, and pause no more, if the client has gone meanwhile.

        Args:
            wire: The connection's.
        """
        if self._timer is not None and wire.is_left:
            self._is_free = True
            self._timer.cancel()
            self._paid()

    def tear(self) -> None:
        """Forget it: the connection is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _paid(self) -> None:
        self._timer = None
        self._link.inbox_drained()
