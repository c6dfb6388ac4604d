"""The frames that wait for the broker.

Theory of operation
-------------------
One bounded queue takes the frames of all topics, in their order. One task hands all that waits to the driver, again and
again (:meth:`BrokerOutbox.write`). So a burst costs few calls, and a message alone leaves at once.

While the queue is full, publishers wait in their order. A publisher that has waited for too long gives up, and so does
every publisher that waits when the connection ends: a handler must not hang because a broker is down. Without a
connection, messages are queued while there is room.

If the connection ends while the driver has a batch, nobody knows how much of the batch the broker got. The batch is sent
again, because receivers drop what they already have. A frame that is lost twice in this way is dropped: it may be the reason.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from .driver import Driver

__all__ = ["BrokerOutbox"]

CONTROL_ROOM: Final = 8 * 1024 * 1024
"""Bytes of control frames and marks in the queue beyond its limit. More are dropped."""

Put = tuple[str, bytes]


class _Publishing:
    """A publisher that waits."""

    __slots__ = ("done", "drop", "send")

    def __init__(
        self, done: asyncio.Future[None], send: Callable[[], None], drop: Callable[[], None]
    ) -> None:
        self.done = done
        self.send = send
        self.drop = drop


class BrokerOutbox:
    """The queue.

    Args:
        limit: Bytes that wait, at most. One more message can follow.
        patience: Seconds for which a publisher waits.
        is_kept: Says whether a frame is sent on the next connection if this one ends.
        dropped: Called with a frame that was dropped after it had been queued.

    Attributes:
        size: Bytes that wait.
        is_connected: Whether there is a connection.
    """

    __slots__ = (
        "_dropped",
        "_flying",
        "_is_kept",
        "_limit",
        "_patience",
        "_publishing",
        "_ready",
        "_suspects",
        "_waiting",
        "is_connected",
        "size",
    )

    def __init__(
        self,
        limit: int,
        patience: float,
        is_kept: Callable[[bytes], bool],
        dropped: Callable[[str, bytes], object],
    ) -> None:
        self.size = 0
        self.is_connected = False
        self._limit = limit
        self._patience = patience
        self._is_kept = is_kept
        self._dropped = dropped
        self._waiting: deque[Put] = deque()
        self._flying: list[Put] = []
        self._suspects = 0
        self._publishing: deque[_Publishing] = deque()
        self._ready = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._flying)

    @property
    def has_room(self) -> bool:
        """Whether a message can be queued now, and nobody waits."""
        return self.size < self._limit and not self._publishing

    def put(self, channel: str, frame: bytes) -> None:
        """Queue a message."""
        self._waiting.append((channel, frame))
        self.size += len(frame)
        self._ready.set()

    def put_control(self, channel: str, frame: bytes) -> None:
        """Queue another frame, also if the queue is full. Without a connection it is dropped."""
        if self.is_connected and self.size < self._limit + CONTROL_ROOM:
            self.put(channel, frame)

    async def wait(self, send: Callable[[], None], drop: Callable[[], None]) -> None:
        """Wait for room.

        Args:
            send: Called when there is room, in the order of the calls of this method.
            drop: Called instead after the patience is over, or if there is no connection.
        """
        if not self.is_connected:
            drop()
            return
        loop = asyncio.get_running_loop()
        one = _Publishing(loop.create_future(), send, drop)
        self._publishing.append(one)
        timer = loop.call_later(self._patience, self._give_up, one)
        try:
            await one.done
        finally:
            timer.cancel()
            if one in self._publishing:  # the call was cancelled
                self._publishing.remove(one)

    async def write(self, driver: Driver) -> None:
        """Hand to the driver what waits, as long as the connection lasts."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._waiting:
                self._flying = [*self._waiting]
                self._waiting.clear()
                await driver.publish(self._flying)
                self.size -= _bytes(self._flying)
                self._flying = []
                self._suspects = 0
                self._admit()

    def connect(self) -> None:
        """Begin with a connection."""
        self.is_connected = True
        if self._waiting:
            self._ready.set()

    def disconnect(self) -> None:
        """End with the connection: keep what must be sent again, and let nobody wait."""
        self.is_connected = False
        flying, self._flying = self._flying, []
        for channel, frame in flying[: self._suspects]:
            self._dropped(channel, frame)
        kept = [put for put in flying[self._suspects :] if self._is_kept(put[1])]
        self._suspects = len(kept)
        self._waiting = deque([*kept, *(put for put in self._waiting if self._is_kept(put[1]))])
        self.size = _bytes(self._waiting)
        while self._publishing:
            self._give_up(self._publishing[0])

    def clear(self) -> None:
        """Drop what waits, without a connection."""
        for channel, frame in self._waiting:
            self._dropped(channel, frame)
        self._waiting.clear()
        self._suspects = 0
        self.size = 0

    def _admit(self) -> None:
        """Let publishers go on, while there is room."""
        while self._publishing and self.size < self._limit:
            one = self._publishing.popleft()
            if not one.done.done():
                one.send()
                one.done.set_result(None)

    def _give_up(self, one: _Publishing) -> None:
        self._publishing.remove(one)
        if not one.done.done():
            one.drop()
            one.done.set_result(None)


def _bytes(puts: Sequence[Put] | deque[Put]) -> int:
    return sum(len(frame) for _, frame in puts)
