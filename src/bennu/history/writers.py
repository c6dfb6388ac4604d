"""The writers of one node: one for each topic that it publishes to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from ..store.entry import Draft
from .history import History
from .writer import PUBLISH_TIMEOUT, LogWriter

__all__ = ["LogWriters"]

T = TypeVar("T")

MANY: Final = 1_000
"""Writers at which those that are idle are forgotten."""

AppendTo = Callable[[str, History, Sequence[Draft], Sequence[object]], Awaitable[Sequence[T]]]
"""Appends drafts of senders to the log of a topic, and returns what became of each."""


class LogWriters(Generic[T]):
    """The writers by topic.

    Args:
        append: Appends drafts to the log of a topic.
        spawn: Runs a coroutine as a task that ends with the node.
    """

    __slots__ = ("_append", "_spawn", "_writers")

    def __init__(
        self, append: AppendTo[T], spawn: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self._append = append
        self._spawn = spawn
        self._writers: dict[str, LogWriter[T]] = {}

    async def write(self, topic: str, history: History, draft: Draft, sender: object = None) -> T:
        """Append a draft to the log of a topic, after all earlier ones; see :meth:`LogWriter.write`."""
        writer = self._writers.get(topic)
        if writer is None:
            writer = self._writers[topic] = self._make(topic, history)
        return await writer.write(draft, sender)

    def _make(self, topic: str, history: History) -> LogWriter[T]:
        if len(self._writers) > MANY:
            self._writers = {name: one for name, one in self._writers.items() if not one.is_idle}

        async def append(drafts: Sequence[Draft], senders: Sequence[object]) -> Sequence[T]:
            return await self._append(topic, history, drafts, senders)

        return LogWriter(append, self._spawn)

    async def empty(self) -> None:
        """Wait until nothing is under way, but no longer than a broadcast waits."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PUBLISH_TIMEOUT):
                for writer in tuple(self._writers.values()):
                    await writer.empty()

    def clear(self) -> None:
        """Forget all writers: the node has stopped."""
        self._writers.clear()
