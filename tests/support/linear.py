"""Checks that an operation takes linear time."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["assert_linear"]


def assert_linear(make: Callable[[int], Callable[[], object]], n: int) -> None:
    """Compare the CPU time for n and for 2n: it must be far from four times as much.

    Args:
        make: Returns the function to measure, for a size. The call of ``make`` is not measured.
        n: A size at which quadratic time is visible.
    """
    once, twice = _cpu(make(n)), _cpu(make(2 * n))

    assert twice < 3 * once + 0.005, f"{n}: {once:.4f} s, {2 * n}: {twice:.4f} s"


def _cpu(function: Callable[[], object]) -> float:
    """Return the least CPU time of several calls, in seconds."""
    times: list[float] = []
    for _ in range(3):
        before = time.process_time()
        function()
        times.append(time.process_time() - before)
    return min(times)
