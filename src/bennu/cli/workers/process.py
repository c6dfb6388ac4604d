"""A worker, as the supervisor sees it: a process, and the link to it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, Final

from .link import ControlLink, Order, OrderKind
from .settings import WorkerSettings

__all__ = ["BLOCKED", "LATE", "WorkerProcess", "reap_strangers"]

LATE: Final = 3.0
"""Seconds without a sign of life after which other workers accept a worker's clients."""

BLOCKED: Final = frozenset(
    number
    for number in signal.Signals
    if number.name
    in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")  # Windows has two of them
)
"""Signals that wait until a new worker can take them. Ctrl-C would otherwise show a traceback of a worker's imports."""


class WorkerProcess:
    """A worker process. It is started by the constructor.

    Args:
        settings: What the worker gets.
        target: The name of the application, for lists of processes.
        environment: The environment of the worker.
        noticed: Called after each change of its state.
        told: Called when the worker got a SIGTERM.

    Attributes:
        number: The number of its slot.
        pid: Its process id.
        name: Its name in the log.
        started_at: The time of its start, on the monotonic clock.
        ready: Done when it serves; the lines that name its sockets.
        over: Done when it leaves its slot: it was told to, or has ended.
        ended: Done when the process has ended; the code, negative for a signal.
        is_told: Whether it was told to end.
        was_hung: Whether its event loop did not run for its time.
        taken: The numbers of the other slots from which it accepts.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        target: str,
        environment: Mapping[str, str],
        *,
        noticed: Callable[[], None],
        told: Callable[[WorkerProcess], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.number = settings.number
        self._has_signal = False
        self.started_at = time.monotonic()
        self.ready: asyncio.Future[list[str]] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[int] = loop.create_future()
        self.is_told = False
        self.was_hung = False
        self.taken: set[int] = set()
        self._timeout = settings.timeout
        self._noticed = noticed
        self._told = told
        self._heard_at = self.started_at
        self._ready_at = self.started_at
        ours, theirs = socket.socketpair()
        with theirs:
            inherited = [theirs.fileno(), *settings.inherited]
            self._process = _popen(inherited, target, self.number, environment)
            self.pid = self._process.pid
            self.name = f"Worker {self.number} (process {self.pid})"
            with suppress(OSError):  # it has ended already
                settings.send(ours)
        self._link = ControlLink(ours)
        self._link.start(self._receive, _nothing)

    # State.

    @property
    def is_ready(self) -> bool:
        """Whether it serves, and was not told to end."""
        return self.ready.done() and not self.over.done()

    @property
    def is_accepting(self) -> bool:
        """Whether it serves, and its event loop runs."""
        return self.is_ready and self.silence < LATE

    @property
    def silence(self) -> float:
        """Seconds since its last sign of life."""
        return time.monotonic() - self._heard_at

    @property
    def served(self) -> float:
        """Seconds for which it has served; 0 if it has not."""
        return time.monotonic() - self._ready_at if self.ready.done() else 0.0

    @property
    def age(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started_at

    @property
    def ended_well(self) -> bool:
        """Whether it has ended as it should: with code 0, or by our signal before it served."""
        code = self.ended.result() if self.ended.done() else 1
        return code == 0 or (code == -signal.SIGTERM and not self.ready.done())

    # Orders.

    def take(self, slot: int, listeners: list[socket.socket]) -> None:
        """Have it accept from the listeners of another slot."""
        self.taken.add(slot)
        self._link.send(Order(OrderKind.TAKE, slot, len(listeners)), listeners)

    def give_back(self, slot: int) -> None:
        """Have it accept no longer from the listeners of another slot."""
        self.taken.discard(slot)
        self._link.send(Order(OrderKind.RETURN, slot))

    def end(self, kind: OrderKind) -> None:
        """Have it drain and end. A second call has no effect.

        Args:
            kind: LEAVE or STOP.
        """
        if self.ended.done() or self.is_told:
            return
        self.is_told = True
        self._be_over()
        self._link.send(Order(kind))
        if not self.ready.done() and not self._has_signal:  # it may not read orders yet
            self._has_signal = True
            self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, unless it has ended."""
        self._process.send_signal(number)

    def print_stacks(self) -> None:
        """Have it print the stack of each thread. It can do so even if its event loop hangs."""
        self.signal(signal.SIGUSR1)

    # What it says.

    def poll(self) -> None:
        """Notice that the process has ended."""
        code = self._process.poll()
        if code is None or self.ended.done():
            return
        self._link.read()
        self._link.close()
        if self._timeout and self.is_ready and self.silence >= 0.9 * self._timeout:
            self.was_hung = True
        self.ended.set_result(code)
        self._be_over()
        self._noticed()

    def _receive(self, order: Order, listeners: list[socket.socket]) -> None:
        self._heard_at = time.monotonic()
        if order.kind is OrderKind.READY and not self.ready.done():
            self._ready_at = self._heard_at
            self.ready.set_result(order.lines)
            self._noticed()
        elif order.kind is OrderKind.TOLD:
            self._has_signal = True
            self._told(self)

    def _be_over(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


def _popen(
    inherited: list[int], target: str, number: int, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a new interpreter, which has the given descriptors, the link first, and no other file of this process."""
    inner: Any = subprocess
    flags: list[str] = inner._args_from_interpreter_flags()  # as `multiprocessing` does
    safe = (
        [] if "-P" in flags or "-I" in flags else ["-P"]
    )  # a `types.py` in this folder is no module of ours
    words = ["-m", "bennu.cli.workers.boot", str(inherited[0]), target, f"worker {number}"]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
    try:
        return subprocess.Popen(  # noqa: S603 - the words are ours
            [sys.executable, *flags, *safe, *words],
            pass_fds=inherited,
            env=dict(environment),
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def reap_strangers(workers: Collection[int]) -> None:
    """Remove ended processes that are no workers. A process with the id 1 inherits all orphans.

    Args:
        workers: The process ids of the workers, whose exit codes are still wanted.
    """
    with suppress(ChildProcessError):  # there is no other process
        while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if found.si_pid in workers:
                return  # it has ended just now: the next signal is for it
            os.waitpid(found.si_pid, 0)


def _nothing() -> None:
    """Do nothing: the end of the process is noticed by its signal."""
