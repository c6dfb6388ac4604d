"""An event loop in a thread of its own, for code that has no event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from typing import TypeVar

from ..errors import NotStarted

__all__ = ["BackgroundLoop"]

T = TypeVar("T")


class BackgroundLoop:
    """Runs an event loop in a daemon thread until :meth:`close`. All methods can be called in any thread.

    Args:
        name: The name of the thread.

    Raises:
        NotStarted: The interpreter is about to end, and starts no more threads.
    """

    def __init__(self, name: str) -> None:
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
