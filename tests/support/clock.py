"""An asyncio loop under virtual time: whenever nothing is ready, its clock jumps to the next timer.

``settle()`` waits until every task is blocked, and takes no time at all. So a test waits for a state,
never for a while, and minutes of timeouts pass in milliseconds.

Work in threads is real: while ``run_in_executor`` has some under way the clock stands still, unless
``loop.waits_for_threads`` is False. What other threads or processes do is invisible to the clock.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any, Final

__all__ = ["AUTOJUMP", "AutojumpLoop", "advance", "running_loop", "settle", "work"]

DEADLOCK: Final = 20.0
"""Real seconds after which a loop that nothing can wake any more gives up."""


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
        if timeout is None:  # nothing is scheduled: only a thread can wake us
            return self._select_for_real()
        self.now += timeout  # everyone is blocked until the next timer: jump there
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
    """The loop; its clock starts at 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-6  # a finer one is lost in a float that counts months

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
        """Run in a thread, and let the clock stand still meanwhile."""
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        self.wait_for_thread(future)
        return future

    def wait_for_thread(self, future: asyncio.Future[Any]) -> None:
        """Let the clock stand still until a future is done that a thread will resolve."""
        self._jumping.threads += 1
        future.add_done_callback(self._thread_is_done)

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Let the threads end, and the clock stand still meanwhile: newer Pythons set a timeout."""
        jumping = self._jumping
        jumping.waits_for_threads = True
        jumping.threads += 1
        await super().shutdown_default_executor(*args)
        jumping.threads -= 1

    def _thread_is_done(self, future: asyncio.Future[Any]) -> None:
        del future
        self._jumping.threads -= 1

    def when_idle(self) -> asyncio.Future[None]:
        """Return a future that is done once nothing is ready and only time could change that."""
        future = self.create_future()
        self._jumping.idle.append(future)
        return future

    async def jump(self, limit: float) -> None:
        """Let the clock jump once: to the next timer of anybody, but not beyond a time."""
        future = self.create_future()
        self._jumping.jumped.append(future)
        timer = self.call_at(limit, lambda: None)
        await future
        timer.cancel()


AUTOJUMP: Final = ("asyncio", {"loop_factory": AutojumpLoop})
"""What a module's fixture ``anyio_backend`` returns to have its tests run under virtual time."""


def running_loop() -> AutojumpLoop:
    """Return the loop of a test that runs under virtual time."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, AutojumpLoop), "let the fixture anyio_backend return AUTOJUMP"
    return loop


async def settle() -> None:
    """Wait until every other task is blocked; no time passes."""
    await running_loop().when_idle()


async def advance(seconds: float) -> None:
    """Let so much virtual time pass, and all that happens in it happen: for the test itself."""
    loop = running_loop()
    deadline = loop.time() + seconds
    await settle()
    while loop.time() < deadline:
        await loop.jump(deadline)
        await settle()


async def work(seconds: float) -> None:
    """Be busy for so much virtual time: for the handlers of an application under test."""
    await asyncio.sleep(seconds)
