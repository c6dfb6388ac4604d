"""An async iterator over the events of a channel, with a bounded buffer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, Literal, NamedTuple, Self, TypeVar

from .errors import EventsLost
from .frames import Received

__all__ = ["BUFFER", "EventStream", "Overflow"]

BUFFER: Final = 1_000
"""Events that wait for an iterator, by default."""

Overflow = Literal["raise", "drop_oldest"]
"""What happens if a buffer is full."""

T = TypeVar("T")


class _Gap(NamedTuple):
    """The place of events that were dropped."""

    number: int


class EventStream(Generic[T]):
    """The events of a channel from its making on: an async iterator.

    It ends when the channel is closed. It goes on through a lost connection, and through a crash of the channel.

    Attributes:
        dropped: The events that were dropped because the buffer was full.
    """

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_event",
        "_is_ended",
        "_lost",
        "_overflow",
        "_read",
        "_size",
        "_waiters",
        "dropped",
    )

    def __init__(
        self, event: str | None, read: Callable[[Received], T], size: int, overflow: Overflow
    ) -> None:
        self.dropped = 0
        self._event = event
        self._read = read
        self._size = size
        self._overflow = overflow
        self._buffer: deque[Received | _Gap] = deque()
        self._lost = 0
        self._is_ended = False
        self._waiters: deque[asyncio.Future[None]] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """Return the next event.

        Raises:
            EventsLost: Events were dropped here, because the buffer was full (``overflow="raise"``).
            InvalidPayload: The payload does not fit the type. The next call goes on after it.
            StopAsyncIteration: The channel is closed.
        """
        while not self._buffer:
            if self._lost:
                self._note_gap()
                break
            if self._is_ended:
                raise StopAsyncIteration
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if not waiter.cancelled():
                    self._wake()  # it was woken in this turn: another one takes the event
                raise
        first = self._buffer.popleft()
        if isinstance(first, _Gap):
            raise EventsLost(first.number, self._size)
        return self._read(first)

    # What the channel calls.

    def put(self, message: Received) -> None:
        """Add an event, if the iterator is for it."""
        if self._is_ended or (self._event is not None and message.event != self._event):
            return
        if len(self._buffer) >= self._size:
            self.dropped += 1
            if self._overflow == "raise" or not self._buffer:
                self._lost += 1
                return
            self._buffer.popleft()
        elif self._lost:
            self._note_gap()
        self._buffer.append(message)
        self._wake()

    def end(self) -> None:
        """End after the events that wait."""
        self._is_ended = True
        while self._waiters:
            self._wake()

    def _note_gap(self) -> None:
        self._buffer.append(_Gap(self._lost))
        self._lost = 0

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
