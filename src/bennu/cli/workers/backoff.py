"""How long a slot waits before it starts a worker again."""

from __future__ import annotations

from typing import Final

__all__ = ["FIRST", "LONGEST", "STEADY", "delay_after"]

FIRST: Final = 0.1
"""Seconds before the first restart."""
LONGEST: Final = 30.0
"""The most seconds before a restart."""
STEADY: Final = 60.0
"""A worker that has served for so many seconds has started well: the next delay is the first again."""


def delay_after(previous: float, served: float) -> float:
    """Return the seconds until the next start of a worker that has ended.

    Args:
        previous: The delay before this worker was started; 0 for the first worker of a slot.
        served: The seconds that this worker has served.

    Example:
        >>> delay_after(0.4, served=2.0)
        0.8
    """
    if previous <= 0 or served >= STEADY:
        return FIRST
    return min(previous * 2, LONGEST)
