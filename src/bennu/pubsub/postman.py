"""Publishes messages of callers that can't wait, in the order of their calls.

A presence sends its changes from a timer, which can't wait for the bus. Such a message is put into a queue. A task
publishes the queue, and ends when the queue is empty. The queue has a bound: while the bus takes nothing, further
messages are dropped, and the log says so once. Presence repairs every loss with its own protocol. A request of long
polling that is lost is answered as if its session had ended.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from ..errors import EncodeError
from ..logs.log import Log

__all__ = ["MAX_WAITING", "Postman"]

MAX_WAITING: Final = 16 * 1024 * 1024
"""Bytes that wait, at most. One more message can follow."""

OVERHEAD: Final = 256
"""Bytes that each message counts besides its data, for the objects that hold it."""

Publish = Callable[[str, bytes, str | None], Awaitable[object]]


class Postman:
    """The queue of one node.

    Args:
        publish: Publishes one message. It raises an EncodeError for a message that is too large, and nothing else.
        spawn: Runs a coroutine as a task of the node.
        log: Writes the log.

    Attributes:
        dropped: The messages that were dropped since the queue had room.
    """

    def __init__(
        self, publish: Publish, spawn: Callable[[Coroutine[Any, Any, None]], object], log: Log
    ) -> None:
        self._publish = publish
        self._spawn = spawn
        self.log = log
        self.dropped = 0
        self._queue: deque[tuple[str, bytes, str | None]] = deque()
        self._size = 0
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def post(self, topic: str, data: bytes, node: str | None = None) -> None:
        """Queue a message, or drop it if the queue is full.

        Args:
            topic: The topic on the bus.
            data: The bytes.
            node: The only node that gets the message. Default: None, all other nodes.
        """
        if self._size >= MAX_WAITING:
            self.dropped += 1
            if self.dropped == 1:
                self.log.warning(
                    "The bus takes no messages, and %d wait: further messages of presences and of long polling"
                    " are dropped",
                    len(self._queue),
                )
            return
        self._size += len(data) + OVERHEAD
        self._queue.append((topic, data, node))
        if self._is_empty.is_set():
            self._is_empty.clear()
            self._spawn(self._run())

    async def empty(self) -> None:
        """Wait until all messages are published."""
        await self._is_empty.wait()

    async def _run(self) -> None:
        """Publish all messages that wait."""
        try:
            while self._queue:
                topic, data, node = self._queue.popleft()
                try:
                    await self._publish(topic, data, node)
                except EncodeError as error:
                    self.log.warning("A message on %r was dropped: %s", topic, error)
                finally:
                    self._size -= len(data) + OVERHEAD
                if self.dropped and self._size < MAX_WAITING // 2:
                    dropped, self.dropped = self.dropped, 0
                    self.log.warning(
                        "The bus takes messages again. Dropped messages of presences and of long polling: %d",
                        dropped,
                    )
        finally:
            self._is_empty.set()
