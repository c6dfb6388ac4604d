"""Waits for log lines of a client in this process, for states without an event of the client."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable

from tests.interop.program import PATIENCE

__all__ = ["ClientLog", "ListenToLog"]


class ClientLog(logging.Handler):
    """A handler of the client's logger."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._lines: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.put_nowait(record.getMessage())

    async def wait_for(self, pattern: str) -> None:
        """Wait for a line that contains this pattern."""
        async with asyncio.timeout(PATIENCE):
            while re.search(pattern, await self._lines.get()) is None:
                pass


ListenToLog = Callable[[str], ClientLog]
