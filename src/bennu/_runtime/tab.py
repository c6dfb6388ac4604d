"""What a connection owes for what has come of it: as long as it owes anything, it is not read from."""

from __future__ import annotations

import asyncio

from .._protocol.bucket import Bucket
from ..reasons import Limit
from .link import Link

__all__ = ["Tab"]


class Tab:
    """The debts of one connection.

    Args:
        link: The connection. It is paused as if its inbox were full.
    """

    __slots__ = ("_due", "_link", "_timer")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._due = 0.0
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
        if not wait:
            return
        link = self._link
        if self._timer is None:
            link.runtime.excesses.note(limit, link.info.peer.host)
            link.inbox_full()
        else:  # of two buckets, or of what had been received when reading paused
            self._timer.cancel()
        self._due = max(self._due, now + wait)
        self._timer = link.runtime.loop.call_at(self._due, self._paid)

    def tear(self) -> None:
        """Forget it: the connection is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _paid(self) -> None:
        self._timer = None
        self._link.inbox_drained()
