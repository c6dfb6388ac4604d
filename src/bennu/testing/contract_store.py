"""What the tests of the contract of stores share: the hooks of a subclass, topics, drafts and checks of entries."""

from __future__ import annotations

import asyncio
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, TypeVar

from ..errors import StoreUnavailable
from ..store.entry import NOBODY, UNKNOWN, Draft, LogEntry
from ..store.store import Page, Retention, Store
from .contract_node import until

__all__ = ["KEEP", "PLENTY", "ContractStore", "StoreHooks", "draft", "drafts", "offsets"]

T = TypeVar("T")

KEEP: Final = Retention(1000, None, 86_400.0)
"""A retention that trims nothing in these tests."""

PLENTY: Final = 1 << 30
"""More bytes than a page of these tests has."""


def draft(
    payload: bytes = b"{}", *, event: str = "e", sender: int = NOBODY, age: float = 0.0
) -> Draft:
    """Return a draft with a new id.

    Args:
        payload: The payload.
        event: The name of the event.
        sender: The hash of the sender.
        age: Seconds before now at which the draft was made.
    """
    return Draft(secrets.token_hex(8), event, payload, sender, round((time.time() - age) * 1000))


def drafts(count: int, *, age: float = 0.0) -> list[Draft]:
    """Return drafts with new ids, whose payloads are numbered from 1.

    Args:
        count: How many.
        age: Seconds before now at which the drafts were made.
    """
    return [draft(b'{"number":%d}' % number, age=age) for number in range(1, count + 1)]


def offsets(entries: Sequence[LogEntry]) -> list[int]:
    """Return the offsets of entries."""
    return [entry.offset for entry in entries]


class ContractStore:
    """A started store in a test, and what it has announced.

    Attributes:
        store: The store.
        heard: The topic, epoch and entry of each announcement, in their order.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.heard: list[tuple[str, str, LogEntry | None]] = []

    async def start(self) -> None:
        """Start the store."""
        await self.store.start(lambda topic, epoch, entry: self.heard.append((topic, epoch, entry)))

    def announced(self, topic: str) -> list[LogEntry | None]:
        """Return what was announced of a topic."""
        return [entry for heard, _, entry in self.heard if heard == topic]


class StoreHooks(ABC):
    """The hooks of a subclass, and what the tests share.

    Attributes:
        patience: Seconds after which a test fails.
        brief: Seconds for which a claim is kept that a test lets expire.
        largest: Bytes of the largest payload and value that the tests use.
        too_large: Bytes of a payload that the store refuses with an ``EncodeError``; None if there is no limit.
        has_gaps: Whether offsets of one topic can have gaps, and ``prev`` can be ``UNKNOWN``.
    """

    patience: float = 20.0
    brief: float = 1.0
    largest: int = 1024 * 1024
    too_large: int | None = None
    has_gaps: bool = False

    @abstractmethod
    def store(self) -> Store:
        """Return a store that is not started. All stores of a test have the same data.

        The tests use topics and keys that no other test uses, so data of an earlier test does no harm.
        """

    async def restart(self) -> None:  # noqa: B027 - not every store can restart
        """Restart what keeps the data, and return when it can be used again. By default nothing is restarted."""

    async def lose_newest(self) -> None:  # noqa: B027 - not every store can lose entries
        """Lose the newest entries, as in a failover to a replica that lagged. By default nothing is lost."""

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        """Run a test on an event loop. Override it for another kind of loop."""
        asyncio.run(test)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a state."""
        await until(condition, self.patience)

    async def until_not_none(self, call: Callable[[], Awaitable[T | None]]) -> T:
        """Repeat a call until it returns something.

        Args:
            call: Makes the call. A ``StoreUnavailable`` counts as None.
        """
        async with asyncio.timeout(self.patience):
            while True:
                try:
                    result = await call()
                except StoreUnavailable:
                    result = None
                if result is not None:
                    return result
                await asyncio.sleep(0.005)

    def topic(self, name: str = "") -> str:
        """Return a topic that no other test uses.

        Args:
            name: The end of the topic.
        """
        return f"{secrets.token_hex(6)}:{name}"

    @asynccontextmanager
    async def nodes(self, count: int) -> AsyncGenerator[list[ContractStore]]:
        """Start stores, as on several nodes. At the end stop them."""
        async with AsyncExitStack() as stack:
            nodes = [ContractStore(self.store()) for _ in range(count)]
            for node in nodes:
                stack.push_async_callback(node.store.stop)
                await node.start()
            yield nodes

    @asynccontextmanager
    async def stores(self, count: int) -> AsyncGenerator[list[Store]]:
        """Start stores, as on several nodes, whose announcements don't matter. At the end stop them."""
        async with self.nodes(count) as nodes:
            yield [node.store for node in nodes]

    @staticmethod
    async def read(
        store: Store, topic: str, after: int, limit: int, max_bytes: int, retention: Retention
    ) -> Page:
        """Return a page, with its entries as a list."""
        page = await store.read(topic, after, limit, max_bytes, retention)
        return page._replace(entries=list(page.entries))

    async def read_all(self, store: Store, topic: str, after: int = 0, limit: int = 1000) -> Page:
        """Read all entries above an offset, page by page, and check their order.

        Returns:
            The last page, with the entries of all pages.
        """
        found: list[LogEntry] = []
        while True:
            last = found[-1].offset if found else after
            page = await self.read(store, topic, last, limit, PLENTY, KEEP)
            assert len(page.entries) <= limit
            self.check_follows(page.entries, last)
            found += page.entries
            if not page.is_cut:
                return page._replace(entries=found)
            assert page.entries != []

    def check_follows(self, entries: Sequence[LogEntry], after: int) -> None:
        """Check that entries follow an offset and each other, without a hole."""
        for entry in entries:
            assert entry.offset > after
            assert entry.offset < 2**53
            assert self.is_prev(entry.prev, after), f"a hole after {after}: {entry}"
            assert self.has_gaps or entry.offset == after + 1
            after = entry.offset

    def is_prev(self, prev: int, expected: int) -> bool:
        """Return whether a ``prev`` is right. Only a store with gaps may not know it."""
        return prev == expected or (self.has_gaps and prev == UNKNOWN)
