"""Counts what one other node misses of this node, and reports it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from ..bus import Loss, LossReason, Lost

__all__ = ["Missed"]

REPORT: Final = 1.0
"""Seconds between two reports."""


class Missed:
    """The messages that a node misses, by topic, since the last report.

    Args:
        node: The other node.
        lost: Called with each report.
    """

    __slots__ = ("_counts", "_loop", "_lost", "_node", "_timer")

    def __init__(self, node: str, lost: Lost) -> None:
        self._node = node
        self._lost = lost
        self._counts: Counter[bytes] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return self._counts.total()

    def add(self, key: bytes) -> None:
        """Count a message."""
        self._counts[key] += 1

    def add_all(self, counts: Counter[bytes]) -> None:
        """Count messages of several topics."""
        self._counts.update(counts)

    def clear(self) -> None:
        """Forget what is not reported: the process has ended, and misses nothing."""
        self._counts.clear()
        self._cancel()

    def report_soon(self) -> None:
        """Report within a second."""
        if self._timer is None and self._counts:
            self._timer = self._loop.call_later(REPORT, self.report)

    def report(self) -> None:
        """Report now."""
        self._cancel()
        counts, self._counts = self._counts, Counter()
        for key, count in counts.items():
            self._lost(Loss(self._node, key.decode(errors="replace"), count, LossReason.CUT))

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
