"""The bus of a node alone."""

from __future__ import annotations

from collections.abc import Collection

from .bus import BusAdapter, Lost, Receive, not_started, unique_name

__all__ = ["LocalAdapter"]


class LocalAdapter(BusAdapter):
    """The adapter of a single node: there are no other nodes, so it sends and receives nothing.

    Args:
        node: The name of the node. Default: None, a name of the host, the process id and random text.
    """

    __slots__ = ("_is_started", "_node")

    def __init__(self, node: str | None = None) -> None:
        self._node = node or unique_name()
        self._is_started = False

    @property
    def node(self) -> str:
        """The name of this node."""
        return self._node

    async def start(self, receive: Receive, lost: Lost) -> None:
        """Do nothing: there are no other nodes."""
        self._is_started = True

    async def stop(self) -> None:
        """Do nothing."""
        self._is_started = False

    async def publish(self, topic: str, data: bytes, node: str | None = None) -> int:
        """Return 0: there are no other nodes."""
        self._expect_started()
        return 0

    async def subscribe(self, topics: Collection[str]) -> None:
        """Do nothing."""
        self._expect_started()

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Do nothing."""
        self._expect_started()

    async def confirm(self) -> None:
        """Do nothing."""
        self._expect_started()

    def nodes(self) -> frozenset[str]:
        """Return no nodes."""
        self._expect_started()
        return frozenset()

    def _expect_started(self) -> None:
        if not self._is_started:
            raise not_started()
