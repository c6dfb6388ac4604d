"""The appends of one node to one topic: their order, their limits and their ends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from bennu.errors import EncodeError, StoreUnavailable
from bennu.history.position import Position
from bennu.history.writer import MOST, PUBLISH_TIMEOUT, LogWriter
from bennu.store import Draft
from bennu.testing.clock import advance, running_loop, settle


class Appends:
    """A store that answers as a test says."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.taken: list[str] = []
        self.error: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.writer = LogWriter(self.append, self.spawn)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def append(self, drafts: Sequence[Draft], senders: Sequence[object]) -> list[Position]:
        assert len(drafts) == len(senders)
        self.batches.append([draft.id for draft in drafts])
        await self.open.wait()
        if any(draft.id == "large" for draft in drafts):
            raise EncodeError("too large")
        if self.error is not None:
            raise self.error
        self.taken += [draft.id for draft in drafts]
        return [Position("e", len(self.taken)) for _ in drafts]

    def write(self, name: str) -> asyncio.Task[Position]:
        return asyncio.ensure_future(self.writer.write(Draft(name, "e", b"{}", 0, 0), None))


async def test_callers_that_are_cancelled_keep_their_place_until_they_are_answered() -> None:
    appends = Appends()
    appends.open.clear()
    tasks = [appends.write(str(n)) for n in range(500)]
    await settle()
    for task in tasks:
        task.cancel()
    late = [appends.write(f"late {n}") for n in range(500)]
    await settle()
    assert appends.writer.callers == 500
    appends.open.set()
    await asyncio.gather(*late)
    # The first 64 were sent. The others had not got a place when they were cancelled.
    assert appends.taken == [*map(str, range(MOST)), *(f"late {n}" for n in range(500))]
    assert all(len(batch) <= MOST for batch in appends.batches)
    assert appends.writer.is_idle


async def test_every_caller_gives_up_after_the_time_limit() -> None:
    """The time before its turn counts, too. What was given up is not tried again."""
    appends = Appends()
    appends.error = StoreUnavailable("it is down")
    started = running_loop().time()
    first = [appends.write(f"{n}") for n in range(100)]
    await advance(3)
    second = appends.write("second")
    for task in first:
        with pytest.raises(StoreUnavailable, match="it is down"):
            await task
    assert running_loop().time() - started <= PUBLISH_TIMEOUT
    appends.error = None
    assert await second == Position("e", 1)
    assert appends.taken == ["second"]


async def test_a_caller_whose_append_hangs_gives_up_and_the_next_ones_go_on() -> None:
    appends = Appends()
    appends.open.clear()
    started = running_loop().time()
    tasks = [appends.write(f"{n}") for n in range(100)]
    for task in tasks:
        with pytest.raises(StoreUnavailable, match="within 5 s"):
            await task
    assert running_loop().time() - started == PUBLISH_TIMEOUT
    appends.open.set()
    await appends.writer.empty()
    assert await appends.write("next")
    assert appends.taken[-1] == "next"


async def test_one_draft_that_is_too_large_does_not_cost_the_others() -> None:
    appends = Appends()
    appends.open.clear()
    tasks = [appends.write(name) for name in ("first", "a", "large", "b")]
    await settle()
    appends.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in results] == [Position, Position, EncodeError, Position]
    assert appends.taken == ["first", "a", "b"]


async def test_any_other_exception_reaches_the_callers() -> None:
    appends = Appends()
    appends.error = KeyError("odd")
    with pytest.raises(KeyError):
        await appends.write("a")
    appends.error = None
    assert await appends.write("b")


async def test_callers_learn_that_the_endpoint_has_stopped() -> None:
    appends = Appends()
    appends.open.clear()
    tasks = [appends.write(f"{n}") for n in range(10)]
    await settle()
    for running in tuple(appends.tasks):
        running.cancel()
    for task in tasks:
        with pytest.raises(StoreUnavailable, match="has stopped"):
            await task
