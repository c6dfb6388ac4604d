"""What ``bennu run`` asks of the C library's allocator: memory of messages goes back when they are gone.

glibc begins with a threshold of 128 KB, above which a block is a mapping of its own and goes back at once. But it
raises that threshold, up to 32 MB, to the size of each such block that is freed. After one message of 10 MB those of
10 MB come from the heap, and the heap keeps up to twice as much. Thresholds that are set do not rise
(:func:`give_back`).

Smaller blocks come from the heap, and by itself it shrinks at its end only: one small block there keeps all that is
free below it. So a timer looks how much is free, and gives back the pages in the midst of the heap when that has
grown (:class:`Trimmer`).
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import Callable
from typing import Any, Final

__all__ = ["Trimmer", "give_back"]

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3

LARGE: Final = 256 * 1024
"""Bytes from which a block goes back by itself: what a loop reads at once stays below."""
SPARE: Final = 1024 * 1024
"""Bytes that the heap may keep at its end."""
EVERY: Final = 5.0
"""Seconds between two looks at the heap."""
MUCH: Final = 8 * 1024 * 1024
"""Bytes by which what is free in it must have grown to be given back: that costs a millisecond or a few."""


def give_back() -> bool:
    """Keep the thresholds from rising; return whether that was possible: it is on Linux with glibc."""
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGE)) and bool(mallopt(M_TRIM_THRESHOLD, SPARE))


class Trimmer:
    """Gives back what has become free in the midst of the heap.

    Args:
        free: Returns how many bytes of the heap are free. Those that were given back count as well: the C library
            knows no difference. So what matters is by how much they have grown since they were fewest.
        trim: Gives them back.
    """

    def __init__(self, free: Callable[[], int], trim: Callable[[], object]) -> None:
        self._free = free
        self._trim = trim
        self._least = free()
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def of_the_process(cls) -> Trimmer | None:
        """Return that of this process, if its C library is one that needs it: glibc, from 2.33 on."""
        mallinfo, malloc_trim = _function("mallinfo2"), _function("malloc_trim")
        if mallinfo is None or malloc_trim is None:
            return None
        mallinfo.restype = _Mallinfo
        return cls(lambda: mallinfo().fordblks, lambda: malloc_trim(SPARE))

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look from now on, in timers of this event loop."""
        self._timer = loop.call_later(EVERY, self._on_time, loop)

    def stop(self) -> None:
        """Look no longer."""
        if self._timer is not None:
            self._timer.cancel()

    def look(self) -> bool:
        """Give back what is free, if it has grown by much; return whether it had."""
        free = self._free()
        self._least = min(self._least, free)
        if free - self._least < MUCH:
            return False
        self._trim()
        self._least = self._free()
        return True

    def _on_time(self, loop: asyncio.AbstractEventLoop) -> None:
        self.look()
        self.start(loop)


class _Mallinfo(ctypes.Structure):
    """What glibc tells of its heap: ``mallinfo(3)``."""

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
    """Return a function of the C library; None if it has no such one: musl needs none of these."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
