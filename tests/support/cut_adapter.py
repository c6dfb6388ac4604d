"""An adapter of a bus that can lose all messages of its node."""

from __future__ import annotations

from collections.abc import Collection

from bennu.bus import BusAdapter, Lost, Receive

__all__ = ["CutAdapter"]


class CutAdapter(BusAdapter):
    """Another adapter, behind a switch.

    Args:
        inner: The other adapter.

    Attributes:
        is_cut: Whether all messages are lost, in both directions.
    """

    def __init__(self, inner: BusAdapter) -> None:
        self.is_cut = False
        self._inner = inner

    @property
    def node(self) -> str:
        """The name of the node."""
        return self._inner.node

    async def start(self, receive: Receive, lost: Lost) -> None:
        """Start the other adapter."""

        def hear(node: str, topic: str, data: bytes) -> None:
            if not self.is_cut:
                receive(node, topic, data)

        await self._inner.start(hear, lost)

    async def stop(self) -> None:
        """Stop the other adapter."""
        await self._inner.stop()

    async def publish(self, topic: str, data: bytes, node: str | None = None) -> int | None:
        """Publish, or lose the message."""
        return 0 if self.is_cut else await self._inner.publish(topic, data, node)

    async def subscribe(self, topics: Collection[str]) -> None:
        """Subscribe."""
        await self._inner.subscribe(topics)

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Unsubscribe."""
        self._inner.unsubscribe(topics)

    async def confirm(self) -> None:
        """Wait for the other adapter."""
        await self._inner.confirm()

    def nodes(self) -> frozenset[str]:
        """Return the other nodes."""
        return self._inner.nodes()
