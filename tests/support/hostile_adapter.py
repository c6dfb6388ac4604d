"""An adapter of a bus whose methods raise or hang when a test asks for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection

from bennu.bus import BusAdapter, Lost, Receive

__all__ = ["HostileAdapter"]


class HostileAdapter(BusAdapter):
    """Another adapter. Each of its methods can raise, or hang until :meth:`release`.

    Args:
        inner: The other adapter.

    Attributes:
        calls: The number of calls of each method.
        raises: The exception that a method raises, by the method's name.
        hangs: The names of the methods that hang.
        loses: Whether what is published is lost.
        subscribed: The topics of each call of ``subscribe``.
    """

    def __init__(self, inner: BusAdapter) -> None:
        self.calls: Counter[str] = Counter()
        self.raises: dict[str, BaseException] = {}
        self.hangs: set[str] = set()
        self.loses = False
        self.subscribed: list[set[str]] = []
        self._inner = inner
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let all calls go on that hang, and hang no more."""
        self.hangs.clear()
        self._released.set()
        self._released = asyncio.Event()

    @property
    def node(self) -> str:
        """The name of the node."""
        return self._inner.node

    async def start(self, receive: Receive, lost: Lost) -> None:
        """Start the other adapter."""
        await self._misbehave("start")
        self.receive, self.lost = receive, lost
        await self._inner.start(receive, lost)

    async def stop(self) -> None:
        """Stop the other adapter."""
        await self._inner.stop()
        await self._misbehave("stop")

    async def publish(self, topic: str, data: bytes, node: str | None = None) -> int | None:
        """Publish."""
        await self._misbehave("publish")
        if self.loses:
            return None
        return await self._inner.publish(topic, data, node)

    async def subscribe(self, topics: Collection[str]) -> None:
        """Subscribe."""
        self.subscribed.append(set(topics))
        await self._misbehave("subscribe")
        await self._inner.subscribe(topics)

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Unsubscribe."""
        self._raise("unsubscribe")
        self._inner.unsubscribe(topics)

    async def confirm(self) -> None:
        """Wait for the other adapter."""
        await self._misbehave("confirm")
        await self._inner.confirm()

    def nodes(self) -> frozenset[str]:
        """Return the other nodes."""
        self._raise("nodes")
        return self._inner.nodes()

    def _raise(self, method: str) -> None:
        self.calls[method] += 1
        if (error := self.raises.get(method)) is not None:
            raise error

    async def _misbehave(self, method: str) -> None:
        self._raise(method)
        if method in self.hangs:
            await self._released.wait()
