"""Publishes messages of callers that can't wait, in the order of their calls.

A presence sends its changes from a timer, which can't wait for the bus. Such a message is put into a queue. A task
publishes the queue, and ends when the queue is empty. The queue has a bound: while the bus takes nothing, further
messages are dropped and logged. Presence repairs every loss with its own protocol.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from ..errors import EncodeError
from ..logs.log import Log

__all__ = ["Postman"]

MAX_WAITING: Final = 16 * 1024 * 1024
"""Bytes that wait, at most. One more message can follow."""

Publish = Callable[[str, bytes, str | None], Awaitable[object]]


class Postman:
    """The queue of one node.

    Args:
        publish: Publishes one message. It raises an EncodeError for a message that is too large.
        spawn: Runs a coroutine as a task of the node.
        log: Writes the log.
    """

    def __init__(
        self, publish: Publish, spawn: Callable[[Coroutine[Any, Any, None]], object], log: Log
    ) -> None:
        self._publish = publish
        self._spawn = spawn
        self.log = log
        self._queue: deque[tuple[str, bytes, str | None]] = deque()
        self._size = 0
        self._is_running = False

    def post(self, topic: str, data: bytes, node: str | None = None) -> None:
        """Queue a message, or drop it if the queue is full.

        Args:
            topic: The topic on the bus.
            data: The bytes.
            node: The only node that gets the message. Default: None, all other nodes.
        """
        if self._size >= MAX_WAITING:
            self.log.warning(
                "A message on %r was dropped: the bus takes nothing, and %d messages wait",
                topic,
                len(self._queue),
            )
            return
        self._size += len(data)
        self._queue.append((topic, data, node))
        if not self._is_running:
            self._is_running = True
            self._spawn(self.empty())

    async def empty(self) -> None:
        """Publish all messages that wait."""
        self._is_running = True
        try:
            while self._queue:
                topic, data, node = self._queue.popleft()
                self._size -= len(data)
                try:
                    await self._publish(topic, data, node)
                except EncodeError as error:
                    self.log.warning("A message on %r was dropped: %s", topic, error)
        finally:
            self._is_running = False
