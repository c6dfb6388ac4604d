"""Calls an async function on the event loop from another thread, and waits for the result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, wait
from inspect import CORO_CREATED, getcoroutinestate
from typing import Final, TypeVar

from ..errors import NotStarted, WrongThread

T = TypeVar("T")

CHECK_INTERVAL: Final = 1.0
"""Seconds between two checks that the event loop still runs."""


def blocking(
    loop: asyncio.AbstractEventLoop,
    name: str,
    function: Callable[..., Awaitable[T]],
    /,
    *args: object,
) -> T:
    """Call an async function on the event loop from another thread, and return its result.

    Args:
        loop: The event loop.
        name: The name of the public method, for errors.
        function: The async function.
        args: The function's arguments.

    Raises:
        WrongThread: This thread runs an event loop, which the call would block.
        NotStarted: The event loop ended before the call did.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        if running is not loop:
            raise WrongThread(
                f"sync.{name}(...) blocks, and was called on another event loop than the endpoint's:"
                f" write `await asyncio.to_thread(....sync.{name}, ...)`"
            )
        raise WrongThread(
            f"sync.{name}(...) blocks, and was called on the event loop:"
            f" write `await ....{name}(...)` there, and use sync only in threads"
        )

    async def call() -> T:
        return await function(*args)

    calling = call()
    try:
        future = asyncio.run_coroutine_threadsafe(calling, loop)
    except RuntimeError:  # the loop was closed just now
        calling.close()
        raise _ended(name) from None
    while True:
        wait([future], timeout=CHECK_INTERVAL)
        if future.done():
            try:
                return future.result()
            except CancelledError:
                raise _ended(name) from None
        if not loop.is_running():
            if getcoroutinestate(calling) == CORO_CREATED:
                calling.close()
            raise _ended(name)


def _ended(name: str) -> NotStarted:
    return NotStarted(f"sync.{name}(...) was not finished, because the event loop ended")
