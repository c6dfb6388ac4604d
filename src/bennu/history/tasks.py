"""The tasks of the logs of one node, which end when the logs stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from ..logs.log import Log

__all__ = ["LogTasks"]


class LogTasks:
    """Runs tasks between a start and a stop.

    Args:
        log: Writes the log.

    Attributes:
        is_open: Whether tasks can begin.
    """

    __slots__ = ("_log", "_tasks", "is_open")

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_open = False

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task. After the stop it does not begin."""
        if not self.is_open:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def stop(self, timeout: float) -> None:  # noqa: ASYNC109 - a task that does not end is left alone
        """Cancel all tasks, and wait for their ends."""
        self.is_open = False
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)

    def forget(self) -> None:
        """Forget all tasks: the event loop was closed without a stop, or is the parent process's."""
        self.is_open = False
        self._tasks.clear()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("A task of the histories failed", exc_info=error)
