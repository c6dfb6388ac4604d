"""Stores over one store in memory, as several nodes have: they announce, have gaps, lose entries, and have faults."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bennu.store import (
    Announce,
    Appended,
    Claim,
    Draft,
    Head,
    MemoryStore,
    Page,
    Retention,
    Store,
)

__all__ = ["AnnouncingFacade", "Facade", "GapsFacade", "Shared"]


class Shared:
    """What the stores of a test share.

    Attributes:
        memory: The data.
        nodes: The stores that are started.
    """

    def __init__(self) -> None:
        self.memory = MemoryStore()
        self.nodes: list[Facade] = []

    def lose_everything(self) -> None:
        """Lose the data, so that every log begins a new epoch."""
        self.memory = MemoryStore()

    async def lose_newest(self, topics: Collection[str], count: int) -> None:
        """Lose the newest entries of topics, and keep the others."""
        memory, self.memory = self.memory, MemoryStore()
        keep = Retention(1000, None, 1e6)
        for topic in topics:
            page = await memory.read(topic, 0, 1000, 1 << 30, keep)
            for entry in page.entries[: len(page.entries) - count]:
                await self.memory.append(topic, [Draft(*entry[2:])], keep)


class Facade(Store):
    """One node's store over the shared store.

    Args:
        shared: What the stores of a test share.
    """

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.announce: Announce | None = None
        self.topics = set[str]()

    @property
    def memory(self) -> MemoryStore:
        """The shared store."""
        return self.shared.memory

    @property
    def name(self) -> str:
        return "facade://"

    async def start(self, announce: Announce) -> None:
        self.announce = announce
        self.shared.nodes.append(self)

    async def stop(self) -> None:
        self.topics.clear()
        if self in self.shared.nodes:
            self.shared.nodes.remove(self)

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        return await self.memory.append(topic, drafts, retention)

    async def read(
        self, topic: str, after: int, limit: int, max_bytes: int, retention: Retention
    ) -> Page:
        return await self.memory.read(topic, after, limit, max_bytes, retention)

    async def heads(self, topics: Collection[str]) -> Mapping[str, Head]:
        return await self.memory.heads(topics)

    async def reset(self, topic: str) -> None:
        await self.memory.reset(topic)

    async def claim(self, key: str, owner: str, seconds: float) -> Claim:
        return await self.memory.claim(key, owner, seconds)

    async def settle(self, key: str, owner: str, value: bytes, seconds: float) -> bool:
        return await self.memory.settle(key, owner, value, seconds)

    async def release(self, key: str, owner: str) -> None:
        await self.memory.release(key, owner)


class AnnouncingFacade(Facade):
    """A store that announces."""

    announces = True

    async def subscribe(self, topics: Collection[str]) -> None:
        self.topics.update(topics)

    def unsubscribe(self, topics: Collection[str]) -> None:
        self.topics.difference_update(topics)

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        appended = await super().append(topic, drafts, retention)
        page = await self.memory.read(topic, appended.places[0][1], 64, 1 << 30, retention)
        for node in self.shared.nodes:
            assert isinstance(node, AnnouncingFacade)
            node.hear(topic, page)
        return appended

    def hear(self, topic: str, page: Page) -> None:
        """Announce new entries, if the node has subscribed."""
        assert self.announce is not None
        if topic in self.topics:
            for entry in page.entries:
                self.announce(topic, page.epoch, entry if len(entry.payload) < 8000 else None)


class GapsFacade(Facade):
    """A store whose offsets have gaps: 3, 6, 9."""

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        epoch, places = await super().append(topic, drafts, retention)
        return Appended(epoch, [(offset * 3, prev * 3) for offset, prev in places])

    async def read(
        self, topic: str, after: int, limit: int, max_bytes: int, retention: Retention
    ) -> Page:
        page = await super().read(topic, after // 3, limit, max_bytes, retention)
        entries = [
            entry._replace(offset=entry.offset * 3, prev=entry.prev * 3) for entry in page.entries
        ]
        return page._replace(entries=entries, newest=page.newest * 3)

    async def heads(self, topics: Collection[str]) -> Mapping[str, Head]:
        heads = await super().heads(topics)
        return {topic: head._replace(newest=head.newest * 3) for topic, head in heads.items()}
