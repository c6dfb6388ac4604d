"""The worker threads of an endpoint, in which the user's plain functions run.

Theory of operation
-------------------
There are three pools, so that one kind of work never waits for another kind: handlers (the methods of channels and
raw handlers, and ``refresh``), connects, and hooks of presences.

The *owner* of a function is the connection that the function runs for. An owner has a share: the number of its
functions that run at once. Its other functions wait. Waiting owners take turns, so a connection with a hundred
channels gets the next free thread no sooner than a connection with a single channel.

The pools belong to the event loop. Only :meth:`_Job.run` runs in a thread. A thread is free again when its function
has ended, also if the task that waited for the function was cancelled before.

Each function runs in a copy of the context of the task that waits for it, as with ``asyncio.to_thread``. The
context variables that a ``connect`` sets are set in that task too, so the connection's channels see them.
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

NO_CONNECTION: Final = object()
"""The owner of functions that run for no connection."""


class Pools:
    """The pools of one endpoint.

    Args:
        threads: The number of threads of each pool.

    Attributes:
        handlers: The pool for the methods of channels and raw handlers, and for ``refresh``.
        connects: The pool for ``connect``.
        hooks: The pool for hooks of presences.
    """

    def __init__(self, threads: Threads) -> None:
        around = threads.around
        self.handlers = Pool("handler", threads.handlers, threads.per_connection, around)
        self.connects = Pool("connect", threads.connects, threads.connects, around)
        self.hooks = Pool("hook", threads.hooks, threads.hooks, around)

    def drop(self) -> None:
        """Release all threads. The pools make new threads when they need them."""
        for pool in (self.handlers, self.connects, self.hooks):
            pool.drop()


class _Owner:
    """The functions of one owner that run or wait in a pool.

    Attributes:
        key: The connection.
        running: The number of functions that run.
        waiting: The functions that wait for a thread.
        is_ready: Whether the owner is in the pool's queue for the next free thread.
    """

    __slots__ = ("is_ready", "key", "running", "waiting")

    def __init__(self, key: object) -> None:
        self.key = key
        self.running = 0
        self.waiting: deque[_Job] = deque()
        self.is_ready = False


class _Job:
    """One call of a function, which waits for a thread or runs in one.

    Attributes:
        owner: The owner of the function.
        context: The context in which the function runs.
        future: Done when the function has ended. The task awaits it.
        has_begun: Whether the function has a thread.
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
        """Run the function; a worker thread calls this. It raises nothing."""
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
        context = self._around.call_now()
        if not hasattr(context, "__enter__"):
            raise CallbackError(
                f"Threads(around=...): {self._around.name} returned {described(context)}: expected a context"
                " manager; write @contextmanager above a plain `def`"
            )
        with context:
            return self._callback.work(*self._args)

    def tell(self, log: Log) -> None:
        """Give the task the result or error. If the task was cancelled, log that both are dropped."""
        if self.future.done():
            log.warning("%s ended after its channel: its result is dropped", self._callback.name)
        elif self._error is None:
            self.future.set_result(self._value)
        else:
            self.future.set_exception(self._error)


class Pool:
    """Threads that owners share.

    Args:
        name: The name of the pool, which is in the names of its threads.
        size: The number of threads.
        share: The number of threads that one owner can have at once.
        around: Makes the context manager that each call runs in; None for no context manager.
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
        """Return an awaitable call of a plain function that runs for no connection."""
        return self.run(NO_CONNECTION, callback, args)

    async def run(
        self,
        owner: object,
        callback: Callback,
        args: tuple[Any, ...],
        *,
        keeps_context: bool = False,
    ) -> Any:
        """Run a plain function for an owner in a worker thread.

        Args:
            owner: The connection that the function runs for.
            callback: The function.
            args: The function's arguments.
            keeps_context: Whether the calling task gets the context variables that the function sets; default False.

        Raises:
            Exception: The function raised it.
        """
        job = self._put(owner, callback, args)
        try:
            value = await job.future
        except asyncio.CancelledError:
            if not job.has_begun and job in job.owner.waiting:
                job.owner.waiting.remove(job)
                self._update(job.owner)
            raise
        if keeps_context:
            _apply(job.context)
        return value

    def drop(self) -> None:
        """Release the threads. Functions that wait for a thread never run."""
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
        self._update(owner)
        return job

    def _update(self, owner: _Owner) -> None:
        """Queue an owner that can use a thread, forget an owner without functions, and use the free threads."""
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
            self._update(job.owner)


def _apply(context: Context) -> None:
    """Set the variables of a copy of the running context in the running context."""
    for variable, value in context.items():
        if variable.get(_UNSET) is not value:
            variable.set(value)


_UNSET: Final = object()
