"""Turns of the event loop that connections share when they have sent much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from bennu.loop import turns
from bennu.loop.turns import Turns

from ..support.clock import running_loop


def parts(waiting: Turns, name: str, count: int, done: list[str]) -> Callable[[], None]:
    """What a connection has to do, in so many parts."""
    left = count

    def part() -> None:
        nonlocal left
        left -= 1
        done.append(name)
        if left:
            waiting.wait(part)

    return part


async def test_who_waits_longest_is_next() -> None:
    """Each handles a part and waits again behind the others, until nobody has more."""
    waiting = Turns(running_loop())
    done: list[str] = []
    for name, count in (("a", 3), ("b", 1), ("c", 2)):
        waiting.wait(parts(waiting, name, count, done))
    assert not done
    for _ in range(10):
        await asyncio.sleep(0)

    assert "".join(done) == "abcaca"


async def test_others_have_their_turn_when_a_slice_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait."""
    monkeypatch.setattr(turns, "SLICE", 0.0)
    waiting = Turns(running_loop())
    done: list[str] = []
    for name in "abcd":
        waiting.wait(parts(waiting, name, 2, done))
    seen: list[int] = []
    for _ in range(10):
        await asyncio.sleep(0)
        seen.append(len(done))

    assert seen == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8]
    waiting.wait(parts(waiting, "e", 1, done))
    await asyncio.sleep(0)
    assert done[-1] == "e"


async def test_a_part_that_raises_stops_nobody_else() -> None:
    """The event loop hears of it, and the next one has its turn."""
    loop = running_loop()
    heard: list[object] = []
    loop.set_exception_handler(lambda _, context: heard.append(context["exception"]))
    waiting = Turns(loop)
    done: list[str] = []
    error = MemoryError()

    def fails() -> None:
        raise error

    waiting.wait(fails)
    waiting.wait(parts(waiting, "a", 2, done))
    for _ in range(10):
        await asyncio.sleep(0)

    assert heard == [error]
    assert done == ["a", "a"]


async def test_a_turn_of_ones_own_is_nobody_elses() -> None:
    """Tasks that are about to do much go on one by one, in the order in which they came."""
    waiting = Turns(running_loop())
    done: list[str] = []

    async def large(name: str) -> None:
        for _ in range(2):
            await waiting.alone()
            done.append(name)

    tasks = [asyncio.create_task(large(name)) for name in "abc"]
    seen: list[int] = []
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        seen.append(len(done))

    assert "".join(done) == "abcabc"
    assert all(after - before <= 1 for before, after in pairwise(seen))


async def test_a_task_that_is_cancelled_takes_no_turn() -> None:
    """The one behind it goes on at once."""
    waiting = Turns(running_loop())
    cancelled, other = (asyncio.create_task(waiting.alone()) for _ in range(2))
    await asyncio.sleep(0)
    cancelled.cancel()
    await other
    assert cancelled.cancelled()
