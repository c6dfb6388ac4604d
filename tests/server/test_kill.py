"""The functions that end a task, even a task that ignores its cancellation."""

from __future__ import annotations

import pytest

from bennu.logs.log import Log
from bennu.server.kill import end_tasks, kill
from bennu.testing.clock import running_loop, settle

from .bad import killed_coroutines, misbehave

pytestmark = killed_coroutines


async def test_tasks_that_heed_their_cancellation_end_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Tasks that are done already are ignored."""
    loop = running_loop()
    done = loop.create_task(settle())
    await done
    hanging = [loop.create_task(misbehave("hangs")) for _ in range(3)]
    await settle()
    await end_tasks([done, *hanging], 5.0, "a test", Log())
    assert loop.time() == 0
    assert all(task.cancelled() for task in hanging)
    await end_tasks([done], 5.0, "a test", Log())
    assert caplog.records == []


async def test_tasks_that_do_not_are_killed(caplog: pytest.LogCaptureFixture) -> None:
    """They are killed after the grace time. Each has a line in the log with its owner."""
    loop = running_loop()
    stubborn = loop.create_task(misbehave("ignores"))
    await settle()
    await end_tasks([stubborn], 3.0, "a test", Log())
    assert loop.time() == 3
    assert stubborn.done()
    [record] = caplog.records
    assert record.getMessage().startswith("a test ignored its cancellation for 3s and was killed")


async def test_a_killed_coroutine_runs_its_finally() -> None:
    """The coroutine gets GeneratorExit, which no ``except Exception`` catches."""
    cleaned_up = False

    async def stubborn() -> None:
        nonlocal cleaned_up
        try:
            await misbehave("ignores")
        finally:
            cleaned_up = True

    task = running_loop().create_task(stubborn())
    await settle()
    kill(task)
    await settle()
    assert cleaned_up
    assert task.done()
