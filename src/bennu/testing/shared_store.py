"""A store that several nodes of a test share, and that hangs, fails and loses on order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from ..errors import StoreUnavailable
from ..store import Announce, Appended, Claim, Draft, Head, MemoryStore, Page, Retention, Store

__all__ = ["SharedStore"]


class SharedStore(Store):
    """A store in memory for all nodes of a test.

    Args:
        announces: Whether the store itself tells the nodes of new entries.

    Attributes:
        calls: How often each method was called.
        fails: The methods that raise StoreUnavailable.
        hangs: The methods that don't return until :meth:`go_on`.
        forgets_answers: Whether an append succeeds, and its answer is lost.
        raises: What each method raises; by its name.
    """

    def __init__(self, *, announces: bool = False) -> None:
        self._logs = MemoryStore(lambda: 1_000_000.0 + asyncio.get_running_loop().time())
        self._announces = announces
        self._nodes: dict[str, list[Announce]] = {}
        self._announce: list[Announce] = []
        self.calls: Counter[str] = Counter()
        self.fails: set[str] = set()
        self.hangs: set[str] = set()
        self.raises: dict[str, BaseException] = {}
        self.forgets_answers = False
        self._released: asyncio.Event | None = None

    @property
    def name(self) -> str:
        """The address."""
        return "shared://"

    @property
    def announces(self) -> bool:
        """As given."""
        return self._announces

    def go_on(self) -> None:
        """Let hanging calls go on."""
        self.hangs.clear()
        if self._released is not None:
            self._released.set()
            self._released = None

    async def _enter(self, method: str) -> None:
        self.calls[method] += 1
        if method in self.raises:
            raise self.raises[method]
        while method in self.hangs:
            self._released = self._released or asyncio.Event()
            await self._released.wait()
        if method in self.fails:
            raise StoreUnavailable(f"shared:// does not {method}")
        await asyncio.sleep(0)

    async def start(self, announce: Announce) -> None:
        """Note a node."""
        self._announce.append(announce)

    async def stop(self) -> None:
        """Do nothing: other nodes go on."""

    async def subscribe(self, topics: Collection[str]) -> None:
        """Announce to all nodes: a test has few topics."""
        await self._enter("subscribe")
        for topic in topics:
            self._nodes[topic] = self._announce

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Announce nothing more."""
        for topic in topics:
            self._nodes.pop(topic, None)

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        """Append drafts."""
        await self._enter("append")
        appended = await self._logs.append(topic, drafts, retention)
        if self._announces:
            page = await self._logs.read(topic, appended.places[0][1], 64, 2**30, retention)
            for announce in self._nodes.get(topic, ()):
                for entry in page.entries:
                    announce(topic, appended.epoch, entry)
        if self.forgets_answers:
            self.forgets_answers = False
            raise StoreUnavailable("shared:// has lost its answer")
        return appended

    async def read(
        self, topic: str, after: int, limit: int, max_bytes: int, retention: Retention
    ) -> Page:
        """Read a page."""
        await self._enter("read")
        return await self._logs.read(topic, after, limit, max_bytes, retention)

    async def heads(self, topics: Collection[str]) -> Mapping[str, Head]:
        """Return where logs stand."""
        await self._enter("heads")
        return await self._logs.heads(topics)

    async def reset(self, topic: str) -> None:
        """Begin a new epoch."""
        await self._logs.reset(topic)

    async def claim(self, key: str, owner: str, seconds: float) -> Claim:
        """Claim a key."""
        return await self._logs.claim(key, owner, seconds)

    async def settle(self, key: str, owner: str, value: bytes, seconds: float) -> bool:
        """Settle a key."""
        return await self._logs.settle(key, owner, value, seconds)

    async def release(self, key: str, owner: str) -> None:
        """Free a key."""
        await self._logs.release(key, owner)
