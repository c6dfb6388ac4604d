"""What ``bennu run`` asks of the C library's allocator: memory of large messages goes back when they are gone.

glibc begins with a threshold of 128 KB, above which a block is a mapping of its own and goes back at once. But it
raises that threshold, up to 32 MB, to the size of each such block that is freed. After one message of 10 MB those of
10 MB come from the heap, and the heap keeps up to twice as much. Thresholds that are set do not rise.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

__all__ = ["give_back"]

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3

LARGE: Final = 256 * 1024
"""Bytes from which a block goes back by itself: what a loop reads at once stays below."""
SPARE: Final = 1024 * 1024
"""Bytes that the heap may keep at its end."""


def give_back() -> bool:
    """Keep the thresholds from rising; return whether that was possible: it is on Linux with glibc."""
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none, and needs none
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGE)) and bool(mallopt(M_TRIM_THRESHOLD, SPARE))
