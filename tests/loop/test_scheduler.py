"""The scheduler that shares the event loop among connections with many messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from bennu.loop import scheduler
from bennu.loop.scheduler import Scheduler
from bennu.testing.clock import running_loop


def parts(queue: Scheduler, name: str, count: int, done: list[str]) -> Callable[[], None]:
    """Return a function that does the work of a connection in ``count`` parts."""
    left = count

    def part() -> None:
        nonlocal left
        left -= 1
        done.append(name)
        if left:
            queue.schedule(part)

    return part


async def test_who_waits_longest_is_next() -> None:
    """Each connection handles a part, and is then scheduled behind the others."""
    queue = Scheduler(running_loop())
    done: list[str] = []
    for name, count in (("a", 3), ("b", 1), ("c", 2)):
        queue.schedule(parts(queue, name, count, done))
    assert not done
    for _ in range(10):
        await asyncio.sleep(0)

    assert "".join(done) == "abcaca"


async def test_others_have_their_turn_when_a_slice_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other code runs after each slice, for any number of waiting connections."""
    monkeypatch.setattr(scheduler, "SLICE", 0.0)
    queue = Scheduler(running_loop())
    done: list[str] = []
    for name in "abcd":
        queue.schedule(parts(queue, name, 2, done))
    seen: list[int] = []
    for _ in range(10):
        await asyncio.sleep(0)
        seen.append(len(done))

    assert seen == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8]
    queue.schedule(parts(queue, "e", 1, done))
    await asyncio.sleep(0)
    assert done[-1] == "e"


async def test_a_part_that_raises_stops_nobody_else() -> None:
    """The exception handler of the event loop is called, and the next function runs."""
    loop = running_loop()
    heard: list[object] = []
    loop.set_exception_handler(lambda _, context: heard.append(context["exception"]))
    queue = Scheduler(loop)
    done: list[str] = []
    error = MemoryError()

    def fails() -> None:
        raise error

    queue.schedule(fails)
    queue.schedule(parts(queue, "a", 2, done))
    for _ in range(10):
        await asyncio.sleep(0)

    assert heard == [error]
    assert done == ["a", "a"]


async def test_a_turn_of_ones_own_is_nobody_elses() -> None:
    """Tasks with large messages run one by one, in the order in which they came."""
    queue = Scheduler(running_loop())
    done: list[str] = []

    async def large(name: str) -> None:
        for _ in range(2):
            await queue.exclusive()
            done.append(name)

    tasks = [asyncio.create_task(large(name)) for name in "abc"]
    seen: list[int] = []
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        seen.append(len(done))

    assert "".join(done) == "abcabc"
    assert all(after - before <= 1 for before, after in pairwise(seen))


async def test_a_task_that_is_cancelled_takes_no_turn() -> None:
    """The next task runs at once."""
    queue = Scheduler(running_loop())
    cancelled, other = (asyncio.create_task(queue.exclusive()) for _ in range(2))
    await asyncio.sleep(0)
    cancelled.cancel()
    await other
    assert cancelled.cancelled()
