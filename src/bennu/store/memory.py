"""The store in the memory of one process: the default, for an endpoint without a bus.

Logs begin a new epoch at each start of the process. A log is forgotten ``Retention.record`` seconds after its last append
or read. A later append begins a new epoch, so numbers never repeat within an epoch.

No method waits, so every call is atomic.
"""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Final

from .entry import Draft, LogEntry
from .epoch import new_epoch
from .store import Announce, Appended, Claim, ClaimState, Head, Page, Retention, Store

__all__ = ["MemoryStore"]

REMEMBERED: Final = 120.0
"""Seconds for which the id of a draft is kept, at least; at most twice as long."""


class MemoryStore(Store):
    """Keeps logs and keys in this process.

    Args:
        clock: Returns seconds since 1970. Default: the clock of the system.
    """

    __slots__ = ("_claims", "_clock", "_deadlines", "_logs")

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._logs: OrderedDict[str, _Log] = OrderedDict()  # by their last appends or reads
        self._claims: dict[str, _Claimed] = {}
        self._deadlines: list[tuple[float, str]] = []

    @property
    def name(self) -> str:
        """The address."""
        return "memory://"

    @property
    def is_shared(self) -> bool:
        """No other process sees this store."""
        return False

    async def start(self, announce: Announce) -> None:
        """Do nothing: the logs are there."""

    async def stop(self) -> None:
        """Do nothing: a restarted endpoint finds its logs."""

    # Logs.

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        """Append drafts to the log of a topic."""
        now = self._clock()
        log = self._log(topic, now, retention)
        return Appended(log.epoch, [log.append(draft, retention.size, now) for draft in drafts])

    def append_now(self, topic: str, draft: Draft, retention: Retention) -> tuple[str, LogEntry]:
        """Append a draft without waiting. Return the epoch and the entry.

        Its outcome is always known, so the draft does not come again, and its id is not kept.
        """
        log = self._log(topic, self._clock(), retention)
        return log.epoch, log.add(draft, retention.size)

    async def read(
        self, topic: str, after: int, limit: int, max_bytes: int, retention: Retention
    ) -> Page:
        """Return the oldest entries above an offset."""
        now = self._clock()
        log = self._log(topic, now, retention)
        if retention.ttl is not None:
            log.trim_older((now - retention.ttl) * 1000)
        return log.page(after, limit, max_bytes)

    async def heads(self, topics: Collection[str]) -> Mapping[str, Head]:
        """Return where the logs of many topics stand."""
        now = self._clock()
        return {
            topic: Head(log.epoch, log.newest)
            for topic in topics
            if (log := self._logs.get(topic)) is not None and log.forget_at > now
        }

    async def reset(self, topic: str) -> None:
        """Delete the log of a topic."""
        self._logs.pop(topic, None)

    def _log(self, topic: str, now: float, retention: Retention) -> _Log:
        """Return the log of a topic, and forget logs whose time is over."""
        for oldest in self._logs.values():  # only the first one is looked at
            if oldest.forget_at <= now:
                self._forget(now)
            break
        log = self._logs.get(topic)
        if log is None or log.forget_at <= now:
            log = self._logs[topic] = _Log()
        log.forget_at = now + retention.record
        self._logs.move_to_end(topic)
        return log

    def _forget(self, now: float) -> None:
        """Forget at most two logs whose time is over: each call makes at most one, so they can't pile up."""
        for topic, log in tuple(islice(self._logs.items(), 2)):
            if log.forget_at <= now:
                del self._logs[topic]

    # Keys.

    async def claim(self, key: str, owner: str, seconds: float) -> Claim:
        """Claim a key for its first caller."""
        now = self._clock()
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, name = heapq.heappop(self._deadlines)
            if name in self._claims and self._claims[name].deadline <= deadline:
                del self._claims[name]
        claimed = self._claims.get(key)
        if claimed is None or claimed.deadline <= now or claimed.owner == owner:
            self._keep(key, _Claimed(owner, None, now + seconds))
            return Claim(ClaimState.NEW)
        if claimed.value is None:
            return Claim(ClaimState.RUNNING)
        return Claim(ClaimState.SETTLED, claimed.value)

    async def settle(self, key: str, owner: str, value: bytes, seconds: float) -> bool:
        """Give a claimed key its value."""
        now = self._clock()
        if not self._is_running(key, owner, now):
            return False
        self._keep(key, _Claimed("", value, now + seconds))
        return True

    async def release(self, key: str, owner: str) -> None:
        """Free a key that this owner has claimed."""
        if self._is_running(key, owner, self._clock()):
            del self._claims[key]

    def _is_running(self, key: str, owner: str, now: float) -> bool:
        claimed = self._claims.get(key)
        return (
            claimed is not None
            and claimed.value is None
            and claimed.owner == owner
            and claimed.deadline > now
        )

    def _keep(self, key: str, claimed: _Claimed) -> None:
        self._claims[key] = claimed
        heapq.heappush(self._deadlines, (claimed.deadline, key))


