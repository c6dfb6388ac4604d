"""Numbers the messages that a node publishes. Pure. :mod:`.sequence` has the theory of operation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

__all__ = ["IN_RUN", "RUN_SHIFT", "Key", "Numbers", "Stream"]

Key = str | tuple[str, str]
"""A stream of numbers: a topic for all nodes, or a topic and the only node that gets the messages."""

RUN_SHIFT: Final = 40
"""A number has the run in its upper bits. The lower 40 bits are enough for 100,000 messages a second for 127 days."""

IN_RUN: Final = (1 << RUN_SHIFT) - 1

MAX_STREAMS: Final = 100_000
"""Streams of which a publisher keeps the numbers."""

IDLE: Final = 10
"""Turns of the clock for which a stream must be idle before it is forgotten."""


class Stream:
    """The numbers of one topic at its publisher.

    Attributes:
        key: The stream.
        number: The last number.
        turn: The turn of the clock in which it was published last.
    """

    __slots__ = ("key", "number", "turn")

    def __init__(self, key: Key, number: int) -> None:
        self.key = key
        self.number = number
        self.turn = -1


class Numbers:
    """The numbers of one publishing node in one epoch.

    Args:
        limit: Streams of which the numbers are kept; default 100,000. More are kept only while they are not idle.

    Attributes:
        turn: The present turn of the clock: the calls of :meth:`quiet`.
        forgotten: The last turn in which a stream was published that is forgotten; -1 if there is none.
    """

    __slots__ = ("_active", "_due", "_limit", "_run", "_streams", "forgotten", "turn")

    def __init__(self, limit: int = MAX_STREAMS) -> None:
        self.turn = 0
        self.forgotten = -1
        self._limit = limit
        self._run = 0
        self._streams: dict[Key, Stream] = {}  # in the order of their turns
        self._active: list[Stream] = []
        self._due: list[Stream] = []

    def __contains__(self, key: Key) -> bool:
        return key in self._streams

    def __len__(self) -> int:
        return len(self._streams)

    def next(self, key: Key) -> int:
        """Return the number of the next message of a stream."""
        stream = self._streams.get(key)
        if stream is None or stream.turn != self.turn:
            stream = self._touch(key)
        stream.number += 1
        return stream.number

    def mark(self, key: Key) -> int:
        """Return the high-water mark of a stream: the last number, or 0."""
        stream = self._streams.get(key)
        return 0 if stream is None else stream.number

    def marks(self) -> Iterator[tuple[Key, int]]:
        """Yield each stream with its high-water mark."""
        for key, stream in self._streams.items():
            yield key, stream.number

    def quiet(self) -> list[Stream]:
        """Begin a new turn. Return the streams that were published in the last turn but one, and not since.

        A stream that is published in each turn needs no mark: its next message does the same.
        """
        due = [stream for stream in self._due if stream.turn != self.turn]
        self._due = self._active
        self._active = []
        self.turn += 1
        if len(self._streams) > self._limit:
            self._forget()
        return due

    def since(self, turn: int) -> list[Stream]:
        """Return the streams that were published in a turn or later."""
        found: list[Stream] = []
        for stream in reversed(self._streams.values()):
            if stream.turn < turn:
                break
            found.append(stream)
        return found

    def unmarked(self) -> list[Stream]:
        """Return the streams whose mark :meth:`quiet` has not returned yet."""
        return [*{stream.key: stream for stream in (*self._due, *self._active)}.values()]

    def _touch(self, key: Key) -> Stream:
        stream = self._streams.pop(key, None)
        if stream is None:
            stream = Stream(key, self._run << RUN_SHIFT)
        self._streams[key] = stream
        stream.turn = self.turn
        self._active.append(stream)
        return stream

    def _forget(self) -> None:
        """Forget the streams that are idle for the longest time: a quarter of the limit more than needed."""
        excess = len(self._streams) - self._limit + self._limit // 4
        idle: list[Key] = []
        for key, stream in islice(self._streams.items(), excess):
            if stream.turn >= self.turn - IDLE:
                break
            idle.append(key)
            self.forgotten = stream.turn
        for key in idle:
            del self._streams[key]
        self._run += bool(idle)
