"""A node in a test: its adapter, and all that it got."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..bus.bus import BusAdapter, Loss

__all__ = ["ContractNode", "until"]


async def until(condition: Callable[[], object], patience: float = 20.0) -> None:
    """Wait until a condition is true, while other tasks run.

    Args:
        condition: Returns whether the state has come.
        patience: Seconds after which ``TimeoutError`` is raised.
    """
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.001)


class ContractNode:
    """A node in a test: its adapter, and all that it got.

    Attributes:
        adapter: The adapter.
        heard: The publishing node, topic and bytes of each message, in their order.
        losses: What the adapter said was lost.
    """

    def __init__(self, adapter: BusAdapter) -> None:
        self.adapter = adapter
        self.heard: list[tuple[str, str, bytes]] = []
        self.losses: list[Loss] = []

    async def start(self) -> None:
        """Start the adapter."""
        await self.adapter.start(
            lambda node, topic, data: self.heard.append((node, topic, data)), self.losses.append
        )

    def has(self, count: int) -> bool:
        """Return whether this many messages came."""
        return len(self.heard) >= count

    def data(self, topic: str, node: str | None = None) -> list[bytes]:
        """Return the bytes that came under a topic, of one node or of all."""
        return [data for name, at, data in self.heard if at == topic and node in (None, name)]

    def last(self, topic: str) -> int:
        """Return the last message under a topic, which is a number; 0 if there is none."""
        return int([b"0", *self.data(topic)][-1])

    def accounts_for(self, topic: str) -> int:
        """Return how many messages came under a topic, or were said to be missed."""
        missed = [loss.count or 0 for loss in self.losses if loss.topic == topic]
        return len(self.data(topic)) + sum(missed)
