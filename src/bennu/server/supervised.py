"""A task under supervision: how it is told to end, and what happens if it does not.

Whatever runs when an end is due has a *limit*. When that is over it is cancelled (an *interruption*, which
:meth:`Supervised.take_interruption` tells from a cancellation by somebody else); and if it has not heeded
that after as long again, its coroutine is closed under it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from ..message import Message
from .owner import D, H, Owner
from .supervision import kill

__all__ = ["GRACE", "End", "Notice", "Supervised"]


GRACE: Final = 5.0
"""Seconds that a running handler has to finish when its end comes."""


class Notice(Enum):
    """What the client is told of an end."""

    CLOSE = auto()
    ERROR = auto()
    NOTHING = auto()


class End(NamedTuple):
    """Why it ends, and what is told of it.

    Attributes:
        reason: What ``terminate`` gets.
        notice: What the client is told.
        leave: The client's leave, which is answered.
    """

    reason: str | Exception
    notice: Notice
    leave: Message | None = None


class Supervised(Owner[H, D]):
    """An owner with a task behind it.

    Attributes:
        task: It, once it has begun.
        context: The context that the task runs in: its own copy of the connection's.
        waiter: What it waits for when it has nothing to do.
        ending: The end that it comes to after what runs now.
        is_interrupted: Whether what runs has been cancelled by us.
        is_killed: Whether another join takes over.
        is_dead: Whether its coroutine has been closed under it: whatever a handler makes of that.
    """

    __slots__ = (
        "_limit",
        "context",
        "ending",
        "is_dead",
        "is_interrupted",
        "is_killed",
        "task",
        "waiter",
    )

    def __init__(self, connection: H, definition: D, topic: str, agent: Any) -> None:
        super().__init__(connection, definition, topic, agent)
        self.task: asyncio.Task[None] | None = None
        self.context: Context | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.ending: End | None = None
        self.is_interrupted = False
        self.is_killed = False
        self.is_dead = False
        self._limit: asyncio.TimerHandle | None = None

    @property
    def name(self) -> str:
        """The class's, for logs."""
        return self.definition.name

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call back once the task is over."""
        if self.task is None or self.task.done():
            callback()
        else:
            self.task.add_done_callback(lambda _: callback())

    def wake(self, waiter: asyncio.Future[None]) -> None:
        self.waiter = None
        if not waiter.done():
            waiter.set_result(None)

    def end_soon(self, end: End) -> None:
        """End after the handler that runs now, before whatever is queued."""
        if self.ending is None:
            self.ending = end
            self.expect_end(end)

    # The limit of what runs.

    def expect_end(self, end: End) -> None:
        """Wake the task, or give what it is busy with a limit."""
        if self.waiter is not None:
            self.wake(self.waiter)
        elif self.task is not None and not self.task.done():
            self.set_limit(GRACE, end)

    def set_limit(self, seconds: float, end: End | None = None) -> None:
        self.clear_limit()
        self._limit = self.loop.call_later(seconds, self._interrupt, seconds, end)

    def clear_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _interrupt(self, seconds: float, end: End | None) -> None:
        """Cancel what has run too long; kill it, if it was cancelled before."""
        task = self.task
        if task is None or task.done():
            return
        if self.is_interrupted or self.is_killed:
            self.log.error("%s ignored its cancellation and was killed", self.label)
            self.is_dead = True
            kill(task)
            return
        if end is not None:
            self.log.error(
                "%s did not finish in %gs when its end came (%s): it is cancelled",
                self.label,
                seconds,
                end.reason,
            )
            self.ending = end
        self.is_interrupted = True
        task.cancel()
        self._limit = self.loop.call_later(GRACE, self._interrupt, GRACE, None)

    def take_interruption(self) -> bool:
        """Return whether a cancellation was ours, and take it back if so."""
        task = self.task
        if self.is_killed or not self.is_interrupted or task is None:
            return False
        self.is_interrupted = False
        self.clear_limit()
        task.uncancel()
        return True

    def was_cancelled_from_outside(self) -> bool:
        """Whether a CancelledError means this task, not something that a handler waited for."""
        return self.is_killed or (self.task is not None and self.task.cancelling() > 0)
