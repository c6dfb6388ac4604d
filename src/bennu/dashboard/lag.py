"""Measures how late timers of the event loop run, ten times a second."""

from __future__ import annotations

import asyncio
from typing import Final

__all__ = ["LagProbe"]

TICK: Final = 0.1
"""Seconds between two runs of the timer."""


class LagProbe:
    """A timer that measures its own lateness.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._count = 0
        self._sum = self._max = 0.0
        self._due = loop.time() + TICK
        self._timer = loop.call_at(self._due, self._run)

    def stop(self) -> None:
        """Stop measuring."""
        self._timer.cancel()

    def _run(self) -> None:
        now = self._loop.time()
        late = max(0.0, now - self._due)
        self._count += 1
        self._sum += late
        self._max = max(self._max, late)
        self._due = now + TICK
        self._timer = self._loop.call_at(self._due, self._run)

    def take(self) -> tuple[float, float]:
        """Return the mean and the highest lateness since the last call, in seconds."""
        found = (self._sum / self._count if self._count else 0.0, self._max)
        self._count, self._sum, self._max = 0, 0.0, 0.0
        return found
