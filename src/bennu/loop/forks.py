"""Notices a fork: a child must use neither the event loop nor the connections of its parent.

A child of ``fork`` has all open files of its parent. While the child lives, a process at the other end would not notice
the parent's death. So the child replaces each file by ``/dev/null``, under the same number. Code that closes the number
later closes no other file.
"""

from __future__ import annotations

import os
from typing import Any, Protocol
from weakref import WeakSet

__all__ = ["Forkable", "give_up", "watch"]


class Forkable(Protocol):
    """An object that belongs to one process."""

    def leave_parent(self) -> None:
        """Give up what is the parent's, because this process is its child."""
        ...


_watched: WeakSet[Any] = WeakSet()


def watch(forkable: Forkable) -> None:
    """Call ``leave_parent`` in each child of this process."""
    _watched.add(forkable)


def give_up(fds: list[int]) -> None:
    """Replace files by ``/dev/null``, under the same numbers."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        for fd in fds:
            if fd >= 0:
                os.dup2(null, fd, inheritable=False)
    finally:
        os.close(null)


def _leave_parents() -> None:
    for forkable in tuple(_watched):
        forkable.leave_parent()


_hook: Any = getattr(os, "register_at_fork", None)  # there is no fork on Windows
if _hook is not None:
    _hook(after_in_child=_leave_parents)
