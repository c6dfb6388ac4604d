"""The option ``history`` of a channel: how much of a topic is kept, and how much a client can get back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, overload

from ..errors import DefinitionError, source_line
from ..store.store import Retention
from ..user_code.callback import Callback
from ..user_code.options import TEXTS, options
from .reader import ChannelHistory, HistoryOwner
from .run import Bounds

__all__ = ["NO_HISTORY", "History"]

MOST: Final = 100_000
"""The largest ``size``."""

RECORD: Final = timedelta(days=30)
"""How long the epoch and the newest offset of a quiet topic are kept, at least."""

RECORDS: Final = 10
"""The same as a multiple of ``ttl``."""


@options(ephemeral=TEXTS)
@dataclass(frozen=True, slots=True)
class History:
    """Keep the latest broadcasts of a topic, so that a client that was away gets what it has missed.

    Write it as the ``history`` of a channel. Each broadcast to a topic of the channel then becomes an entry of the topic's
    log, and all clients get the entries in one order. docs/recovery.md has the promises. On a channel, ``self.history`` reads
    the history: ``await self.history(limit=50)`` (:class:`ChannelHistory`).

    Args:
        size: The most entries that are kept, from 1 to 100,000. Default: 1,000.
        ttl: The age after which an entry is no longer kept. Default: one hour. None keeps entries until ``size`` is
            exceeded.
        max_recovered: The most entries that a client can get after a join, at most ``size``. Default: 1,000, or ``size``.
        max_recovered_bytes: The most bytes of their payloads. Default: 4 MiB.
        ephemeral: The events that are not kept, because they are worth nothing a moment later: ``["typing", "cursor"]``.
            Clients get them as on a topic without history. Default: none.

    Raises:
        DefinitionError: A value can't be used.

    Example:
        >>> History(size=100, ttl=timedelta(minutes=5)).retention.size
        100
    """

    size: int = 1_000
    ttl: timedelta | None = timedelta(hours=1)
    max_recovered: int | None = None
    max_recovered_bytes: int = 4 * 1024 * 1024
    ephemeral: Collection[str] = ()
    choose: Callback | None = field(default=None, init=False, repr=False)
    retention: Retention = field(init=False, repr=False, compare=False)
    """How much a store keeps."""

    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> History: ...
    @overload
    def __get__(self, instance: HistoryOwner, owner: type[Any], /) -> ChannelHistory: ...
    def __get__(
        self, instance: HistoryOwner | None, owner: type[Any], /
    ) -> History | ChannelHistory:
        """Return the option on a channel's class, and on a channel what reads its history: ``await self.history(...)``."""
        return self if instance is None else ChannelHistory(instance)

    def __post_init__(self) -> None:
        _expect_count("size", self.size, MOST)
        if self.max_recovered is not None:
            _expect_count("max_recovered", self.max_recovered, self.size)
        _expect_count("max_recovered_bytes", self.max_recovered_bytes, 2**40)
        object.__setattr__(self, "ephemeral", frozenset(self.ephemeral))
        ttl: object = self.ttl
        if ttl is not None and not (isinstance(ttl, timedelta) and ttl > timedelta()):
            raise DefinitionError(
                "History(ttl=...)",
                expected="a time above 0, or None",
                got=repr(ttl),
                write="History(ttl=timedelta(hours=1))",
            )
        seconds = None if self.ttl is None else self.ttl.total_seconds()
        record = max(RECORD.total_seconds(), RECORDS * (seconds or 0.0))
        object.__setattr__(self, "retention", Retention(self.size, seconds, record))

    @staticmethod
    def by_topic(choose: Callable[[str], History | None]) -> History:
        """Return a ``history`` that a function chooses for each topic.

        Args:
            choose: A plain function of the topic. It must always return the same for a topic, on all nodes, because its
                results are kept. None means a topic without history.

        Example:
            >>> history = History.by_topic(lambda topic: History() if topic != "room:lobby" else None)
        """
        made = History()
        callback = Callback.plain(
            "History.by_topic(...)",
            choose,
            why="it is called for a broadcast, which does not wait",
            write="History.by_topic(lambda topic: History(size=100))",
        )
        object.__setattr__(made, "choose", callback)
        return made

    def of(self, topic: str) -> History | None:
        """Return the history of one topic; None if the topic has none.

        Raises:
            TypeError: The function of :meth:`by_topic` has returned something else.
        """
        if self is NO_HISTORY:
            return None
        if self.choose is None:
            return self
        chosen = self.choose.call_now(topic)
        if chosen is None or (isinstance(chosen, History) and chosen.choose is None):
            return None if chosen is NO_HISTORY else chosen
        raise TypeError(
            f"History.by_topic(...) returned {chosen!r} for {topic!r}: expected a History or None"
        )

    @property
    def bounds(self) -> Bounds:
        """How much a client can get."""
        entries = self.max_recovered or min(self.size, 1_000)
        return Bounds(entries, self.max_recovered_bytes)


def _expect_count(name: str, given: object, most: int) -> None:
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= most:
        raise DefinitionError(
            f"History({name}=...)",
            expected=f"a whole number from 1 to {most}",
            got=repr(given),
            write=f"History({name}={min(most, 1_000)})",
            where=source_line(given) if callable(given) else None,
        )


NO_HISTORY: Final = History()
"""The ``history`` of a channel whose topics have none."""
