"""Waits for a state that has no event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["until"]

PATIENCE: Final = 20.0
"""Seconds after which a test fails because its state has not come."""


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true, while other tasks run."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0)
