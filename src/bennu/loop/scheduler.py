"""Shares the event loop among connections with many or large messages.

Theory of operation. A connection handles a bounded part of its received messages at once. Bennu does not read from
the connection until the rest is handled. The connection schedules a function for the rest here.

In each turn of the event loop the scheduler calls the functions in the order in which they were scheduled, until
SLICE is over. A connection with more messages schedules the next function, behind all others. So the time that these
connections hold the event loop does not grow with their number, and other clients are served between two slices.

A task that is about to handle a large message first awaits :meth:`Scheduler.exclusive`. Only one such task runs in
a turn of the event loop, so large messages of all clients are handled one by one.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

__all__ = ["Scheduler"]

SLICE: Final = 0.02
"""Seconds of CPU that scheduled functions can take together in one turn. A function that has begun is finished."""


ENDS_SLICE: Final = object()
"""The result of a function that lets a task run: no other function is called in this turn."""


class Scheduler:
    """The functions that wait for a turn of the event loop.

    Args:
        loop: The event loop.
    """

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Callable[[], object]] = deque()

    def schedule(self, function: Callable[[], object]) -> None:
        """Call a function in a later turn of the event loop.

        Args:
            function: Handles one part of a connection's messages, and schedules itself again if there are more.
                If it raises, the event loop's exception handler is called, and the other functions run as usual.
        """
        if not self._waiting:
            self._loop.call_soon(self._run)
        self._waiting.append(function)

    async def exclusive(self) -> None:
        """Wait for a turn of the event loop in which no other caller of this method runs.

        The turn ends when the caller awaits again.
        """
        turn = self._loop.create_future()
        self.schedule(partial(_grant, turn))
        await turn

    def _run(self) -> None:
        waiting = self._waiting
        until = time.thread_time() + SLICE
        try:
            while waiting:
                if self._run_one() is ENDS_SLICE or time.thread_time() >= until:
                    break
        finally:
            if waiting:
                self._loop.call_soon(self._run)

    def _run_one(self) -> object:
        # The function stays in the queue while it runs, so that `schedule` plans no second turn.
        function = self._waiting[0]
        try:
            return function()
        finally:
            self._waiting.popleft()


def _grant(turn: asyncio.Future[None]) -> object:
    """Let a task run. For a task that was cancelled while it waited, the slice continues."""
    if turn.done():
        return None
    turn.set_result(None)
    return ENDS_SLICE
