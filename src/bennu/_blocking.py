"""How a worker thread has the event loop do something, and waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .errors import WrongThread

T = TypeVar("T")


def blocking(
    loop: asyncio.AbstractEventLoop,
    name: str,
    function: Callable[..., Awaitable[T]],
    /,
    *args: object,
) -> T:
    """Call an async function in the event loop from another thread, and return its result.

    Raises:
        WrongThread: This is the event loop's own thread, which would wait for itself.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise WrongThread(
            f"sync.{name}(...) blocks, and was called on the event loop:"
            f" write `await ....{name}(...)` there, and keep sync for threads"
        )

    async def call() -> T:
        return await function(*args)

    return asyncio.run_coroutine_threadsafe(call(), loop).result()
