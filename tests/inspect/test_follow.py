"""A follow has a bounded buffer, and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bennu.inspect import Follow, LeaveSeen
from bennu.inspect.follow import MAX_BYTES
from bennu.inspect.sights import FrameSight, PlainSight
from bennu.inspect.wanted import Wanted
from bennu.message import TEXT
from bennu.testing.clock import settle


def leave(number: int) -> PlainSight:
    return PlainSight(LeaveSeen(at=100.0 + number, connection="1", topic="t", reason="left"))


def follow(limit: int = 3, stop: Callable[[Any], object] = lambda _: None) -> Follow:
    return Follow(Wanted(topic="t"), limit=limit, hide=lambda value: value, now=100.0, stop=stop)


async def test_records_have_both_times() -> None:
    one = follow()
    one.put(leave(1))
    one.put(leave(2))
    first, second = await anext(one), await anext(one)
    assert (first.at, second.at) == (1.0, 2.0)
    assert round(second.time - first.time, 6) == 1.0


async def test_the_oldest_are_dropped_and_counted() -> None:
    one = follow(limit=3)
    for number in range(5):
        one.put(leave(number))
    assert [record.at for record in one.ready()] == [2.0, 3.0, 4.0]
    assert (one.dropped, len(one)) == (2, 0)


async def test_the_newest_are_dropped_where_the_oldest_are_kept() -> None:
    """Then what has no room need not be made."""
    one = Follow(
        Wanted(topic="t"), limit=2, keep="oldest", hide=str, now=100.0, stop=lambda _: None
    )
    rooms = []
    for number in range(4):
        rooms.append(one.has_room)
        one.put(leave(number))
    assert rooms == [True, True, False, False]
    assert [record.at for record in one.ready()] == [0.0, 1.0]
    assert (one.dropped, one.has_room) == (2, True)
    one.put(FrameSight(101.0, "1", "in", TEXT, b"x" * MAX_BYTES))
    assert not one.has_room


async def test_large_frames_are_bounded_by_their_bytes() -> None:
    """The newest stays, however large it is."""
    one = follow(limit=100)
    for _ in range(3):
        one.put(FrameSight(101.0, "1", "in", TEXT, b"x" * MAX_BYTES))
    assert (len(one), one.dropped) == (1, 2)


async def test_a_reader_waits_and_the_end_wakes_it() -> None:
    stopped: list[Follow] = []
    one = follow(stop=stopped.append)
    found: list[float] = []

    async def collect() -> None:
        found.extend([record.at async for record in one])

    reader = asyncio.create_task(collect())
    await settle()
    one.put(leave(1))
    await settle()
    assert found == []
    one.close()
    one.close()
    await reader
    assert (found, stopped) == ([1.0], [one])


async def test_a_with_block_closes_and_the_rest_can_be_read() -> None:
    with follow() as one:
        one.put(leave(1))
    assert [record.at async for record in one] == [1.0]
