"""An asyncio loop with virtual time: if no callback is ready, its clock jumps to the next timer.

``settle()`` waits until every task is blocked, and takes no time. So a test waits for a state, and
minutes of timeouts take milliseconds.

Work in threads is real: the clock stands still while ``run_in_executor`` has work, unless
``loop.waits_for_threads`` is False. The clock does not see the work of other threads or processes.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any, Final

__all__ = ["AUTOJUMP", "AutojumpLoop", "advance", "running_loop", "settle", "timers", "work"]

DEADLOCK: Final = 20.0
"""Real seconds after which an event loop without anything to do raises an error."""


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0
        self.waits_for_threads = True
        self.idle: list[asyncio.Future[None]] = []
        self.jumped: list[asyncio.Future[None]] = []

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.threads and self.waits_for_threads:
            return self._select_for_real()
        if self.idle:
            _wake(self.idle)
            return []
        if timeout is None:  # nothing is scheduled: only a thread can wake the loop
            return self._select_for_real()
        self.now += timeout  # all tasks are blocked until the next timer: jump to it
        _wake(self.jumped)
        return []

    def _select_for_real(self) -> list[Any]:
        ready = super().select(DEADLOCK)
        if not ready:
            raise RuntimeError("deadlock: every task is blocked, and nothing is left to wake one")
        return ready


def _wake(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
    futures.clear()


class AutojumpLoop(asyncio.SelectorEventLoop):
    """The event loop with virtual time; its clock starts at 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = (
            1e-6  # a finer resolution would be lost in a float that counts months
        )

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self._jumping.now

    @property
    def waits_for_threads(self) -> bool:
        """Whether the clock stands still while an executor works."""
        return self._jumping.waits_for_threads

    @waits_for_threads.setter
    def waits_for_threads(self, value: bool) -> None:
        self._jumping.waits_for_threads = value

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Run a function in a thread. The clock stands still until it ends."""
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        self.wait_for_thread(future)
        return future

    def wait_for_thread(self, future: asyncio.Future[Any]) -> None:
        """Let the clock stand still until a future is done that a thread resolves."""
        self._jumping.threads += 1
        future.add_done_callback(self._thread_is_done)

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Wait for the threads, without moving the clock: newer Pythons set a timeout."""
        jumping = self._jumping
        jumping.waits_for_threads = True
        jumping.threads += 1
        await super().shutdown_default_executor(*args)
        jumping.threads -= 1

    def _thread_is_done(self, future: asyncio.Future[Any]) -> None:
        del future
        self._jumping.threads -= 1

    def when_idle(self) -> asyncio.Future[None]:
        """Return a future that is done when nothing is ready, and only time could change that."""
        future = self.create_future()
        self._jumping.idle.append(future)
        return future

    async def jump(self, limit: float) -> None:
        """Move the clock once: to the next timer, but not beyond a time."""
        future = self.create_future()
        self._jumping.jumped.append(future)
        timer = self.call_at(limit, lambda: None)
        await future
        timer.cancel()


AUTOJUMP: Final = ("asyncio", {"loop_factory": AutojumpLoop})
"""The value of the fixture ``anyio_backend`` for tests under virtual time."""


def running_loop() -> AutojumpLoop:
    """Return the loop of a test that runs under virtual time."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, AutojumpLoop), "let the fixture anyio_backend return AUTOJUMP"
    return loop


def timers() -> int:
    """Return the number of timers that the running loop waits for."""
    return sum(not timer.cancelled() for timer in running_loop()._scheduled)  # type: ignore[attr-defined]


async def settle() -> None:
    """Wait until every other task is blocked, without moving the clock."""
    await running_loop().when_idle()


async def advance(seconds: float) -> None:
    """Move the clock by some seconds, and run all callbacks that are due: for a test."""
    loop = running_loop()
    deadline = loop.time() + seconds
    await settle()
    while loop.time() < deadline:
        await loop.jump(deadline)
        await settle()


async def work(seconds: float) -> None:
    """Wait some seconds of virtual time: for the handlers of an application under test."""
    await asyncio.sleep(seconds)
