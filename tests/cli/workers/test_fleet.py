"""The slots and their processes, where the system refuses something or a worker never starts."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from bennu.cli.listeners import open_listeners
from bennu.cli.workers import fleet as module
from bennu.cli.workers.fleet import Fleet
from bennu.cli.workers.process import WorkerProcess
from bennu.cli.workers.settings import WorkerSettings
from bennu.cli.workers.slots import Slot, SlotListeners
from tests.support.until import until


@pytest.fixture
def listeners() -> Iterator[SlotListeners]:
    opened = SlotListeners(open_listeners("127.0.0.1", 0), can_spread=True)
    yield opened
    opened.close()


def fleet_of(listeners: SlotListeners, spawn: Any, grace: float = 1.0) -> Fleet:
    return Fleet(listeners, spawn, told=print, grace=grace, timeout=0)


@pytest.mark.clock("virtual")
async def test_a_system_without_processes_is_asked_ever_later(
    listeners: SlotListeners, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(slot: Slot, **_: Any) -> WorkerProcess:
        raise OSError(11, "Resource temporarily unavailable")

    fleet = fleet_of(listeners, refuse)
    slot = fleet.new_slot()
    fleet.keep(slot)
    await asyncio.sleep(1)  # of virtual time
    fleet.cancel_tasks()
    why = "Worker 1 can't start ([Errno 11] Resource temporarily unavailable)"
    assert [line.partition(": a new worker starts in ") for line in caplog.messages] == [
        (why, ": a new worker starts in ", delay) for delay in ("0.1s", "0.2s", "0.4s", "0.8s")
    ]
    assert slot.settled.is_set()


@pytest.mark.clock("virtual")
async def test_a_mistake_of_ours_is_not_swallowed(listeners: SlotListeners) -> None:
    def fail(slot: Slot, **_: Any) -> WorkerProcess:
        raise ValueError("a mistake")

    fleet = fleet_of(listeners, fail)
    fleet.keep(fleet.new_slot())
    with pytest.raises(ValueError, match="a mistake"):
        await fleet.failed


def spawn_stopped(slot: Slot, **listening: Any) -> WorkerProcess:
    """Start a worker that never serves, because it is stopped."""
    settings = WorkerSettings(
        make=len, number=slot.number, descriptors=[], path=[], timeout=0, directory=None
    )
    worker = WorkerProcess(settings, "app:app", os.environ, **listening)
    worker.signal(signal.SIGSTOP)
    return worker


@pytest.mark.clock("real")
async def test_a_worker_that_neither_starts_nor_ends(
    listeners: SlotListeners, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says that it is slow. At the end it is killed when its time is over."""
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(module, "SLOW", 0.1)
    monkeypatch.setattr(module, "SPARE", 0.1)
    monkeypatch.setattr(module, "PRINTING", 0.1)
    fleet = fleet_of(listeners, spawn_stopped, grace=0.1)
    slot = fleet.new_slot()
    fleet.keep(slot)
    fleet.run(fleet.watch())
    await until(lambda: any("has not started for 0.1s" in line for line in caplog.messages))
    assert len(fleet.processes) == 1
    fleet.cancel_tasks()
    assert not await fleet.stop()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCHLD, fleet.poll)
    fleet.poll()
    await until(lambda: not fleet.processes)
    loop.remove_signal_handler(signal.SIGCHLD)
    assert any("has not ended in time, and is killed" in line for line in caplog.messages)
