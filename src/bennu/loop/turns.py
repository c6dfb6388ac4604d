"""Turns of the event loop, shared out among connections that have sent more than one turn may handle.

Theory of operation. A connection handles a bounded part of what it has received at once, and is not read from until
the rest is handled. For the rest it waits here. In each turn of the event loop the connection that waits longest
handles one part, then the next one, until SLICE is over; one that has more waits again, behind all others. So what
they hold the loop for does not grow with their number, and whoever else has something to say is heard between two
slices.

A task that is about to handle a large message waits for a turn of its own (:meth:`Turns.alone`): no other task
gets one in the same turn of the event loop, so large messages are handled one by one, whoever sent them.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

__all__ = ["Turns"]

SLICE: Final = 0.02
"""Seconds of CPU that those who wait may take together in one turn; a part that has begun is finished."""


GRANTED: Final = object()
"""What a part returns that lets a task run after it: the slice is over."""


class Turns:
    """Who waits for a turn.

    Args:
        loop: The event loop.
    """

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Callable[[], object]] = deque()

    def wait(self, part: Callable[[], object]) -> None:
        """Call something in a later turn.

        Args:
            part: Handles one part, and waits again if there is more. If it raises, the event loop's handler
                of exceptions is told, and all others go on.
        """
        if not self._waiting:
            self._loop.call_soon(self._take)
        self._waiting.append(part)

    async def alone(self) -> None:
        """Wait for a turn of one's own: until the caller awaits again, no other caller of this runs."""
        turn = self._loop.create_future()
        self.wait(partial(_grant, turn))
        await turn

    def _take(self) -> None:
        waiting = self._waiting
        until = time.thread_time() + SLICE
        try:
            while waiting:
                if self._take_one() is GRANTED or time.thread_time() >= until:
                    break
        finally:
            if waiting:
                self._loop.call_soon(self._take)

    def _take_one(self) -> object:
        part = self._waiting[0]  # it stays there meanwhile, so that `wait` plans no second turn
        try:
            return part()
        finally:
            self._waiting.popleft()


def _grant(turn: asyncio.Future[None]) -> object:
    """Let a task run; one that was cancelled meanwhile takes nobody's turn."""
    if turn.done():
        return None
    turn.set_result(None)
    return GRANTED
