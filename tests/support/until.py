"""Waiting for a state that nothing announces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["until"]

PATIENCE: Final = 20.0
"""Seconds after which a test says that it waits in vain."""


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds, while everything else goes on."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0)
