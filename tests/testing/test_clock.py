"""The virtual clock: it jumps when nothing is ready, and waits for threads."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bennu.testing.clock import Clock, advance, running_loop, settle
from tests.support.clock import work


async def test_time_jumps_to_the_next_timer() -> None:
    """Tasks that wait for different times end in order, and no real time passes."""
    loop = running_loop()
    ended: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await work(seconds)
        ended.append((name, loop.time()))

    await asyncio.gather(sleeper("year", 31536000), sleeper("second", 1), sleeper("hour", 3600))
    assert ended == [("second", 1), ("hour", 3600), ("year", 31536000)]


async def test_settle_waits_for_everybody_and_takes_no_time() -> None:
    """``settle`` waits until the last of a long chain of tasks is blocked."""
    loop = running_loop()
    steps = 0

    async def chain() -> None:
        nonlocal steps
        for _ in range(100):
            await asyncio.sleep(0)  # yields, and is ready again
            steps += 1
        await asyncio.Event().wait()

    task = loop.create_task(chain())
    await settle()
    assert steps == 100
    assert loop.time() == 0
    task.cancel()


async def test_advance_lets_everything_happen_that_is_due() -> None:
    """Callbacks that are due later do not run."""
    loop = running_loop()
    fired: list[float] = []
    for when in (1, 2, 3):
        loop.call_later(when, lambda: fired.append(loop.time()))
    await advance(2)
    assert fired == [1, 2]
    assert loop.time() == 2
    await advance(0.5)
    assert fired == [1, 2]
    await advance(0.5)
    assert fired == [1, 2, 3]


async def test_time_stands_still_while_a_thread_works() -> None:
    """The clock waits for the thread, unless the test turns that off."""
    loop = running_loop()
    go_on = threading.Event()
    loop.call_later(1, go_on.set)
    late = loop.call_later(3600, lambda: None)
    assert await asyncio.to_thread(lambda: 42) == 42
    assert loop.time() == 0
    loop.clock.waits_for_threads = False
    assert await asyncio.to_thread(go_on.wait, 30)
    loop.clock.waits_for_threads = True
    assert loop.time() >= 1
    late.cancel()


async def test_an_executor_that_rests_does_not_slow_the_clock() -> None:
    """Whatever the names of its threads. The real time of other threads is waited for."""
    loop = running_loop()

    async def cost_with(executor: ThreadPoolExecutor) -> float:
        with executor:
            await loop.run_in_executor(executor, int)
            begun = time.perf_counter()
            for _ in range(100):
                await asyncio.sleep(1)
            return time.perf_counter() - begun

    costs = [
        [await cost_with(ThreadPoolExecutor(1, name)) for _ in range(3)]
        for name in ("ThreadPoolExecutor", "of a user")
    ]
    usual, named = map(min, costs)
    assert named < 10 * usual


def test_it_is_for_tests_that_ask_for_it() -> None:
    """On another event loop the functions raise an error that says what to do."""

    async def wait() -> None:
        await settle()

    with pytest.raises(RuntimeError, match="VIRTUAL_TIME"):
        asyncio.run(wait())


async def test_the_seconds_that_have_passed_are_exact() -> None:
    """The clock of the machine is a large number with many digits, and the clock begins there."""
    loop = asyncio.new_event_loop()
    try:
        for start in (33_183.147_299_177, 1_234_567.123_456_789, 0.1):
            clock = Clock(loop, start=start)
            for _ in range(3):
                clock.hang(1200.1)
            assert clock.now == 3600.3
    finally:
        loop.close()
