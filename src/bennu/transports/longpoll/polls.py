"""The polls that wait. A session can have several, up to a limit.

As in Phoenix, the later of two polls gets the messages, and the earlier poll waits until its window is over. If a session
has too many polls, the oldest is answered at once, without messages.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["Polls"]


class Polls:
    """The waiting polls of an endpoint."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @contextmanager
    def wait(self, session: str, limit: int) -> Generator[asyncio.Future[None]]:
        """Count a poll as waiting. The yielded future is done when a newer poll replaces the poll.

        Args:
            session: The session's topic.
            limit: Polls of the session that can wait.
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
