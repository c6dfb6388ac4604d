"""The supervisor of ``bennu run --workers``: it starts workers, replaces those that end, reloads, and ends them.

Theory of operation
-------------------
The supervisor opens the listeners, and never imports the application. Each worker is a new interpreter
(:mod:`.boot`) with a slot, and a link to the supervisor (:mod:`.link`).

**Listeners.** On Linux each slot has TCP listeners of its own, with SO_REUSEPORT, and the kernel spreads connections
evenly over them. The supervisor holds all listeners open, so a connection that waits in a listener is not lost when a
worker ends: the next worker of the slot accepts it. Measured with 2,000 connections on uvloop and asyncio, two and four
workers, one at a time, twenty or a thousand at once: the busiest worker has 1.00 to 1.06 times its share, and with one
listener for all 1.03 to 1.55 times. Measured with 60 clients that connect all the time, while workers are replaced: with
listeners that belong to the workers 57 of 4,929 connections were reset in 12 replacements, with listeners that the
supervisor holds none of 10,742 in 16, and with one listener for all none of 9,848 in 15.

A listener of its own has a disadvantage: its clients would wait for a slot whose worker has crashed, hangs, or was
removed. So the other workers accept from it meanwhile (:meth:`.Fleet.share`): the listeners travel over the link.

**Start.** The first worker starts alone, so a mistake is printed once, and the command ends. The others start when the
first serves.

**Signs of life.** A worker says each second that its event loop runs. After three seconds of silence the others take its
clients. A worker whose event loop hangs for ``--worker-timeout`` ends itself, and prints the stack of each thread. If it
can't do even that (it is stopped by SIGSTOP), the supervisor kills it. A worker that starts is not timed: an import can
take minutes.

**End of a worker.** A worker that ends without being told to is started again, after a delay that doubles. A worker that
gets a SIGTERM asks the supervisor: in a stop of all processes (a service manager can signal all of them) it keeps
accepting, and answers 503; otherwise it is replaced, and others accept its clients.

**Reload.** Slot by slot a new worker starts. When it serves, the old worker stops accepting, drains and ends; then comes
the next slot. So there is one process more than usual. If a new worker does not start, the old workers stay. Clients of
the old worker spread over all workers, so a client can move more than once.

**End of the supervisor.** All workers drain in parallel. If the supervisor is killed, the kernel closes the links, and
the workers drain and end.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any, Final

from ...logs.log import Log
from ..systemd import notify, reloading
from .fleet import Fleet, Spawn
from .process import WorkerProcess
from .slots import Slot, SlotListeners

__all__ = ["Supervisor"]

ALL_AT_ONCE: Final = 0.1
"""Seconds in which a signal to all processes reaches the supervisor, when it has reached a worker."""
START_FAILURE: Final = 3

log = Log()


class Supervisor:
    """Runs workers.

    Args:
        count: The number of workers.
        listeners: The listeners of all slots.
        spawn: Starts a worker.
        grace: Seconds in which a worker ends.
        timeout: Seconds after which a worker ends whose event loop hangs; 0 is never.
        announce: Logs the banner: the lines about sockets, and the number of workers.
    """

    def __init__(
        self,
        count: int,
        listeners: SlotListeners,
        spawn: Spawn,
        *,
        grace: float,
        timeout: float,
        announce: Callable[[list[str], int], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._count = count
        self._announce = announce
        self._fleet = Fleet(listeners, spawn, told=self._on_told, grace=grace, timeout=timeout)
        self._result: asyncio.Future[int] = loop.create_future()
        self._reload: asyncio.Task[None] | None = None
        self._has_begun = False
        self._had_terminal = _has_terminal()
        self._ignores_hangup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    async def run(self) -> int:
        """Run the workers until a signal ends them; return the exit code of the command."""
        fleet = self._fleet
        self._handle_signals()
        fleet.run(self._begin())
        fleet.run(fleet.watch())
        try:
            either: list[asyncio.Future[Any]] = [self._result, fleet.failed]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if (
                fleet.failed.done()
            ):  # a mistake of ours: a supervisor that does nothing would be worse
                fleet.kill_all()
                fleet.failed.result()
            return self._result.result()
        finally:
            fleet.cancel_tasks()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        loop.add_signal_handler(signal.SIGTTIN, self._on_more)
        loop.add_signal_handler(signal.SIGTTOU, self._on_fewer)
        loop.add_signal_handler(signal.SIGCHLD, self._fleet.poll)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(number, _ignore)

    async def _begin(self) -> None:
        """Start the first worker, then the others."""
        fleet = self._fleet
        first = fleet.new_slot()
        worker = first.worker = fleet.start(first)
        if not await fleet.serves(worker):
            if worker.ended.result() < 0:
                log.error("%s", f"{worker.name} {fleet.how_it_ended(worker)}")
            self._finish(START_FAILURE)
            return
        self._has_begun = True
        slots = [first, *(fleet.new_slot() for _ in range(1, self._count))]
        for slot in slots:
            fleet.keep(slot)
        for slot in slots:
            await slot.settled.wait()
        self._announce(worker.ready.result(), len(fleet.wanted))
        notify("READY=1", f"STATUS={len(fleet.wanted)} workers")

    @property
    def _can_change(self) -> bool:
        return self._has_begun and not self._fleet.is_stopping

    # Reload.

    async def _reload_all(self) -> None:
        """Replace all workers, one after another."""
        slots = self._fleet.wanted
        log.info("Reloading %d workers, one after another", len(slots))
        reloading()
        for slot in slots:
            if slot.is_wanted and not await self._renew(slot):
                log.error(
                    "The reload has stopped, because the new worker %d did not start. The other workers go on",
                    slot.number,
                )
                break
        else:
            log.info("Reloaded: all workers are new")
        notify("READY=1")

    async def _renew(self, slot: Slot) -> bool:
        """Replace the worker of a slot; return False if the new worker does not serve."""
        fleet = self._fleet
        try:
            new = fleet.start(slot)
        except OSError as error:
            log.error("%s", f"Worker {slot.number} can't start: {error}")  # noqa: TRY400 - no traceback
            return False
        try:
            if not await fleet.serves(new):
                log.error("%s", f"{new.name} {fleet.how_it_ended(new)}")
                return False
        except asyncio.CancelledError:
            if not fleet.is_stopping:  # another reload begins
                fleet.dismiss(new)
            raise
        old, slot.worker = slot.worker, new
        if not slot.is_wanted:  # it was removed meanwhile
            old, slot.worker = new, None
        if old is not None:
            fleet.dismiss(old)
            await asyncio.wait([old.ended])
        return True

    # Signals.

    def _on_told(self, worker: WorkerProcess) -> None:
        """Replace a worker that got a SIGTERM, unless all processes got it."""
        asyncio.get_running_loop().call_later(ALL_AT_ONCE, self._replace, worker)

    def _replace(self, worker: WorkerProcess) -> None:
        if not self._fleet.is_stopping and not worker.over.done():
            log.info("%s got a SIGTERM: it drains, and a new worker starts", worker.name)
            self._fleet.dismiss(worker)

    def _on_hangup(self) -> None:
        """Reload at SIGHUP. If it came because the terminal was closed, end as at SIGTERM, or go on under nohup."""
        if self._had_terminal and not _has_terminal():
            # The kernel and the shell can both send it, so a second one does not count.
            if not self._ignores_hangup and not self._fleet.is_stopping:
                self._on_stop(signal.SIGHUP)
        elif not self._has_begun:
            log.warning("No reload: the first worker has not started yet")
        elif self._can_change:
            if self._reload is not None:
                self._reload.cancel()
            self._reload = self._fleet.task(self._reload_all())

    def _on_more(self) -> None:
        """Add a worker at SIGTTIN."""
        if not self._can_change:
            return
        try:
            slot = self._fleet.new_slot()
        except OSError as error:
            log.error("%s", f"There is no place for another worker: {error}")  # noqa: TRY400 - no traceback
            return
        self._fleet.keep(slot)
        self._say_count()

    def _on_fewer(self) -> None:
        """Remove the last worker at SIGTTOU."""
        if not self._can_change:
            return
        wanted = self._fleet.wanted
        if len(wanted) == 1:
            log.warning("One worker stays: to end the command, send SIGTERM")
            return
        self._fleet.remove(wanted[-1])
        self._say_count()

    def _say_count(self) -> None:
        count = len(self._fleet.wanted)
        log.info("%d worker(s) from now on", count)
        notify(f"STATUS={count} workers")

    # End.

    def _on_stop(self, number: signal.Signals) -> None:
        """End all workers: at the first signal in peace, at the second at once."""
        fleet = self._fleet
        if fleet.is_stopping:
            log.error("A second signal: all processes end at once")
            fleet.kill_all()
            self._finish(128 + number)
            return
        fleet.is_stopping = True
        notify("STOPPING=1")
        fleet.cancel_tasks()
        fleet.run(self._stop())

    async def _stop(self) -> None:
        self._finish(0 if await self._fleet.stop() else 1)

    def _finish(self, code: int) -> None:
        if not self._result.done():
            self._result.set_result(code)


def _has_terminal() -> bool:
    """Return whether the process has a controlling terminal that is not closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _ignore() -> None:
    """Take a signal that would end the process."""
