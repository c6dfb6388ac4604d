"""Logs which function blocks the event loop: a callback that does not await keeps all clients waiting.

Theory of operation
-------------------
A thread checks every 50 ms whether the event loop runs anything. If so, the thread schedules a callback on the loop,
and waits for the callback. If the callback does not run within the limit, a function blocks the loop. The loop's
stack then shows the handler, its callers, and their local variables (the channel, the message). So the path of a
message needs no line for this watch.

Code in C that keeps the interpreter's lock (a regular expression, a large sum) stops this thread too. Then the
thread wakes late, and the delay counts as blocked. Mostly the function is still on the stack, because Python lets the
thread continue at the function's next instruction.

There is one watch for each event loop, for any number of endpoints.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar, Final, NamedTuple
from weakref import WeakKeyDictionary

from ..logs.log import Log
from ..user_code.callback import Callback

__all__ = ["LIMIT", "Holder", "Watch", "what_runs"]

log = Log()

LIMIT: Final = 0.1
"""Seconds that a callback can hold the event loop without a warning."""

PERIOD: Final = 0.05
"""Seconds between two checks."""

BENNU: Final = os.path.dirname(os.path.dirname(__file__)) + os.sep
"""The folder of Bennu's own code."""


class Holder(NamedTuple):
    """The function that holds the event loop.

    Attributes:
        name: The handler with its event and channel, or another function's name.
        place: The line that runs, ``file:line``.
    """

    name: str
    place: str


Tell = Callable[[Holder, float], object]


class Watch:
    """The watch of one event loop.

    Args:
        loop: The running event loop.
        limit: Seconds that a callback can hold the loop without a warning.
    """

    _of: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, Watch]] = WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: float) -> None:
        self._loop = loop
        self._limit = limit
        self._tells: list[Tell] = []
        self._thread_of_loop = threading.get_ident()
        self._idle_frame = _frame_below(asyncio.current_task(loop))
        self._is_over = threading.Event()
        self._answered = threading.Event()
        self._found: tuple[Holder, float] | None = None
        self._thread = threading.Thread(target=self._run, name="bennu-watch", daemon=True)

    @classmethod
    def begin(cls, tell: Tell, limit: float = LIMIT) -> Watch:
        """Watch the running event loop. Each caller later calls :meth:`end` of the returned watch.

        Args:
            tell: Called on the event loop after it was held, with the function and the seconds.
            limit: Seconds that a callback can hold the loop without a warning; default 0.1.
        """
        loop = asyncio.get_running_loop()
        watch = cls._of.get(loop)
        if watch is None:
            watch = cls._of[loop] = cls(loop, limit)
            watch._thread.start()
        watch._tells.append(tell)
        return watch

    def end(self, tell: Tell) -> None:
        """Stop watching for a caller of :meth:`begin`. The last one stops the watch."""
        self._tells.remove(tell)
        if not self._tells:
            self._is_over.set()
            self._answered.set()
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
                self._check(due if late > self._limit else time.monotonic())
            except RuntimeError:  # the event loop is closed
                return

    def _check(self, since: float) -> None:
        """Schedule a callback on the loop; find out what holds the loop if the callback does not run in time."""
        if self._is_idle():
            return
        self._answered.clear()
        found = self._what_runs() if time.monotonic() - since > self._limit else None
        self._loop.call_soon_threadsafe(self._answered.set)
        if not self._answered.wait(self._limit):
            found = self._what_runs()
            while not self._answered.wait(1.0):
                if self._loop.is_closed():
                    return
        held = time.monotonic() - since
        if found is not None and held > self._limit and not self._is_over.is_set():
            self._loop.call_soon_threadsafe(self._warn, found, held)

    def _warn(self, holder: Holder, seconds: float) -> None:
        """Log what has held the loop, and tell the users. This runs on the loop."""
        log.log(
            logging.WARNING,
            "%s held the event loop for %d ms, at %s: no other client was served in that time. Await the slow"
            " call, or write a plain `def`, which runs in a thread",
            (holder.name, round(seconds * 1000), holder.place),
            ("held", holder.place),
        )
        for tell in tuple(self._tells):
            tell(holder, seconds)

    def _is_idle(self) -> bool:
        """Return whether the loop waits for input, and so needs not be woken for a check."""
        frame = sys._current_frames().get(self._thread_of_loop)
        return frame is None or frame is self._idle_frame or frame.f_code.co_name == "select"

    def _what_runs(self) -> Holder | None:
        frame = sys._current_frames().get(self._thread_of_loop)
        return None if frame is None else what_runs(frame)


def _frame_below(task: asyncio.Task[Any] | None) -> FrameType | None:
    """Return the frame that started the event loop of a running task, if the loop itself has no frame (uvloop)."""
    coroutine: Any = None if task is None else task.get_coro()
    frame: FrameType | None = getattr(coroutine, "cr_frame", None)
    return None if frame is None else frame.f_back


def what_runs(top: FrameType) -> Holder | None:
    """Return the user's function that runs in a stack; None if there is none.

    Args:
        top: The innermost frame of the stack.
    """
    user: FrameType | None = None
    name: str | None = None
    frame: FrameType | None = top
    while frame is not None:
        if frame.f_code.co_filename.startswith(BENNU):
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
    """Return the name of the user's function, from the local variables of one of Bennu's functions that calls it."""
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
    """Return the name of a running channel or raw handler in logs; None for any other object."""
    label = getattr(this, "label", None)
    return label if isinstance(label, str) else None