class _Log:
    """The log of one topic.

    Attributes:
        epoch: The epoch.
        newest: The offset of the newest entry.
        forget_at: When the log is forgotten.
    """

    __slots__ = (
        "_entries",
        "_forget_ids_at",
        "_ids",
        "_old_ids",
        "_oldest",
        "epoch",
        "forget_at",
        "newest",
    )

    def __init__(self) -> None:
        self.epoch = new_epoch()
        self.newest = 0
        self.forget_at = 0.0
        self._entries: dict[int, LogEntry] = {}
        self._oldest = 1
        self._ids: dict[str, int] = {}
        self._old_ids: dict[str, int] = {}
        self._forget_ids_at = 0.0

    def append(self, draft: Draft, size: int, now: float) -> tuple[int, int]:
        """Append a draft, unless it is there. Return its offset, and that of the entry before it."""
        self._forget_ids(now)
        offset = self._ids.get(draft.id) or self._old_ids.get(draft.id)
        if offset is None:
            offset = self._ids[draft.id] = self.add(draft, size).offset
        return offset, offset - 1

    def add(self, draft: Draft, size: int) -> LogEntry:
        """Append a draft that is not there, and does not come again. Return its entry."""
        prev = self.newest
        self.newest = offset = prev + 1
        entry = self._entries[offset] = LogEntry(offset, prev, *draft)
        if offset - self._oldest >= size:
            self._drop(size)
        return entry

    def _forget_ids(self, now: float) -> None:
        """Forget those of the last but one period, if a period is over. To forget them one by one would cost each append more."""
        if now >= self._forget_ids_at:
            is_long_ago = now >= self._forget_ids_at + REMEMBERED
            self._old_ids, self._ids = {} if is_long_ago else self._ids, {}
            self._forget_ids_at = now + REMEMBERED

    def trim_older(self, moment: float) -> None:
        """Trim the entries before a time in milliseconds."""
        while self._oldest <= self.newest and self._entries[self._oldest].time < moment:
            self._drop(self.newest - self._oldest)

    def _drop(self, size: int) -> None:
        """Drop the oldest entries, so that at most this number is left."""
        while self.newest - self._oldest >= size:
            del self._entries[self._oldest]
            self._oldest += 1

    def page(self, after: int, limit: int, max_bytes: int) -> Page:
        """Return the oldest entries above an offset."""
        found: list[LogEntry] = []
        size = 0
        for offset in range(max(after + 1, self._oldest), self.newest + 1):
            if len(found) == limit or size >= max_bytes:
                return Page(self.epoch, self.newest, found, is_cut=True)
            entry = self._entries[offset]
            found.append(entry)
            size += len(entry.payload)
        return Page(self.epoch, self.newest, found, is_cut=False)


class _Claimed:
    """A key that was claimed or settled.

    Attributes:
        owner: The caller that has claimed it.
        value: The final value of the key; None while the key is only claimed.
        deadline: When it is free again.
    """

    __slots__ = ("deadline", "owner", "value")

    def __init__(self, owner: str, value: bytes | None, deadline: float) -> None:
        self.owner = owner
        self.value = value
        self.deadline = deadline
