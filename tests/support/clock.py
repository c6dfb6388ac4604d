"""What only Bennu's own tests need of virtual time: :mod:`bennu.testing.clock`."""

from __future__ import annotations

import asyncio

from bennu.testing.clock import running_loop

__all__ = ["timers", "work"]


def timers() -> int:
    """Return the number of timers that the running loop waits for."""
    return sum(not timer.cancelled() for timer in running_loop()._scheduled)  # type: ignore[attr-defined]


async def work(seconds: float) -> None:
    """Wait some seconds of virtual time: for the handlers of an application under test."""
    await asyncio.sleep(seconds)
