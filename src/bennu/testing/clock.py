"""Virtual time for an event loop of asyncio: if nothing is ready, the clock jumps to the next timer.

    with virtual_time() as clock:
        async with connect(endpoint, "/socket") as client:
            await clock.advance(3600)  # an hour of heartbeats, timeouts and rates, in milliseconds

Theory of operation
-------------------
An event loop asks its selector to wait for a socket or for the next timer, and asks its own ``time`` which timers are due. A
:class:`Clock` replaces both. If a callback or a socket is ready, nothing changes. If not, every task is blocked, and:

1. whoever waits in :meth:`Clock.settle` goes on; no time passes;
2. or else the clock jumps to the next timer.

The clock stands still while something outside of the event loop works: a function in an executor, until it returns; a socket
or a thread that was made since the clock began, for :data:`GRACE` real seconds of silence at a time. The threads of executors are known, and
cost no such silence. So a test that uses a database works,
but a test of what happens at the same time as an answer of the database needs real time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

__all__ = [
    "VIRTUAL_TIME",
    "Clock",
    "LazyClock",
    "VirtualLoop",
    "advance",
    "attach_clock",
    "lazy_clock",
    "running_clock",
    "running_loop",
    "settle",
    "virtual_time",
]

DEADLOCK: Final = 20.0
"""Real seconds after which an event loop without anything to do raises an error."""

GRACE: Final = 0.02
"""Real seconds of silence of sockets and threads, after which every task counts as blocked."""

RESOLUTION: Final = 1e-6
"""Seconds. A finer resolution would be lost in a float that counts months."""

_QUIET: Final = ("ThreadPoolExecutor", "asyncio_", "bennu-")
"""What the names of threads begin with that call the event loop only for a future of an executor, or never."""

_clocks: WeakKeyDictionary[asyncio.AbstractEventLoop, Clock] = WeakKeyDictionary()


class Clock:
    """The virtual time of an event loop.

    Args:
        loop: An event loop of asyncio that has a selector. (uvloop has none.)
        start: The first time, in seconds. Default: the time of the event loop.
        jumps_alone: Whether the clock jumps if nobody waits for a jump. If not, time passes in :meth:`advance` only.

    Attributes:
        waits_for_threads: Whether the clock stands still while an executor works.

    Raises:
        TypeError: The event loop has no selector.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        start: float | None = None,
        jumps_alone: bool = True,
    ) -> None:
        selector = getattr(loop, "_selector", None)
        if selector is None:
            raise TypeError(
                f"virtual time needs an event loop of asyncio, got {type(loop).__module__}.{type(loop).__name__}:"
                " run the test without uvloop"
            )
        self.waits_for_threads = True
        inside: Any = loop  # what this class replaces is private, or a method
        self._loop = inside
        self._selector = selector
        self._jumps_alone = jumps_alone
        self._begun = self._now = loop.time() if start is None else start
        self._threads = 0
        self._known = WeakSet(threading.enumerate())
        self._sockets = len(selector.get_map() or ())
        self._idle: list[asyncio.Future[None]] = []
        self._jumped: list[asyncio.Future[None]] = []
        self._resolution = inside._clock_resolution
        inside._clock_resolution = RESOLUTION
        inside._selector = _Selector(self, selector)
        self._execute: Any = loop.run_in_executor
        inside.time = self.time
        inside.run_in_executor = self._run_in_executor
        _clocks[loop] = self

    def close(self) -> None:
        """Give the event loop its real time back."""
        loop = self._loop
        if loop._selector is not self._selector:
            loop._selector = self._selector
            loop._clock_resolution = self._resolution
            del loop.time, loop.run_in_executor
            _clocks.pop(loop, None)
            _wake(self._idle)
            _wake(self._jumped)

    def time(self) -> float:
        """Return the virtual time of the event loop, in seconds."""
        return self._now

    @property
    def now(self) -> float:
        """The seconds that have passed since the clock began, to a nanosecond: sums of floats are not exact."""
        return round(self._now - self._begun, 9)

    async def settle(self) -> None:
        """Wait until every other task is blocked, without moving the clock."""
        future = self._loop.create_future()
        self._idle.append(future)
        await future

    async def jump(self, limit: float) -> None:
        """Move the clock once: to the next timer, but not beyond a time of the event loop."""
        future = self._loop.create_future()
        self._jumped.append(future)
        timer = self._loop.call_at(limit, _nothing)
        await future
        timer.cancel()

    async def advance(self, seconds: float | timedelta) -> None:
        """Move the clock, and run everything that is due.

        Args:
            seconds: How far.

        Example:
            ``await clock.advance(timedelta(hours=1))``
        """
        if isinstance(seconds, timedelta):
            seconds = seconds.total_seconds()
        deadline = self._now + seconds
        await self.settle()
        while self._now < deadline:
            await self.jump(deadline)
            await self.settle()

    def hang(self, seconds: float) -> None:
        """Let time pass in which nothing runs, as if a function held the event loop."""
        self._now += seconds

    def wait_for_thread(self, future: asyncio.Future[Any]) -> None:
        """Let the clock stand still until a future is done that a thread resolves."""
        self._threads += 1
        future.add_done_callback(self._thread_is_done)

    def _thread_is_done(self, future: asyncio.Future[Any]) -> None:
        del future
        self._threads -= 1

    def _run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        if executor is None or isinstance(executor, ThreadPoolExecutor):
            func, args = self._in_known_thread, (func, *args)
        future: asyncio.Future[Any] = self._execute(executor, func, *args)
        self.wait_for_thread(future)
        return future

    def _in_known_thread(self, func: Any, *args: Any) -> Any:
        self._known.add(threading.current_thread())
        return func(*args)

    @contextmanager
    def held(self) -> Generator[None]:
        """Let the clock stand still, and wait for threads, until the end of a block."""
        self.waits_for_threads = True
        self._threads += 1
        yield
        self._threads -= 1

    def select(self, timeout: float | None) -> list[Any]:
        """Return the sockets that are ready; or move the clock, or wake those who wait for it.

        Args:
            timeout: Seconds until the next timer; None if there is none.
        """
        select = self._selector.select
        ready: list[Any] = select(0)
        if ready or (timeout is not None and timeout <= 0):
            return list(ready)
        if self._threads and self.waits_for_threads:
            return self._wait_for_real()
        if self._works_outside() and (ready := select(GRACE)):
            return list(ready)
        if self._idle:
            _wake(self._idle)
        elif timeout is None or not (self._jumps_alone or self._jumped):
            return self._wait_for_real()
        else:
            self._now += timeout  # all tasks are blocked until the next timer
            _wake(self._jumped)
        return []

    def _works_outside(self) -> bool:
        """Return whether the event loop waits for sockets, or threads that are not in an executor may call it."""
        if len(self._selector.get_map() or ()) > self._sockets:
            return True
        return any(
            thread not in self._known and not thread.name.startswith(_QUIET)
            for thread in threading.enumerate()
        )

    def _wait_for_real(self) -> list[Any]:
        """Wait for a socket or a thread."""
        ready: list[Any]
        if not self._jumps_alone:
            return list(self._selector.select(None))
        ready = self._selector.select(DEADLOCK)
        if not ready:
            raise RuntimeError("deadlock: every task is blocked, and nothing is left to wake one")
        return list(ready)


