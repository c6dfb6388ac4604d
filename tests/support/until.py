"""Waits for a state that has no event."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from bennu.testing.clock import VirtualLoop

__all__ = ["pause", "until", "until_true"]

PATIENCE: Final = 20.0
"""Seconds after which a test fails because its state has not come."""

PAUSE: Final = 0.002
"""Seconds between two looks in real time. Without a pause the test would take the time of the process for which it waits."""


async def pause() -> None:
    """Pause between two looks in real time."""
    await asyncio.sleep(PAUSE)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true, while other tasks run. Virtual time stands still."""
    is_virtual = isinstance(asyncio.get_running_loop(), VirtualLoop)
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0 if is_virtual else PAUSE)


async def until_true(question: Callable[[], Awaitable[object]]) -> None:
    """Ask in real time until the answer is true: another process has the state."""
    async with asyncio.timeout(30):
        while not await question():
            await pause()
