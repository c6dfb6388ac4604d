"""Brings a task to its end, also a task that ignores its cancellation.

A coroutine can swallow its cancellation, again and again. Phoenix can kill a process; asyncio cannot kill a task.
But a suspended coroutine can be closed under its task: it gets GeneratorExit, which no ``except Exception`` catches,
and when the task next tries to run it, it is over. A coroutine that catches GeneratorExit and goes on awaiting
is left by the coroutine that awaits it, which gets a RuntimeError. So the outermost coroutine of a task must be
Bennu's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ..logs.log import Log

__all__ = ["end_tasks", "kill"]


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], grace: float, owner: str, log: Log) -> None:
    """Cancel tasks and wait for them; kill the tasks that ignore it.

    Args:
        tasks: Tasks of this event loop, at least one. The task that calls this is not among them.
        grace: Seconds that they have.
        owner: What they belong to, for the log.
        log: The endpoint's.
    """
    tasks = tuple(tasks)
    for task in tasks:
        task.cancel()
    ended, stubborn = await asyncio.wait(tasks, timeout=grace)
    for task in ended:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s crashed when it was cancelled", owner, exc_info=error)
    for task in stubborn:
        log.error(
            "%s ignored its cancellation for %gs and was killed: %s", owner, grace, repr(task)
        )
        kill(task)
    if stubborn:
        await asyncio.wait(stubborn, timeout=grace)


def kill(task: asyncio.Task[Any]) -> None:
    """End a task that ignores cancellation, by closing the coroutine under it."""
    task.add_done_callback(_forget)
    coroutine: Any = task.get_coro()
    with suppress(Exception):  # a handler in it caught even that, or raised something else
        coroutine.close()
    task.cancel()


def _forget(task: asyncio.Task[Any]) -> None:
    """Take the error that a killed task ends with, so that it is not logged as unhandled."""
    if not task.cancelled():
        task.exception()
