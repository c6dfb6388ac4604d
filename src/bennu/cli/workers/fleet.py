"""The slots and the processes in them: starts workers, keeps the slots served, and removes workers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

from ...logs.log import Log
from .link import OrderKind
from .process import WorkerProcess, reap_strangers
from .slots import Slot, SlotListeners

__all__ = ["Fleet", "Spawn"]

Spawn = Callable[..., WorkerProcess]
"""Starts a worker: ``spawn(slot, noticed=..., told=...)``."""

TICK: Final = 1.0
"""Seconds between two checks of all workers."""
SPARE: Final = 1.0
"""Seconds that a worker has beyond its time, before it is killed."""
PRINTING: Final = 0.5
"""Seconds in which a worker that hangs prints its stacks."""
SLOW: Final = 30.0
"""Seconds after which a start is called slow in the log; then twice as many, and so on."""

log = Log()


class Fleet:
    """The workers of one command.

    Args:
        listeners: The listeners of all slots.
        spawn: Starts a worker.
        told: Called with a worker that got a SIGTERM.
        grace: Seconds in which a worker ends.
        timeout: Seconds after which a worker ends whose event loop hangs; 0 is never.

    Attributes:
        processes: All processes that run, also those that drain.
        is_stopping: Whether all workers end: then no worker takes the clients of another.
    """

    def __init__(
        self,
        listeners: SlotListeners,
        spawn: Spawn,
        *,
        told: Callable[[WorkerProcess], None],
        grace: float,
        timeout: float,
    ) -> None:
        self._listeners = listeners
        self._spawn = spawn
        self._told = told
        self._grace = grace
        self._timeout = timeout
        self._slots: dict[int, Slot] = {}
        self._slow: dict[WorkerProcess, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.processes: set[WorkerProcess] = set()
        self.is_stopping = False
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # Tasks.

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do some work in a task."""
        self._tasks.add(self.task(work))

    def task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do some work in a task, and return the task. If it raises, ``failed`` has its exception."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task)
        return task

    def cancel_tasks(self) -> None:
        """End all tasks."""
        for task in self._tasks:
            task.cancel()

    def _on_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) and not self.failed.done():
            self.failed.set_exception(error)

    # Slots.

    @property
    def wanted(self) -> list[Slot]:
        """The slots in which there shall be a worker."""
        return [slot for slot in self._slots.values() if slot.is_wanted]

    def new_slot(self) -> Slot:
        """Return a slot without a worker: a removed one, or a new one.

        Raises:
            OSError: The system refuses its listeners.
        """
        for slot in self._slots.values():
            if not slot.is_wanted:
                slot.is_wanted = True
                return slot
        number = len(self._slots) + 1
        slot = self._slots[number] = Slot(number, self._listeners.of(number))
        return slot

    def keep(self, slot: Slot) -> None:
        """Keep a worker in a slot, as long as it is wanted."""
        if slot.keeper is None or slot.keeper.done():
            slot.keeper = self.task(self._keep(slot))

    def remove(self, slot: Slot) -> None:
        """Have the worker of a slot drain and end; others accept its clients."""
        slot.is_wanted = False
        if slot.worker is not None:
            self.dismiss(slot.worker)

    # Workers.

    def start(self, slot: Slot) -> WorkerProcess:
        """Return a new worker for a slot, which does not serve yet.

        Raises:
            OSError: The system refuses a process.
        """
        worker = self._spawn(slot, noticed=self.share, told=self._told)
        self.processes.add(worker)
        self._slow[worker] = SLOW
        return worker

    async def serves(self, worker: WorkerProcess) -> bool:
        """Wait until a worker serves; return False if it ends before."""
        either: list[asyncio.Future[Any]] = [worker.ready, worker.ended]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return worker.ready.done() and not worker.ended.done()

    async def _keep(self, slot: Slot) -> None:
        """Keep a worker in a slot, as long as it is wanted."""
        while slot.is_wanted:
            worker = slot.worker
            if worker is None:
                try:
                    worker = slot.worker = self.start(slot)
                except OSError as error:
                    await self._pause(slot, f"Worker {slot.number} can't start ({error})", 0.0)
                    continue
            await asyncio.wait([worker.over])  # which does not cancel it with this task
            if slot.worker is not worker:  # a reload has replaced it
                continue
            slot.worker = None
            self.share()
            if slot.is_wanted and not worker.is_told:
                what = f"{worker.name} {self.how_it_ended(worker)}"
                await self._pause(slot, what, worker.served)

    async def _pause(self, slot: Slot, what: str, served: float) -> None:
        """Wait before the next start, because a worker has ended by itself."""
        slot.settled.set()
        delay = slot.delay(served)
        log.error("%s: a new worker starts in %gs", what, delay)
        await asyncio.sleep(delay)

    def how_it_ended(self, worker: WorkerProcess) -> str:
        """Return why a worker has ended, for the log."""
        if worker.was_hung:
            return f"ended, because its event loop did not run for {self._timeout:g}s"
        code = worker.ended.result()
        how = (
            f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        )
        return how if worker.ready.done() else f"{how} before it served"

    def dismiss(self, worker: WorkerProcess) -> None:
        """Have a worker drain and end, because others accept its clients. It is killed if that takes too long."""
        worker.end(OrderKind.LEAVE)
        self.share()
        self.run(self._until_ended(worker))

    async def _until_ended(self, worker: WorkerProcess) -> None:
        await asyncio.wait([worker.ended], timeout=self._grace + SPARE)
        if not worker.ended.done():
            log.error("%s has not ended in time, and is killed. Its stacks:", worker.name)
            worker.print_stacks()
            await asyncio.wait([worker.ended], timeout=PRINTING)
            worker.signal(signal.SIGKILL)

    async def stop(self) -> bool:
        """Have all workers drain and end at the same time; return whether all of them have ended well."""
        self.poll()  # those that have ended before do not count
        workers = tuple(self.processes)
        for worker in workers:
            worker.end(OrderKind.STOP)
        if workers:
            await asyncio.gather(*map(self._until_ended, workers))
        return all(worker.ended_well for worker in workers)

    def kill_all(self) -> None:
        """End all processes at once."""
        for worker in self.processes:
            worker.signal(signal.SIGKILL)

    def share(self) -> None:
        """Have the other workers accept the clients of each slot that nobody serves, and of no other slot."""
        slots = self._slots.values()
        for slot in slots:
            if slot.worker is not None and slot.worker.is_ready:
                slot.was_served = True
                slot.settled.set()
        if self._listeners.are_shared or self.is_stopping:
            return
        alone = {slot.number: slot for slot in slots if slot.was_served and not slot.is_served}
        for slot in slots:
            worker = slot.worker
            if worker is None or not worker.is_accepting:
                continue
            for number in alone.keys() - worker.taken:
                worker.take(number, alone[number].listeners)
            for number in worker.taken - alone.keys():
                worker.give_back(number)

    # What happens.

    def poll(self) -> None:
        """Notice the processes that have ended."""
        for worker in tuple(self.processes):
            worker.poll()
            if worker.ended.done():
                self.processes.discard(worker)
                self._slow.pop(worker, None)
        if os.getpid() == 1:
            reap_strangers({worker.pid for worker in self.processes})

    async def watch(self) -> None:
        """Look after the workers that say nothing."""
        while True:
            await asyncio.sleep(TICK)
            self.poll()
            self.share()
            for worker in self.processes:
                if self._timeout and worker.is_ready and worker.silence > self._timeout + SPARE:
                    worker.was_hung = True
                    worker.signal(signal.SIGKILL)
                elif not worker.over.done() and not worker.ready.done():
                    self._say_slow(worker)

    def _say_slow(self, worker: WorkerProcess) -> None:
        if worker.age >= self._slow[worker]:
            log.warning(
                "%s has not started for %gs: it still imports the application, or its lifespan has not"
                " begun to yield",
                worker.name,
                self._slow[worker],
            )
            self._slow[worker] *= 2
