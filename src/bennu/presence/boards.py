"""The boards of one presence, by their topics, and the tasks that they have under way."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from .audience import Audience, Entries
from .board import Board, Rules, Waiter, greet
from .crdt import Diff, Entry
from .hooks import Hooks, Host
from .modes import Mode

__all__ = ["Boards"]


PATIENCE: Final = 10.0
"""Seconds that hooks may take after everything has ended."""


class Boards:
    """All topics that somebody is present on.

    Args:
        name: The presence's name.
        host: The endpoint.
        entries: What is tracked, of a topic or of one of its keys.
        window: Seconds that changes gather.
        mode: What clients are told.
        hooks: What the application adds.
    """

    def __init__(
        self, name: str, host: Host, entries: Entries, window: float, mode: Mode, hooks: Hooks
    ) -> None:
        self._name = name
        self._host = host
        self._log = host.telemetry.log.child("presence")
        self._boards: dict[str, Board] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._rules = Rules(name, host, entries, window, mode, hooks, self._spawn, self._forget)

    def __len__(self) -> int:
        return len(self._boards)

    def change(self, diff: Diff) -> None:
        """Take what happened at once, in one topic or in several."""
        topics: dict[str, tuple[list[Entry], list[Entry]]] = {}
        for entry in diff.joins:
            topics.setdefault(entry.topic, ([], []))[0].append(entry)
        for entry in diff.leaves:
            topics.setdefault(entry.topic, ([], []))[1].append(entry)
        for topic, (joins, leaves) in topics.items():
            board = self._boards.get(topic)
            if board is None:
                board = self._boards[topic] = Board(self._rules, topic)
            board.change(joins, leaves)

    def greet(self, topic: str, waiter: Waiter) -> asyncio.Future[None] | None:
        """Push the state to a channel; see :meth:`Board.greet`."""
        board = self._boards.get(topic)
        if board is not None:
            return board.greet(waiter)
        greet(waiter, Audience(topic, self._rules.mode, self._rules.entries))
        return None

    def count(self, topic: str) -> tuple[int, int]:
        """Return how many keys and metas a topic has."""
        board = self._boards.get(topic)
        return (0, 0) if board is None else (len(board.tally.keys), board.tally.metas)

    def open(self) -> None:
        """Tell of what happened, and from now on of what happens."""
        self._rules.is_open = True
        self.flush()

    def flush(self) -> None:
        """Let everything go that is pending, unless nobody was told of anything yet."""
        if not self._rules.is_open:
            return
        for board in tuple(self._boards.values()):
            board.flush()

    async def stop(self) -> None:
        """Wait for the hooks that run, but not for ever."""
        loop = self._host.loop
        deadline = loop.time() + PATIENCE
        while self._tasks and (left := deadline - loop.time()) > 0:
            await asyncio.wait(tuple(self._tasks), timeout=left)
        for task in self._tasks:
            self._log.error(
                "A hook of %s did not end in %gs: it is cancelled", self._name, PATIENCE
            )
            task.cancel()
        for board in self._boards.values():
            board.abandon()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._host.loop.create_task(coroutine, context=self._host.context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("Presence %s failed", self._name, exc_info=error)

    def _forget(self, topic: str, board: Board) -> None:
        """Drop a board, unless another has taken its place: it may tell of its end more than once."""
        if self._boards.get(topic) is board:
            del self._boards[topic]
