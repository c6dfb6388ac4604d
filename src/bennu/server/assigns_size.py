"""Measures what the objects of users hold: how many objects, and of what size.

CPython has no limit of memory for one object, and can't say which memory an object has. So this walk adds up what
``sys.getsizeof`` says of each object that is reached from a channel: its own attributes and its assigns. An object that several
channels share counts for each of them.

The walk is bounded in depth and in objects for each channel, and lets the event loop run after each channel. So the numbers are
those of a moment only for one channel.
"""

from __future__ import annotations

import asyncio
import sys
import types
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from heapq import nlargest
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec import Struct

if TYPE_CHECKING:
    from .channel_server import ChannelServer

__all__ = ["AssignsReport", "ChannelSizes", "MeasuredChannel", "measure_channels", "size_of"]

MOST_OBJECTS: Final = 10_000
"""Objects of one channel that are looked at."""

_SHARED: Final = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.CodeType,
    types.FrameType,
    types.CoroutineType,
    Enum,
    asyncio.AbstractEventLoop,
    asyncio.Future,
)
"""Classes of objects that belong to the program, and not to a client."""

_SEQUENCES: Final[tuple[Any, ...]] = (list, tuple, set, frozenset, deque)
_DICT: Final[Any] = dict
"""For its methods: a subclass can have others."""


class MeasuredChannel(Struct, frozen=True):
    """What one channel holds.

    Attributes:
        channel: The name of its class.
        topic: Its topic.
        connection_id: The id of its connection, as in the log.
        objects: The objects that were reached.
        bytes: Their size.
        is_whole: Whether no bound has ended the walk.
    """

    channel: str
    topic: str
    connection_id: str
    objects: int
    bytes: int
    is_whole: bool


class ChannelSizes(Struct):
    """The sum over the channels of one class.

    Attributes:
        channels: The channels that were measured.
        objects: The objects that were reached.
        bytes: Their size.
    """

    channels: int = 0
    objects: int = 0
    bytes: int = 0


class AssignsReport(Struct, frozen=True):
    """What the channels of this process hold.

    Attributes:
        classes: The sums by the name of the class.
        largest: The largest channels, the largest first.
        measured: The channels that were measured.
        unmeasured: The channels that were not reached before the time was over.
    """

    classes: dict[str, ChannelSizes]
    largest: list[MeasuredChannel]
    measured: int
    unmeasured: int


async def measure_channels(
    channels: Sequence[ChannelServer], *, largest: int, seconds: float, depth: int
) -> AssignsReport:
    """Measure channels, until the time is over.

    Args:
        channels: The channels.
        largest: How many of the largest are returned.
        seconds: The most time.
        depth: The most steps from a channel to an object.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    classes: dict[str, ChannelSizes] = {}
    found: list[MeasuredChannel] = []
    measured = 0
    for channel in channels:
        if measured and loop.time() > end:
            break
        one = _measure(channel, depth)
        sums = classes.setdefault(one.channel, ChannelSizes())
        sums.channels += 1
        sums.objects += one.objects
        sums.bytes += one.bytes
        found = nlargest(largest, (*found, one), key=lambda one: one.bytes)
        measured += 1
        await asyncio.sleep(0)
    return AssignsReport(classes, found, measured, len(channels) - measured)


def _measure(channel: ChannelServer, depth: int) -> MeasuredChannel:
    """Measure what a user's object holds, without what runs it."""
    objects, size, is_whole = size_of(_attributes(channel.agent), depth)
    return MeasuredChannel(
        channel.definition.name,
        channel.topic,
        channel.connection.info.connection_id,
        objects,
        size + _bytes_of(channel.agent),
        is_whole,
    )


def size_of(roots: Iterable[object], depth: int, most: int = MOST_OBJECTS) -> tuple[int, int, bool]:
    """Return the number and the size of the objects that are reached from some objects, and whether these are all.

    Classes, modules, functions, tasks, event loops and objects of Bennu are not counted.

    Args:
        roots: The objects.
        depth: The most steps from a root to an object.
        most: The most objects.

    Example:
        >>> size_of([[1, "two", 3.0]], depth=3)[0]
        4
    """
    seen: set[int] = set()
    level: list[object] = list(roots)
    size = 0
    for _ in range(depth + 1):
        following: list[object] = []
        for value in level:
            if id(value) in seen or _is_shared(value):
                continue
            if len(seen) >= most:
                return len(seen), size, False
            seen.add(id(value))
            size += _bytes_of(value)
            following += _parts(value)
        level = following
        if not level:
            return len(seen), size, True
    return len(seen), size, all(id(one) in seen or _is_shared(one) for one in level)


def _bytes_of(value: object) -> int:
    """Return the size of an object and of the dict with its attributes."""
    names = _names_of(value)
    return sys.getsizeof(value) + (sys.getsizeof(names) if names else 0)


def _is_shared(value: object) -> bool:
    """Return whether an object belongs to the program, and not to a client: also an object of Bennu."""
    kind = type(value)  # and no isinstance, which calls the code of a lazy object
    return issubclass(kind, _SHARED) or kind.__module__.partition(".")[0] == "bennu"


def _names_of(value: object) -> dict[str, object]:
    """Return the dict with the attributes of an object; an empty one if it has none."""
    try:
        own: object = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return cast("dict[str, object]", own) if type(own) is dict else {}


def _parts(value: object) -> Iterator[object]:
    """Yield the objects that an object holds, without calling its code."""
    kind = type(value)
    if issubclass(kind, dict):
        yield from (*_DICT.keys(value), *_DICT.values(value))
    for sequence in _SEQUENCES:
        if issubclass(kind, sequence):
            yield from tuple(sequence.__iter__(value))
    yield from _attributes(value)


def _attributes(value: object) -> Iterator[object]:
    """Yield the attributes of an object itself."""
    yield from tuple(_names_of(value).values())
    for kind in type(value).__mro__:
        for slot in tuple(vars(kind).values()):
            if type(slot) is types.MemberDescriptorType:
                try:
                    yield slot.__get__(value)
                except AttributeError:  # it is not set
                    continue
