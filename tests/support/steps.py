"""The order in which lifespans begin and end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["Steps"]


class Steps(list[str]):
    """Records what begins and ends, in order."""

    @asynccontextmanager
    async def of(self, name: str, value: Any = None) -> AsyncIterator[Any]:
        """Record when the context begins, and when it ends."""
        self.append(f"{name} begins")
        try:
            yield value
        finally:
            self.append(f"{name} ends")