class _Selector:
    """The selector of an event loop in virtual time."""

    def __init__(self, clock: Clock, selector: Any) -> None:
        self._selector = selector
        self.select = clock.select

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)


def _nothing() -> None:
    """Do nothing: a timer at which the clock stops."""


def _wake(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
    futures.clear()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that is in virtual time from its start, at 0.

    Attributes:
        clock: Its clock.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock(self, start=0.0)

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Wait for the threads, without moving the clock: newer Pythons set a timeout."""
        with self.clock.held():
            await super().shutdown_default_executor(*args)


VIRTUAL_TIME: Final = ("asyncio", {"loop_factory": VirtualLoop})
"""The value of anyio's fixture ``anyio_backend`` for tests in virtual time."""


@contextmanager
def virtual_time(*, jumps_alone: bool = True) -> Generator[Clock]:
    """Let the running event loop have virtual time until the end of the block.

    Args:
        jumps_alone: Whether the clock jumps if every task is blocked: ``await asyncio.sleep(3600)`` returns at once. If not,
            time passes in :meth:`Clock.advance` only.

    Raises:
        TypeError: The event loop is none of asyncio's own.

    Example:
        >>> async def main() -> float:
        ...     with virtual_time() as clock:
        ...         await asyncio.sleep(3600)
        ...         return clock.now
        >>> asyncio.run(main())
        3600.0
    """
    clock = Clock(asyncio.get_running_loop(), jumps_alone=jumps_alone)
    try:
        yield clock
    finally:
        clock.close()


def running_clock() -> Clock | None:
    """Return the clock of the running event loop; None if the loop has real time."""
    return _clocks.get(asyncio.get_running_loop())


class LazyClock:
    """A clock for a test whose event loop does not run yet: it begins when the kit first runs, or with its first method.

    The fixture ``clock`` of the pytest plugin is one.
    """

    def __init__(self) -> None:
        self._clock: Clock | None = None
        self._is_own = False

    def attach(self) -> Clock:
        """Begin, if the clock has not begun, and return the clock of the running event loop."""
        if self._clock is None:
            self._clock = running_clock()
            if self._clock is None:
                self._clock, self._is_own = Clock(asyncio.get_running_loop()), True
        return self._clock

    @property
    def now(self) -> float:
        """The seconds that have passed since the clock began."""
        return 0.0 if self._clock is None else self._clock.now

    async def advance(self, seconds: float | timedelta) -> None:
        """Move the clock, and run everything that is due: :meth:`Clock.advance`."""
        await self.attach().advance(seconds)

    async def settle(self) -> None:
        """Wait until every other task is blocked: :meth:`Clock.settle`."""
        await self.attach().settle()

    def close(self) -> None:
        """Give the event loop its real time back."""
        if self._clock is not None and self._is_own:
            self._clock.close()


_waiting: list[LazyClock] = []


@contextmanager
def lazy_clock() -> Generator[LazyClock]:
    """Return a clock that the kit attaches to the event loop of the test, when it first runs."""
    clock = LazyClock()
    _waiting.append(clock)
    try:
        yield clock
    finally:
        _waiting.remove(clock)
        clock.close()


def attach_clock() -> None:
    """Begin the clock that waits for an event loop, if there is one."""
    for clock in _waiting:
        clock.attach()


def running_loop() -> VirtualLoop:
    """Return the running event loop, which is in virtual time.

    Raises:
        RuntimeError: It is another event loop.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise RuntimeError(  # noqa: TRY004 - the loop is no argument
            f"the event loop is a {type(loop).__name__}, expected a VirtualLoop: let anyio_backend return VIRTUAL_TIME"
        )
    return loop


async def settle() -> None:
    """Wait until every other task is blocked, without moving the clock of the running :class:`VirtualLoop`."""
    await running_loop().clock.settle()


async def advance(seconds: float) -> None:
    """Move the clock of the running :class:`VirtualLoop`, and run everything that is due.

    Args:
        seconds: How far.
    """
    await running_loop().clock.advance(seconds)
