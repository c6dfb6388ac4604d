"""The interface of a store, which keeps the logs of topics and the replies of idempotent pushes.

Theory of operation
-------------------
A store is shared by all nodes of an application, except :class:`~bennu.store.memory.MemoryStore`. Users can write
stores of their own, so this interface is public, and :mod:`bennu.testing.store_contract` tests any store.

A *log* is kept for each topic: an epoch, the newest offset, and the entries that were not trimmed. The promises:

- **One order.** Offsets rise in the order in which appends become visible. No reader sees an entry before another one
  with a lower offset.
- **One snapshot.** A read sees the epoch, the newest offset and the entries at one moment. It asks the primary, never
  a replica.
- **Once.** A draft whose id was appended within the last two minutes is not appended again: the answer is the first
  one, and no offset is used up.
- **Trimming** removes the oldest entries only: by number at each append, by age at each read. It never changes the
  epoch, and never lowers the newest offset. Both are kept for ``Retention.record`` seconds after the last append.
- **A new epoch** begins, with an empty log at offset 0, if the store knows nothing of the topic, and whenever entries
  that a client may have seen can be gone: after a failover, a restart without everything, a restored backup. Epochs
  are random, so they never repeat. A read of an unknown topic makes its epoch too.

*Keys* are for idempotent pushes (:mod:`bennu.history.idempotence`): a key is claimed, settled with a value, and
forgotten after a time.

Every method raises :class:`~bennu.errors.StoreUnavailable` if the store can't be reached or refuses. A store connects
again by itself. The caller has a time limit of its own, and cancels a call that takes longer: so every method can be
cancelled at any time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple

from .entry import Draft, LogEntry

__all__ = [
    "Announce",
    "Appended",
    "Claim",
    "ClaimState",
    "Head",
    "Page",
    "Retention",
    "Store",
]


class Retention(NamedTuple):
    """How much of a log is kept.

    Attributes:
        size: The most entries.
        ttl: Seconds after which an entry is trimmed; None for no limit.
        record: Seconds after the last append for which the epoch and the newest offset are kept.
    """

    size: int
    ttl: float | None
    record: float


class Appended(NamedTuple):
    """The result of an append.

    Attributes:
        epoch: The epoch of the log.
        places: The offset and the ``prev`` of each draft, in the order of the drafts.
    """

    epoch: str
    places: Sequence[tuple[int, int]]


class Head(NamedTuple):
    """Where a log stands.

    Attributes:
        epoch: The epoch.
        newest: The offset of the newest entry, trimmed or not; 0 if there was none in this epoch.
    """

    epoch: str
    newest: int


class Page(NamedTuple):
    """The result of a read.

    Attributes:
        epoch: The epoch.
        newest: The offset of the newest entry, trimmed or not; 0 if there was none in this epoch.
        entries: The oldest entries above the offset that was asked for, in their order. Nothing lies between two of them.
        is_cut: Whether more entries follow, because the limit was reached.
    """

    epoch: str
    newest: int
    entries: Sequence[LogEntry]
    is_cut: bool


class ClaimState(Enum):
    """What a claim of a key has found."""

    NEW = auto()
    """The caller has the key now, and must settle or release it."""
    RUNNING = auto()
    """Another caller has the key."""
    SETTLED = auto()
    """The key was settled with a value."""


class Claim(NamedTuple):
    """The result of a claim.

    Attributes:
        state: The state.
        value: The value with which the key was settled; empty in the other states.
    """

    state: ClaimState
    value: bytes = b""


Announce = Callable[[str, str, LogEntry | None], object]
"""Called on the event loop with the topic, the epoch and a new entry; None for the entry means: read the log. It never
waits or raises. It can be called late, twice, in a wrong order, or not at all: whoever gets it checks ``prev``."""


class Store(ABC):
    """Keeps logs and keys. Write a subclass for a store of your own, and run the contract on it.

    Bennu calls all methods on one event loop. A store that was stopped can be started again, also on another loop.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """The store and its address for the log, without a password: ``redis://cache:6379/0``."""

    @property
    def is_shared(self) -> bool:
        """Whether all nodes of an application see the same logs. Default: True."""
        return True

    @property
    def announces(self) -> bool:
        """Whether the store itself tells all nodes of new entries. Default: False, the publisher tells them over the bus."""
        return False

    # Start and stop.

    @abstractmethod
    async def start(self, announce: Announce) -> None:
        """Prepare the store. A store that is down is no error: it connects when it is needed.

        Args:
            announce: Called with the new entries of topics that were subscribed to, if the store ``announces``.

        Raises:
            DefinitionError: The address can't be used, or a package is not installed.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Close all connections, also after a failed start. A second call has no effect."""

    async def subscribe(self, topics: Collection[str]) -> None:  # noqa: B027 - most stores don't announce
        """Hear of the new entries of topics, and return when every later entry is announced. Default: nothing."""

    def unsubscribe(self, topics: Collection[str]) -> None:  # noqa: B027 - most stores don't announce
        """Hear nothing more of topics. It does not wait. Default: nothing."""

    # Logs.

    @abstractmethod
    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        """Append drafts to the log of a topic, in their order, all or none.

        If the store ``announces``, each node that has subscribed to the topic is told.

        Args:
            topic: Any text that has a UTF-8 form of at most 65,535 bytes.
            drafts: From 1 to 64 drafts.
            retention: How much of the log is kept.

        Raises:
            StoreUnavailable: The outcome is unknown. The caller may repeat the call with the same drafts.
            EncodeError: A draft is too large for the store. Nothing was appended.
        """

    @abstractmethod
    async def read(
        self, topic: str, after: int, limit: int, max_bytes: int, retention: Retention
    ) -> Page:
        """Return the oldest entries above an offset, in one snapshot with the epoch and the newest offset.

        Args:
            topic: The topic.
            after: An offset. It can be of another epoch, or above the newest.
            limit: The most entries, at least 1.
            max_bytes: The page ends after the entry whose payload brings the sum of payloads to this number of bytes
                or more.
            retention: Entries older than its ``ttl`` are not returned.
        """

    @abstractmethod
    async def heads(self, topics: Collection[str]) -> Mapping[str, Head]:
        """Return where the logs of many topics stand. Topics of which the store knows nothing are left out."""

    @abstractmethod
    async def reset(self, topic: str) -> None:
        """Delete the log of a topic, so that its next append or read begins a new epoch."""

    # Keys.

    @abstractmethod
    async def claim(self, key: str, owner: str, seconds: float) -> Claim:
        """Claim a key for its first caller, or return what became of it.

        Args:
            key: Any text that has a UTF-8 form of at most 1,024 bytes.
            owner: Unique text of this attempt. The owner of a running claim gets NEW again, and the time begins anew.
            seconds: After this time a claim that was neither settled nor released is free again.
        """

    @abstractmethod
    async def settle(self, key: str, owner: str, value: bytes, seconds: float) -> bool:
        """Give a claimed key its value, which is kept for some seconds.

        Returns:
            Whether the owner still had the claim. If not, nothing was changed.
        """

    @abstractmethod
    async def release(self, key: str, owner: str) -> None:
        """Free a key that this owner has claimed and not settled. Otherwise it has no effect."""
