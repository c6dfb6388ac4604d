"""The polls that wait: each session has some, and a newer one replaces the oldest.

In Phoenix the later of two polls gets the messages, and the earlier one waits until its window is over. So does the
earlier one here, unless there are too many: then the oldest is answered at once that nothing came.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["Polls"]


class Polls:
    """The polls of an endpoint that wait."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @contextmanager
    def wait(self, session: str, limit: int) -> Generator[asyncio.Future[None]]:
        """Be one of a session's polls; what it yields is done when a newer poll takes the place.

        Args:
            session: The session's topic.
            limit: How many may wait.
        """
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(session, deque())
        waiting.append(mine)
        if len(waiting) > limit:
            waiting.popleft().set_result(None)
        try:
            yield mine
        finally:
            if not mine.done():
                waiting.remove(mine)
            if not waiting:
                self._waiting.pop(session, None)
