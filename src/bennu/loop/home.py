"""The home of an endpoint: the event loop on which it was started, that loop's thread, and the process.

Theory of operation
-------------------
All objects of an endpoint belong to one event loop. A call from another thread or loop would change their state at a
wrong moment, or would not wake the loop. A call from another process would reach no client. So every public method
first calls :meth:`Home.expect`. A call from a wrong place gets an error that says what to write instead.

The check runs at every push and broadcast. It compares the number of the thread, and asks whether the loop runs. A
thread runs one loop at a time, so the running loop is this one. Asking which loop runs would cost a system call. A
child of ``fork`` has the parent's thread numbers, so every home forgets its thread in the child.

A ``PubSub`` without an endpoint is never started. Its home is the event loop on which it is first used.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from threading import get_ident
from typing import Final

from ..errors import BennuError, NotStarted, WrongThread
from .forks import watch

__all__ = ["Home"]

NO_THREAD: Final = 0
"""A number that no thread has."""


class Home:
    """The event loop, the thread and the process of one endpoint.

    Args:
        starts_on_use: Whether the first call on a running event loop starts the home; default False.

    Attributes:
        thread: The number of the thread in which the event loop runs; 0 if the home is not started.
        is_running: Returns whether the event loop runs; False if the home is not started.
    """

    __slots__ = ("__weakref__", "_is_inherited", "_loop", "_starts_on_use", "is_running", "thread")

    def __init__(self, *, starts_on_use: bool = False) -> None:
        self.thread = NO_THREAD
        self._starts_on_use = starts_on_use
        self._is_inherited = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.is_running: Callable[[], bool] = _never
        watch(self)

    # Start and stop.

    def start(self) -> None:
        """Make the running event loop the home's loop.

        Raises:
            WrongThread: The home has another event loop, which is not closed.
        """
        if self._loop is not None and not self.is_current and not self.is_abandoned:
            raise self.wrong_loop_error("endpoint.start() was called")
        self._loop = asyncio.get_running_loop()
        self.is_running = self._loop.is_running
        self._is_inherited = False
        self.thread = get_ident()

    def stop(self) -> None:
        """Forget the event loop."""
        self.thread = NO_THREAD
        self._loop = None
        self.is_running = _never
        self._is_inherited = False

    def leave_parent(self) -> None:
        """Forget the thread: this process is a child of the process in which the home was started."""
        if self._loop is not None:
            self.thread = NO_THREAD
            self.is_running = _never
            self._is_inherited = True

    # State.

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop.

        Raises:
            NotStarted: The home is not started.
        """
        if self._loop is None:
            raise NotStarted("the endpoint is not started: await endpoint.start() first")
        return self._loop

    @property
    def is_current(self) -> bool:
        """Whether the home's event loop runs in this thread."""
        return self.thread == get_ident() and self.is_running()

    @property
    def is_in_process(self) -> bool:
        """Whether the home is started in this process, and not in a parent process."""
        return self._loop is not None and not self._is_inherited

    @property
    def is_abandoned(self) -> bool:
        """Whether the home is started and can't be stopped: its loop is closed, or belongs to a parent process."""
        return self._loop is not None and (self._is_inherited or self._loop.is_closed())

    # The check.

    def expect(self, owner: str, method: str, instead: str | None = None) -> None:
        """Check that a call comes from the event loop.

        Args:
            owner: The object of the method, as users write it: ``"endpoint"``.
            method: The name of the method.
            instead: The code for a worker thread, with ``{}`` for the method; None is ``owner.sync.method(...)``.

        Raises:
            WrongThread: The call comes from another thread or event loop.
            NotStarted: The home is not started in this process.
        """
        if self.thread != get_ident() or not self.is_running():
            self._explain(owner, method, instead)

    def expect_process(self, owner: str, method: str) -> None:
        """Check that a call does not come from a child of the process that serves.

        Raises:
            NotStarted: The call comes from such a child.
        """
        if self._is_inherited:
            raise self._wrong_call_error(owner, method)

    def loop_for_thread(self, owner: str, method: str) -> asyncio.AbstractEventLoop:
        """Return the event loop, on which a worker thread wants to call a method.

        Args:
            owner: The object of the method, as users write it: ``"endpoint"``.
            method: The name of the method.

        Raises:
            NotStarted: The home is not started in this process.
            WrongThread: The event loop does not run.
        """
        loop = self._loop
        if loop is None or self._is_inherited or not self.is_running():
            raise self._wrong_call_error(f"{owner}.sync", method)
        return loop

    def _explain(self, owner: str, method: str, instead: str | None) -> None:
        if self._starts_on_use and (self._loop is None or self.is_abandoned):
            if _running() is not None:
                self.start()
            return
        raise self._wrong_call_error(owner, method, instead)

    def _wrong_call_error(self, owner: str, method: str, instead: str | None = None) -> BennuError:
        """Return the error for a call from a wrong thread, event loop or process."""
        call = f"{owner}.{method}(...)"
        if self._loop is None or self._is_inherited:
            return NotStarted(_text_of_not_started(call, is_child=self._is_inherited))
        twin = f"{owner}.sync.{method}"
        there = f"{twin}(...)" if instead is None else instead.format(method)
        running = _running()
        if not self.is_running():
            return self.wrong_loop_error(f"{call} was called")
        if running is None:
            name = threading.current_thread().name
            return WrongThread(
                f"{call} belongs to the event loop, and was called in a worker thread ({name}):"
                f" write {there}"
            )
        there_async = (
            f"; in async code await asyncio.to_thread({twin}, ...)" if instead is None else ""
        )
        return WrongThread(
            f"{call} belongs to the event loop that serves the clients, and was called on another one"
            f" (in the thread {threading.current_thread().name}): write {there} instead of"
            f" asyncio.run(...){there_async}"
        )

    def wrong_loop_error(self, what: str) -> WrongThread:
        """Return the error for a use of the endpoint on a second event loop.

        Args:
            what: The use, as the beginning of the message: ``"a client connected"``.
        """
        state = "runs" if self.is_running() else "does not run at the moment"
        if self._loop is not None and self._loop.is_closed():
            state = "is closed"
        return WrongThread(
            f"{what} outside of the event loop on which the endpoint was started, which {state}: start,"
            " use and stop an endpoint on one event loop, with await endpoint.stop() before that loop ends."
            " In tests, start and stop it in each test, or use one event loop for the session; with"
            " Starlette's TestClient write `with TestClient(app) as client:`"
        )


def _text_of_not_started(call: str, *, is_child: bool) -> str:
    if is_child:
        where = (
            f"this process ({os.getpid()}) is a fork of the one that serves the clients, and the"
            " endpoint is not started in it"
        )
    else:
        where = f"the endpoint is not started in this process ({os.getpid()})"
    return (
        f"{call} reaches no client: {where}. In a script, a task queue or a child process, write"
        " BlockingPublisher(ADDRESS).broadcast(...), with the address of Endpoint(pubsub=ADDRESS), or send a request"
        " to the server's API (Endpoint(api=...)). In the server, call it after the start, for example in the"
        " lifespan. In a test, await endpoint.start() first"
    )


def _running() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread; None if none runs."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _never() -> bool:
    return False
