"""The worker threads of an endpoint, in which the user's plain functions run.

Theory of operation
-------------------
There are three pools, so that one kind of work never waits for another: of handlers (the methods of channels and
raw handlers, and ``refresh``), of connects, and of hooks (those of presences).

What runs for a connection has that connection for its *owner*. An owner has a share: so many of its functions
run at once, and the others wait. Owners that wait take turns, so a connection with a hundred channels gets the
next free thread no sooner than one with a single channel.

All of this happens on the event loop; only :meth:`_Job.run` runs in a thread. A thread is free again when its
function has ended, also if the task that waited for the function was cancelled before.

Each function runs in a copy of the context of the task that waits for it, as with ``asyncio.to_thread``. What a
``connect`` sets in context variables is put back into that task, so that its channels see it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import Any, Final

from ..errors import CallbackError
from ..limits.limits import Threads
from ..logs.log import Log
from ..logs.printable import described
from ..user_code.callback import Callback

__all__ = ["Pool", "Pools"]

NOBODY: Final = object()
"""The owner of what runs for no connection."""


class Pools:
    """The pools of one endpoint.

    Args:
        threads: How many threads there are.

    Attributes:
        handlers: For the methods of channels and raw handlers.
        connects: For ``connect``.
        hooks: For hooks of presences.
    """

    def __init__(self, threads: Threads) -> None:
        around = threads.around
        self.handlers = Pool("handler", threads.handlers, threads.per_connection, around)
        self.connects = Pool("connect", threads.connects, threads.connects, around)
        self.hooks = Pool("hook", threads.hooks, threads.hooks, around)

    def drop(self) -> None:
        """Let go of all threads; new ones are made when they are needed."""
        for pool in (self.handlers, self.connects, self.hooks):
            pool.drop()


class _Owner:
    """What an owner has under way in a pool."""

    __slots__ = ("is_ready", "key", "running", "waiting")

    def __init__(self, key: object) -> None:
        self.key = key
        self.running = 0
        self.waiting: deque[_Job] = deque()
        self.is_ready = False


class _Job:
    """A function that is to run, or runs.

    Attributes:
        future: Done when it has run; the task waits for it.
        has_begun: Whether it has a thread.
    """

    __slots__ = (
        "_args",
        "_around",
        "_callback",
        "_error",
        "_value",
        "context",
        "future",
        "has_begun",
        "owner",
    )

    def __init__(
        self,
        owner: _Owner,
        callback: Callback,
        args: tuple[Any, ...],
        around: Callback | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.owner = owner
        self.context: Context = copy_context()
        self.future: asyncio.Future[Any] = loop.create_future()
        self.has_begun = False
        self._callback = callback
        self._args = args
        self._around = around
        self._value: Any = None
        self._error: Exception | None = None

    def run(self) -> None:
        """Run it, in a thread; this raises nothing."""
        try:
            self._value = self.context.run(self._call)
        except StopIteration as error:
            self._error = CallbackError(f"{self._callback.name} raised {described(error)}")
        except Exception as error:  # noqa: BLE001 - the task raises it
            self._error = error
        except BaseException as error:  # noqa: BLE001 - the task raises it
            self._error = CallbackError(f"{self._callback.name} raised {described(error)}")
            self._error.__cause__ = error

    def _call(self) -> Any:
        if self._around is None:
            return self._callback.work(*self._args)
        context = self._around.now()
        if not hasattr(context, "__enter__"):
            raise CallbackError(
                f"Threads(around=...): {self._around.name} returned {described(context)}: expected a context"
                " manager; write @contextmanager above a plain `def`"
            )
        with context:
            return self._callback.work(*self._args)

    def tell(self, log: Log) -> None:
        """Give the task the outcome; log that it comes too late, if it does."""
        if self.future.done():
            log.warning(
                "%s ended after its channel: what came of it is dropped", self._callback.name
            )
        elif self._error is None:
            self.future.set_result(self._value)
        else:
            self.future.set_exception(self._error)


class Pool:
    """Threads that owners share.

    Args:
        name: Of the threads.
        size: How many there are.
        share: How many of them one owner may have at once.
        around: Makes a context manager around each call.
    """

    def __init__(self, name: str, size: int, share: int, around: Callback | None) -> None:
        self._name = name
        self._size = size
        self._share = share
        self._around = around
        self._executor: ThreadPoolExecutor | None = None
        self._free = size
        self.log = Log()
        self._owners: dict[object, _Owner] = {}
        self._ready: deque[_Owner] = deque()

    def in_thread(self, callback: Callback, /, *args: Any) -> Awaitable[Any]:
        """Return the running of a plain function for no connection, to be awaited."""
        return self.run(NOBODY, callback, args)

    async def run(
        self, owner: object, callback: Callback, args: tuple[Any, ...], *, shows: bool = False
    ) -> Any:
        """Run a plain function for an owner in a worker thread.

        Args:
            owner: For which connection.
            callback: The function.
            args: What it gets.
            shows: Whether the task that waits sees what the function set in context variables.

        Raises:
            Exception: What it raised.
        """
        job = self._put(owner, callback, args)
        try:
            value = await job.future
        except asyncio.CancelledError:
            if not job.has_begun and job in job.owner.waiting:
                job.owner.waiting.remove(job)
                self._look_after(job.owner)
            raise
        if shows:
            _adopt(job.context)
        return value

    def drop(self) -> None:
        """Let go of the threads; what waits for one never runs."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
        self._free = self._size
        self._owners.clear()
        self._ready.clear()

    # On the event loop.

    def _put(self, key: object, callback: Callback, args: tuple[Any, ...]) -> _Job:
        owner = self._owners.get(key)
        if owner is None:
            owner = self._owners[key] = _Owner(key)
        job = _Job(owner, callback, args, self._around, asyncio.get_running_loop())
        owner.waiting.append(job)
        self._look_after(owner)
        return job

    def _look_after(self, owner: _Owner) -> None:
        """Let an owner have its turn if it waits for one, and forget it if it has nothing to do."""
        if not owner.waiting:
            if not owner.running and self._owners.get(owner.key) is owner:
                del self._owners[owner.key]
        elif not owner.is_ready and owner.running < self._share:
            owner.is_ready = True
            self._ready.append(owner)
        while self._free and self._ready:
            self._begin(self._ready.popleft())

    def _begin(self, owner: _Owner) -> None:
        owner.is_ready = False
        if not owner.waiting:
            return
        job = owner.waiting.popleft()
        job.has_begun = True
        owner.running += 1
        self._free -= 1
        if owner.waiting and owner.running < self._share:
            owner.is_ready = True
            self._ready.append(owner)
        if self._executor is None:
            self._executor = ThreadPoolExecutor(
                self._size, thread_name_prefix=f"bennu-{self._name}"
            )
        executor = self._executor
        running = asyncio.get_running_loop().run_in_executor(executor, job.run)
        running.add_done_callback(lambda _: self._ended(job, executor))

    def _ended(self, job: _Job, executor: ThreadPoolExecutor) -> None:
        job.tell(self.log)
        if executor is self._executor:
            job.owner.running -= 1
            self._free += 1
            self._look_after(job.owner)


def _adopt(context: Context) -> None:
    """Set in the running context what was set in another that is a copy of it."""
    for variable, value in context.items():
        if variable.get(_UNSET) is not value:
            variable.set(value)


_UNSET: Final = object()
