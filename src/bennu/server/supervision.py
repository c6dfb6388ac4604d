"""How a task is brought to its end, whether it likes it or not.

A coroutine may swallow its cancellation, again and again. Phoenix can kill a process; asyncio can't
kill a task. But a suspended coroutine can be closed under its task: it gets GeneratorExit, which no
``except Exception`` catches, and when the task next tries to run it, it is over. A coroutine that catches
even that and goes on awaiting is left alone by the coroutine that awaits it: that one gets a RuntimeError.
So the outermost coroutine of a task must be ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ..logs.log import Log

__all__ = ["end_tasks", "kill"]


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], grace: float, owner: str, log: Log) -> None:
    """Cancel tasks and wait for them; kill those that don't heed it.

    Args:
        tasks: Tasks of this loop, at least one, and this one not among them.
        grace: Seconds they have.
        owner: Whose they are, for the log.
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
    with suppress(Exception):  # some handler in it caught even that, or raised something else
        coroutine.close()
    task.cancel()


def _forget(task: asyncio.Task[Any]) -> None:
    """Take the error that a killed task ends with, so that nobody logs it as unhandled."""
    if not task.cancelled():
        task.exception()
