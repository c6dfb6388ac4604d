"""Waits for a state, within a bound: no test waits for ever, and none sleeps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from .clock import Clock, running_clock

__all__ = ["bound_of", "comes"]

VIRTUAL: Final = 1.0
"""Seconds of virtual time within which something expected must come."""

REAL: Final = 5.0
"""The same in real time: a busy machine is no failure."""

SILENCE: Final = 0.1
"""Seconds within which something refuted must not come."""

PAUSE: Final = 0.001
"""Seconds between two looks in real time."""


def bound_of(within: float | None, *, refutes: bool = False) -> tuple[float, str]:
    """Return the seconds that a wait may take, and the same in words.

    Args:
        within: The seconds that the test gave; None for the default.
        refutes: Whether the test expects that nothing comes.
    """
    is_virtual = running_clock() is not None
    if within is None:
        within = SILENCE if refutes else VIRTUAL if is_virtual else REAL
    return within, f"{within:g} s of virtual time" if is_virtual else f"{within:g} s"


async def comes(condition: Callable[[], object], within: float) -> bool:
    """Wait until a condition is true, and return whether it became true.

    In virtual time, time passes only when every task is blocked; so the result does not depend on the speed of the machine.

    Args:
        condition: Looks at the state.
        within: Seconds.
    """
    clock = running_clock()
    if clock is not None:
        return await _comes_in_virtual_time(condition, within, clock)
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(PAUSE)
    return True


async def _comes_in_virtual_time(
    condition: Callable[[], object], within: float, clock: Clock
) -> bool:
    deadline = clock.time() + within
    while True:
        await clock.settle()
        if condition():
            return True
        if clock.time() >= deadline:
            return False
        await clock.jump(deadline)
