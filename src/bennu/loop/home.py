"""Where an endpoint lives: the event loop on which it was started, that loop's thread, and the process.

Theory of operation
-------------------
All objects of an endpoint belong to one event loop. A call from anywhere else would change their state in the
middle of something, wake nobody, or reach nobody at all. So every public call asks the endpoint's :class:`Home`
first (:meth:`Home.expect`), and a call from elsewhere gets an error that says what to write instead.

The check runs at every push and broadcast, so it compares the number of the thread and asks whether the loop
runs: a thread runs one loop at a time, so that it is this one. It does not ask which loop runs, which costs a
system call. A child of ``fork`` has the parent's numbers, so every home forgets its thread in the child.

A ``PubSub`` without an endpoint has nobody who starts it. Its home is where it is used first.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from threading import get_ident
from typing import Any, Final
from weakref import WeakSet

from ..errors import BennuError, NotStarted, WrongThread

__all__ = ["Home"]

NOWHERE: Final = 0
"""The number of no thread."""

_homes: WeakSet[Home] = WeakSet()


class Home:
    """The event loop, the thread and the process of one endpoint.

    Args:
        adopts: Whether the first call starts it, where an event loop runs.

    Attributes:
        thread: The number of the thread that its event loop runs in; 0 while it is not started.
    """

    __slots__ = ("__weakref__", "_adopts", "_is_inherited", "_is_running", "_loop", "thread")

    def __init__(self, *, adopts: bool = False) -> None:
        self.thread = NOWHERE
        self._adopts = adopts
        self._is_inherited = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_running: Callable[[], bool] = _never
        _homes.add(self)

    # Its life.

    def start(self) -> None:
        """Take the running event loop.

        Raises:
            WrongThread: It lives on another event loop that is not closed.
        """
        if self._loop is not None and not self.is_here and not self.is_abandoned:
            raise self.elsewhere("endpoint.start() was called")
        self._loop = asyncio.get_running_loop()
        self._is_running = self._loop.is_running
        self._is_inherited = False
        self.thread = get_ident()

    def stop(self) -> None:
        """Leave the event loop."""
        self.thread = NOWHERE
        self._loop = None
        self._is_running = _never
        self._is_inherited = False

    def forget_parent(self) -> None:
        """Live nowhere: this process is a child of the one in which it was started."""
        if self._loop is not None:
            self.thread = NOWHERE
            self._is_running = _never
            self._is_inherited = True

    # What it knows.

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop.

        Raises:
            NotStarted: There is none.
        """
        if self._loop is None:
            raise NotStarted("the endpoint is not started: await endpoint.start() first")
        return self._loop

    @property
    def is_here(self) -> bool:
        """Whether its event loop runs in this thread, and so calls the code that asks."""
        return self.thread == get_ident() and self._is_running()

    @property
    def is_in_process(self) -> bool:
        """Whether it is started, and was not inherited from a parent process."""
        return self._loop is not None and not self._is_inherited

    @property
    def is_abandoned(self) -> bool:
        """Whether it was started, and nobody can stop it any more: its loop is closed, or the parent's."""
        return self._loop is not None and (self._is_inherited or self._loop.is_closed())

    # The check.

    def expect(self, owner: str, method: str, instead: str | None = None) -> None:
        """Check that a call comes from the event loop.

        Args:
            owner: What the method belongs to, as users write it: ``"endpoint"``.
            method: The method.
            instead: What a thread writes instead, with ``{}`` for the method; None is ``owner.sync.method(...)``.

        Raises:
            WrongThread: It comes from another thread or event loop.
            NotStarted: There is no event loop in this process that it could come from.
        """
        if self.thread != get_ident() or not self._is_running():
            self._explain(owner, method, instead)

    def expect_process(self, owner: str, method: str) -> None:
        """Check that a call does not come from a child of the process that serves.

        Raises:
            NotStarted: It does.
        """
        if self._is_inherited:
            raise self.astray(owner, method)

    def reach(self, owner: str, method: str) -> asyncio.AbstractEventLoop:
        """Return the event loop, for a thread that wants a call to be made there.

        Raises:
            NotStarted: There is no event loop that could make it.
        """
        loop = self._loop
        if loop is None or self._is_inherited or not self._is_running():
            raise self.astray(f"{owner}.sync", method)
        return loop

    def _explain(self, owner: str, method: str, instead: str | None) -> None:
        if self._adopts and (self._loop is None or self.is_abandoned):
            if _running() is not None:
                self.start()
            return
        raise self.astray(owner, method, instead)

    def astray(self, owner: str, method: str, instead: str | None = None) -> BennuError:
        """Return what a call from elsewhere is told."""
        call = f"{owner}.{method}(...)"
        if self._loop is None or self._is_inherited:
            return NotStarted(_reaches_nobody(call, is_child=self._is_inherited))
        twin = f"{owner}.sync.{method}"
        there = f"{twin}(...)" if instead is None else instead.format(method)
        running = _running()
        if not self._is_running():
            return self.elsewhere(f"{call} was called")
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

    def elsewhere(self, what: str) -> WrongThread:
        """Return what is told to a use of the endpoint on a second event loop."""
        state = "runs" if self._is_running() else "does not run at the moment"
        if self._loop is not None and self._loop.is_closed():
            state = "is closed"
        return WrongThread(
            f"{what} outside of the event loop on which the endpoint was started, which {state}: start,"
            " use and stop an endpoint on one event loop, with await endpoint.stop() before that loop ends."
            " In tests, start and stop it in each test, or use one event loop for the session; with"
            " Starlette's TestClient write `with TestClient(app) as client:`"
        )


def _reaches_nobody(call: str, *, is_child: bool) -> str:
    if is_child:
        where = (
            f"this process ({os.getpid()}) is a fork of the one that serves the clients, and the"
            " endpoint is not started in it"
        )
    else:
        where = f"the endpoint is not started in this process ({os.getpid()})"
    return (
        f"{call} reaches nobody: {where}. Clients are connected to the process that serves them, and no"
        " other process can reach them yet. In a script, a task queue or a child process, send an HTTP"
        " request to a route of the server that makes this call. In the server, call it after the"
        " start, for example in the lifespan. In a test, await endpoint.start() first"
    )


def _running() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _never() -> bool:
    return False


def _forget_parents() -> None:
    for home in tuple(_homes):
        home.forget_parent()


_hook: Any = getattr(os, "register_at_fork", None)  # there is no fork on Windows
if _hook is not None:
    _hook(after_in_child=_forget_parents)
