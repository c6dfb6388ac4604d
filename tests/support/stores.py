"""A store for tests of several nodes in one event loop, which can be down."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bennu.errors import StoreUnavailable
from bennu.store import MemoryStore
from bennu.store.entry import Draft
from bennu.store.store import Appended, Head, Page, Retention

__all__ = ["SharedStore"]


class SharedStore(MemoryStore):
    """A store in memory that the nodes of a test share.

    Attributes:
        is_down: Whether it answers nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False

    @property
    def is_shared(self) -> bool:
        """The nodes of a test share the object."""
        return True

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        """Append drafts, if the store is up."""
        self._expect_up()
        return await super().append(topic, drafts, retention)

    async def read(
        self, topic: str, after: int, limit: int, max_bytes: int, retention: Retention
    ) -> Page:
        """Read a page, if the store is up."""
        self._expect_up()
        return await super().read(topic, after, limit, max_bytes, retention)

    async def heads(self, topics: Collection[str]) -> Mapping[str, Head]:
        """Return where logs stand, if the store is up."""
        self._expect_up()
        return await super().heads(topics)

    def _expect_up(self) -> None:
        if self.is_down:
            raise StoreUnavailable("the store is down: this test says so")
