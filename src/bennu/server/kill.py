"""Ends tasks, even tasks that ignore their cancellation.

A coroutine can swallow its cancellation, again and again. Phoenix can kill a process; asyncio can't kill a task.
But a suspended coroutine can be closed while its task exists. The coroutine gets GeneratorExit, which no
``except Exception`` catches. When the task next runs, its coroutine has ended. If a coroutine catches GeneratorExit and
goes on awaiting, the coroutine that awaits it gets a RuntimeError, and ends. So the outermost coroutine of a task must
be Bennu's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any

from ..logs.log import Log

__all__ = ["end_tasks", "kill"]


def end_tasks(
    tasks: Iterable[asyncio.Task[Any]], grace: float, owner: str, log: Log
) -> Coroutine[Any, Any, None]:
    """Cancel tasks at once, also those that are about to run. Return what waits for them, and kills those that go on.

    Args:
        tasks: Tasks of this event loop, at least one. The task that calls this function must not be among them.
        grace: Seconds within which the tasks must end.
        owner: The name of the tasks' owner, for the log.
        log: The endpoint's log.
    """
    tasks = tuple(tasks)
    for task in tasks:
        task.cancel()
    return _wait_for(tasks, grace, owner, log)


async def _wait_for(
    tasks: tuple[asyncio.Task[Any], ...], grace: float, owner: str, log: Log
) -> None:
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
    """End a task that ignores cancellation, by closing its coroutine."""
    task.add_done_callback(_forget)
    coroutine: Any = task.get_coro()
    with suppress(Exception):  # a handler caught even GeneratorExit, or raised another exception
        coroutine.close()
    task.cancel()


def _forget(task: asyncio.Task[Any]) -> None:
    """Retrieve the error of a killed task, so that asyncio does not log it as unhandled."""
    if not task.cancelled():
        task.exception()
