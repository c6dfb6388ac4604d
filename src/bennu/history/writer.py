"""Appends the broadcasts of this node to one topic, in their order.

Theory of operation
-------------------
One append is under way at a time. What is broadcast meanwhile waits, and goes with the next append, up to 64 entries. Then
``await broadcast(...)`` waits for room. So a slow store slows its publishers, and nothing grows.

The append runs in a task of its own: a caller that is cancelled does not take it back, as with any message that was sent.

An append without an answer can have succeeded. It is repeated with the same ids, which a store appends once, until
``PUBLISH_TIMEOUT`` seconds are over. Then the callers get the exception, and the entries may still be in the log. Every
member gets them, or nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple

from ..errors import EncodeError, StoreUnavailable
from ..store.entry import Draft
from .position import Position

__all__ = ["PUBLISH_TIMEOUT", "LogWriter"]

PUBLISH_TIMEOUT: Final = 5.0
"""Seconds after which a broadcast gives up."""

PAUSE: Final = 0.05
"""Seconds before an append is repeated."""

MOST: Final = 64
"""Entries in one append, and callers that wait, at most."""

Append = Callable[[Sequence[Draft], Sequence[object]], Awaitable[Sequence[Position]]]
"""Appends drafts of senders, passes the entries on, and returns their positions."""


class _Waiting(NamedTuple):
    draft: Draft
    sender: object
    done: asyncio.Future[Position]


class LogWriter:
    """What one node appends to one topic.

    Args:
        append: Appends some drafts.
        spawn: Runs a coroutine as a task that ends with the endpoint.

    Attributes:
        callers: How many broadcasts wait for their append.
    """

    def __init__(
        self, append: Append, spawn: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self._append = append
        self._spawn = spawn
        self._queue: deque[_Waiting] = deque()
        self._slots = asyncio.Semaphore(MOST)
        self._is_writing = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self.callers = 0

    async def empty(self) -> None:
        """Wait until nothing is under way: at most for ``PUBLISH_TIMEOUT`` seconds, if the store hangs."""
        await self._is_empty.wait()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, and nobody waits."""
        return not (self._is_writing or self.callers)

    async def write(self, draft: Draft, sender: object) -> Position:
        """Append a draft, after all earlier ones of this topic. Return its position.

        Args:
            draft: The draft.
            sender: The sender on this node, which does not get the entry; or None.

        Raises:
            StoreUnavailable: The store has not taken it in time.
            EncodeError: It is too large for the store.
        """
        self.callers += 1
        try:
            async with self._slots:
                done: asyncio.Future[Position] = asyncio.get_running_loop().create_future()
                self._queue.append(_Waiting(draft, sender, done))
                if not self._is_writing:
                    self._is_writing = True
                    self._is_empty.clear()
                    self._spawn(self._run())
                return await done
        finally:
            self.callers -= 1

    async def _run(self) -> None:
        try:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(MOST, len(self._queue)))]
                result = await self._try(batch)
                if isinstance(result, EncodeError) and len(batch) > 1:
                    for one in batch:  # one that is too large does not cost the others
                        _finish([one], await self._try([one]))
                else:
                    _finish(batch, result)
        finally:
            self._is_writing = False
            self._is_empty.set()
            _finish(tuple(self._queue), StoreUnavailable("the endpoint has stopped"))

    async def _try(self, batch: Sequence[_Waiting]) -> Sequence[Position] | Exception:
        """Append some drafts, again and again within the time limit. Return their positions, or why it has failed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PUBLISH_TIMEOUT
        drafts, senders = [one.draft for one in batch], [one.sender for one in batch]
        while True:
            try:
                return await self._append(drafts, senders)
            except StoreUnavailable as error:
                if loop.time() + PAUSE >= deadline:
                    return error
                await asyncio.sleep(PAUSE)
            except Exception as error:  # noqa: BLE001 - the callers raise it
                return error


def _finish(batch: Sequence[_Waiting], result: Sequence[Position] | Exception) -> None:
    if isinstance(result, Exception):
        for _, _, done in batch:
            if not done.done():  # else its caller was cancelled
                done.set_exception(result)
        return
    for (_, _, done), position in zip(batch, result, strict=True):
        if not done.done():
            done.set_result(position)
