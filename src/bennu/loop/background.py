"""An event loop in a thread of its own, for code that has no event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from ..errors import NotStarted

__all__ = ["BackgroundLoop"]

T = TypeVar("T")


class BackgroundLoop:
    """Runs an event loop in a daemon thread until :meth:`close`. All methods can be called in any thread.

    Args:
        name: The name of the thread.

    Raises:
        NotStarted: The interpreter is about to end, and starts no more threads. Or gevent or eventlet has replaced
            threads by greenlets: two event loops can't run in one thread.
    """

    def __init__(self, name: str) -> None:
        _expect_threads(name)
        # Not uvloop, and not the loop of a policy: a child of fork must be able to forget it.
        self._loop = asyncio.SelectorEventLoop()
        self._lock = threading.Lock()
        self._is_open = True
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._loop.close()
            raise NotStarted(f"{name}: no thread can be started: {error}") from error

    def call(self, function: Callable[..., Awaitable[T]], /, *args: object) -> T:
        """Call an async function on the event loop, and return its result.

        If this thread is interrupted, the call is cancelled.

        Raises:
            NotStarted: The event loop was closed, or was closed during the call.
        """

        async def call() -> T:
            return await function(*args)

        with self._lock:
            if not self._is_open:
                raise NotStarted(f"{self._thread.name} was stopped in another thread")
            future = asyncio.run_coroutine_threadsafe(call(), self._loop)
        try:
            return future.result()
        except CancelledError:
            raise NotStarted(f"{self._thread.name} was stopped during a call") from None
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel the calls that have not ended, and end the thread. A second call has no effect."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._until_closed())

    async def _until_closed(self) -> None:
        await self._end.wait()


def _expect_threads(name: str) -> None:
    """Check that threads are threads.

    Raises:
        NotStarted: They are greenlets.
    """
    gevent: Any = sys.modules.get("gevent.monkey")
    eventlet: Any = sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        library = "gevent"
    elif eventlet is not None and eventlet.is_monkey_patched("thread"):
        library = "eventlet"
    else:
        return
    raise NotStarted(
        f"{name}: {library} has replaced threads by greenlets, and an event loop needs a thread: send an HTTP request"
        " to the API of a server (Endpoint(api=...)), run `bennu publish` as a process, or use a pool of processes or"
        " threads"
    )
