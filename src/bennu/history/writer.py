"""Appends the broadcasts of this node to one topic, in their order.

Theory of operation
-------------------
One append is under way at a time. What is broadcast meanwhile waits, and goes with the next append. At most ``MOST`` drafts
are unanswered; then ``await broadcast(...)`` waits for room. So a slow store slows its publishers, and nothing grows.

The append runs in a task of its own: a caller that is cancelled does not take its draft back, as with any message that was
sent. The draft keeps its place until it is answered, so cancelled callers can't fill the memory.

An append without an answer can have succeeded. It is repeated with the same ids, which a store appends once. Each caller
waits for at most ``PUBLISH_TIMEOUT`` seconds, the time before its turn included. Then it gets the exception, and its draft is
not tried again; but its entry may be in the log already. Every member gets the entry, or nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

from ..errors import EncodeError, StoreUnavailable
from ..store.entry import Draft

__all__ = ["PUBLISH_TIMEOUT", "LogWriter"]

T = TypeVar("T")

PUBLISH_TIMEOUT: Final = 5.0
"""Seconds after which a broadcast gives up."""

PAUSE: Final = 0.05
"""Seconds before an append is repeated."""

MOST: Final = 64
"""The most drafts that are unanswered, and the most in one append."""

Append = Callable[[Sequence[Draft], Sequence[object]], Awaitable[Sequence[T]]]
"""Appends drafts of senders, passes the entries on, and returns what became of each, such as its position."""


class _Waiting(NamedTuple, Generic[T]):
    draft: Draft
    sender: object
    done: asyncio.Future[T]
    deadline: float


class LogWriter(Generic[T]):
    """What one node appends to one topic.

    Args:
        append: Appends some drafts.
        spawn: Runs a coroutine as a task that ends with the node.

    Attributes:
        callers: How many broadcasts wait for their append.
    """

    def __init__(
        self, append: Append[T], spawn: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self._append = append
        self._spawn = spawn
        self._queue: deque[_Waiting[T]] = deque()
        self._slots = asyncio.Semaphore(MOST)
        self._is_writing = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._why = "it hangs"
        self.callers = 0

    async def empty(self) -> None:
        """Wait until nothing is under way."""
        await self._is_empty.wait()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, and nobody waits."""
        return not (self._is_writing or self.callers)

    async def write(self, draft: Draft, sender: object) -> T:
        """Append a draft, after all earlier ones of this topic. Return what became of it.

        Args:
            draft: The draft.
            sender: The sender on this node, which does not get the entry; or None.

        Raises:
            StoreUnavailable: The store has not taken it in time.
            EncodeError: It is too large for the store.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PUBLISH_TIMEOUT
        self.callers += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
                done: asyncio.Future[T] = loop.create_future()
                self._queue.append(_Waiting(draft, sender, done, deadline))
                if not self._is_writing:
                    self._is_writing = True
                    self._is_empty.clear()
                    self._spawn(self._run())
                return await done
        except TimeoutError:
            raise self._too_late() from None
        finally:
            self.callers -= 1

    def _too_late(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"a broadcast was not appended within {PUBLISH_TIMEOUT:g} s: {self._why}"
        )

    async def _run(self) -> None:
        batch: list[_Waiting[T]] = []
        try:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(MOST, len(self._queue)))]
                await self._try(batch)
        finally:
            self._is_writing = False
            self._is_empty.set()
            self._finish([*batch, *self._queue], StoreUnavailable("this node has stopped"))
            self._queue.clear()

    async def _try(self, batch: list[_Waiting[T]]) -> None:
        """Append drafts, again and again within their time limits. Those that are answered leave the list."""
        loop = asyncio.get_running_loop()
        while batch:
            try:
                drafts, senders = [one.draft for one in batch], [one.sender for one in batch]
                results = await self._append(drafts, senders)
            except StoreUnavailable as error:
                self._why = str(error)
                next_try = loop.time() + PAUSE
                self._finish([one for one in batch if one.deadline <= next_try], self._too_late())
                batch[:] = [one for one in batch if one.deadline > next_try]
                if batch:
                    await asyncio.sleep(PAUSE)
            except EncodeError as error:
                if len(batch) > 1:  # one that is too large does not cost the others
                    await self._try_each(batch)
                else:
                    self._finish(batch, error)
                    batch.clear()
            except Exception as error:  # noqa: BLE001 - the callers raise it
                self._finish(batch, error)
                batch.clear()
            else:
                for one, result in zip(batch, results, strict=True):
                    self._slots.release()
                    if not one.done.done():  # else its caller was cancelled
                        one.done.set_result(result)
                batch.clear()

    async def _try_each(self, batch: list[_Waiting[T]]) -> None:
        while batch:
            first = batch[:1]
            await self._try(first)
            del batch[0]

    def _finish(self, batch: Iterable[_Waiting[T]], error: Exception) -> None:
        for one in batch:
            self._slots.release()
            if not one.done.done():
                one.done.set_exception(error)
