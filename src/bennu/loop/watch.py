"""Names what holds the event loop: one callback that does not await keeps all clients waiting.

Theory of operation
-------------------
A thread looks every few milliseconds whether the event loop runs anything, and if so asks it for a sign of life
and waits for that. If it has not come within
the limit, something holds the loop, and the loop's own stack says what: the frames of a handler, of what
called it, and the values there (the channel, the message). So nothing has to be noted while all is well:
the path of a message has no line for this.

Code in C that keeps the interpreter's lock (a regular expression, a large sum) stops this thread too. Then the
thread wakes late, which counts as well; mostly the function is still there, since Python lets the thread go
on at the function's next instruction.

There is one watch for each event loop, whatever the number of endpoints.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from types import FrameType
from typing import Any, ClassVar, Final, NamedTuple
from weakref import WeakKeyDictionary

from ..logs.log import Log
from ..user_code.callback import Callback

__all__ = ["LIMIT", "Holder", "Watch", "what_runs"]

log = Log()

LIMIT: Final = 0.1
"""Seconds that a callback may hold the event loop."""

PERIOD: Final = 0.05
"""Seconds between two signs of life."""

OURS: Final = os.path.dirname(os.path.dirname(__file__)) + os.sep


class Holder(NamedTuple):
    """What holds the event loop.

    Attributes:
        name: What it is: a handler, of which channel, with which event.
        place: Where it is, ``file:line``.
    """

    name: str
    place: str


class Watch:
    """The watch of one event loop.

    Args:
        loop: The event loop, which is the running one.
        limit: Seconds that it may be held.
    """

    _of: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, Watch]] = WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: float) -> None:
        self._loop = loop
        self._limit = limit
        self._users = 0
        self._thread_of_loop = threading.get_ident()
        self._resting = _frame_below(asyncio.current_task(loop))
        self._is_over = threading.Event()
        self._sign = threading.Event()
        self._found: tuple[Holder, float] | None = None
        self._thread = threading.Thread(target=self._run, name="bennu-watch", daemon=True)

    @classmethod
    def begin(cls, limit: float = LIMIT) -> Watch:
        """Watch the running event loop; each user of it calls :meth:`end`."""
        loop = asyncio.get_running_loop()
        watch = cls._of.get(loop)
        if watch is None:
            watch = cls._of[loop] = cls(loop, limit)
            watch._thread.start()
        watch._users += 1
        return watch

    def end(self) -> None:
        """Watch no longer, if nobody else wants it."""
        self._users -= 1
        if not self._users:
            self._is_over.set()
            self._sign.set()
            if self._of.get(self._loop) is self:
                del self._of[self._loop]

    # In the thread.

    def _run(self) -> None:
        while True:
            due = time.monotonic() + PERIOD
            if self._is_over.wait(PERIOD) or self._loop.is_closed():
                self._of.pop(self._loop, None)
                return
            late = time.monotonic() - due
            try:
                self._look(due if late > self._limit else time.monotonic())
            except RuntimeError:  # the event loop is closed
                return

    def _look(self, since: float) -> None:
        """Ask for a sign of life; find out what holds the loop if none comes in time."""
        if self._is_resting():
            return
        self._sign.clear()
        found = self._what_runs() if time.monotonic() - since > self._limit else None
        self._loop.call_soon_threadsafe(self._sign.set)
        if not self._sign.wait(self._limit):
            found = self._what_runs()
            while not self._sign.wait(1.0):
                if self._loop.is_closed():
                    return
        held = time.monotonic() - since
        if found is not None and held > self._limit and not self._is_over.is_set():
            self._loop.call_soon_threadsafe(_tell, found, held)

    def _is_resting(self) -> bool:
        """Whether the loop waits for something to do, and needs not be woken to say so."""
        frame = sys._current_frames().get(self._thread_of_loop)
        return frame is None or frame is self._resting or frame.f_code.co_name == "select"

    def _what_runs(self) -> Holder | None:
        frame = sys._current_frames().get(self._thread_of_loop)
        return None if frame is None else what_runs(frame)


def _frame_below(task: asyncio.Task[Any] | None) -> FrameType | None:
    """Return the frame in which the event loop of a running task was started, if the loop itself has none (uvloop)."""
    coroutine: Any = None if task is None else task.get_coro()
    frame: FrameType | None = getattr(coroutine, "cr_frame", None)
    return None if frame is None else frame.f_back


def _tell(holder: Holder, seconds: float) -> None:
    log.log(
        logging.WARNING,
        "%s held the event loop for %d ms, at %s: nobody else was served meanwhile. Await what waits, or"
        " write a plain `def`, which runs in a thread",
        (holder.name, round(seconds * 1000), holder.place),
        ("held", holder.place),
    )


def what_runs(top: FrameType) -> Holder | None:
    """Return what a stack says of the function of the user's that runs in it; None if there is none.

    Args:
        top: The innermost frame.
    """
    user: FrameType | None = None
    name: str | None = None
    frame: FrameType | None = top
    while frame is not None:
        if frame.f_code.co_filename.startswith(OURS):
            found = _named_by(frame.f_locals)
            if found is not None:
                if name is None:
                    name = found
                elif found not in name:
                    name = f"{name} of {found}"
                if _label_of(frame.f_locals.get("self")) is not None:
                    break
        elif name is None and frame.f_code.co_filename != __file__:
            user = frame
        frame = frame.f_back
    if name is None:
        return None
    at = top if user is None else user
    return Holder(name, f"{at.f_code.co_filename}:{at.f_lineno}")


def _named_by(values: dict[str, Any]) -> str | None:
    """Return what the local variables of a function of ours say of what it runs."""
    this: Any = values.get("self")
    if isinstance(this, Callback):
        return this.subject
    label = _label_of(this)
    if label is not None:
        event = getattr(values.get("message"), "event", None)
        of_event = f"{event!r} of " if isinstance(event, str) else ""
        handler = values.get("handler")
        of_handler = f"{handler.name} for " if isinstance(handler, Callback) else ""
        return f"{of_handler}{of_event}{label}"
    task, mount = values.get("task_of"), getattr(values.get("target"), "mount", None)
    if isinstance(task, str):
        return f"a task of {task}"
    return mount if isinstance(mount, str) else None


def _label_of(this: Any) -> str | None:
    """Return what a running channel or raw handler is called in logs; None for anything else."""
    label = getattr(this, "label", None)
    return label if isinstance(label, str) else None
