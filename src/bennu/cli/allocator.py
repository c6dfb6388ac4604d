"""Makes the C library's allocator return the memory of freed messages to the system, under ``bennu run``.

glibc maps each block above a threshold (128 KB at first) separately, and returns it to the system when it is freed.
But glibc raises this threshold, up to 32 MB, to the size of each freed block. After one message of 10 MB, blocks of
10 MB come from the heap, and the heap keeps up to twice as much. A threshold that is set explicitly does not rise
(:func:`fix_thresholds`).

Smaller blocks come from the heap, which shrinks only at its end: one small block at the end keeps all free memory
below it. So a timer checks how much of the heap is free. If that has grown, the timer returns free pages in the middle
of the heap (:class:`Trimmer`).
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import Callable
from typing import Any, Final

__all__ = ["Trimmer", "fix_thresholds"]

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3

MMAP_BYTES: Final = 256 * 1024
"""Bytes from which a block is mapped separately. One read of the event loop is smaller."""
SPARE_BYTES: Final = 1024 * 1024
"""Free bytes that the heap keeps at its end."""
EVERY: Final = 5.0
"""Seconds between two checks of the heap."""
GROWTH: Final = 8 * 1024 * 1024
"""Bytes by which the free memory must grow before it is returned: to return it takes some milliseconds."""


def fix_thresholds() -> bool:
    """Set the thresholds, so that they do not rise.

    Returns:
        Whether that was possible. It is possible on Linux with glibc.
    """
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)) and bool(
        mallopt(M_TRIM_THRESHOLD, SPARE_BYTES)
    )


class Trimmer:
    """Returns free memory in the middle of the heap to the system.

    Args:
        free: Returns how many bytes of the heap are free. The C library also counts pages that were already
            returned, so only the growth since the lowest value matters.
        trim: Returns the free memory to the system.
    """

    def __init__(self, free: Callable[[], int], trim: Callable[[], object]) -> None:
        self._free = free
        self._trim = trim
        self._least = free()
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def for_process(cls) -> Trimmer | None:
        """Return a trimmer of this process's heap; None if the C library is not glibc 2.33 or newer."""
        mallinfo, malloc_trim = _function("mallinfo2"), _function("malloc_trim")
        if mallinfo is None or malloc_trim is None:
            return None
        mallinfo.restype = _Mallinfo
        return cls(lambda: mallinfo().fordblks, lambda: malloc_trim(SPARE_BYTES))

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Check the heap every EVERY seconds, by timers of this event loop."""
        self._timer = loop.call_later(EVERY, self._on_time, loop)

    def stop(self) -> None:
        """Stop the checks."""
        if self._timer is not None:
            self._timer.cancel()

    def check(self) -> bool:
        """Return free memory to the system if it has grown by GROWTH; return whether it had."""
        free = self._free()
        self._least = min(self._least, free)
        if free - self._least < GROWTH:
            return False
        self._trim()
        self._least = self._free()
        return True

    def _on_time(self, loop: asyncio.AbstractEventLoop) -> None:
        self.check()
        self.start(loop)


class _Mallinfo(ctypes.Structure):
    """glibc's struct of the heap's state: ``mallinfo(3)``."""

    _fields_ = (
        ("arena", ctypes.c_size_t),
        ("ordblks", ctypes.c_size_t),
        ("smblks", ctypes.c_size_t),
        ("hblks", ctypes.c_size_t),
        ("hblkhd", ctypes.c_size_t),
        ("usmblks", ctypes.c_size_t),
        ("fsmblks", ctypes.c_size_t),
        ("uordblks", ctypes.c_size_t),
        ("fordblks", ctypes.c_size_t),
        ("keepcost", ctypes.c_size_t),
    )


def _function(name: str) -> Any:
    """Return a function of the C library; None if the library lacks it. musl needs none of these functions."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
