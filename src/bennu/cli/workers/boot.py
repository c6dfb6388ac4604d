"""The main program of a worker: ``python -m bennu.cli.workers.boot LINK TARGET NAME``.

A worker is a new interpreter, not a fork of the supervisor. So a reload imports new code, no thread and no event loop is
copied in the middle of its work, and the supervisor never imports the application. The cost is memory: four workers of a
small application have 38 MB each of their own, and 19 MB each as forks of a process that has imported the application.
"""

from __future__ import annotations

import faulthandler
import io
import multiprocessing
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from types import FrameType

import click

from ...logs.log import Log
from ...metrics.memory import inherit
from .link import ControlLink
from .process import BLOCKED
from .settings import WorkerSettings
from .worker import WorkerServer

__all__ = ["main"]


def main() -> int:
    """Serve; return the exit code."""
    # These reach all processes of a terminal. The supervisor decides what follows from them.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, _ignore)
    with suppress(AttributeError, ValueError, io.UnsupportedOperation):  # no real stderr
        faulthandler.register(signal.SIGUSR1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)
    end = socket.socket(fileno=int(sys.argv[1]))
    end.set_inheritable(False)
    settings = WorkerSettings.receive(end)
    if settings is None:
        return 1
    sys.path[:] = settings.path
    sys.argv[:] = ["bennu", *sys.argv[2:]]
    multiprocessing.current_process().name = f"worker {settings.number}"
    listeners = [socket.socket(fileno=fd) for fd in settings.descriptors]
    for listener in listeners:
        listener.set_inheritable(False)
    if settings.metrics is not None:
        inherit(*settings.metrics, settings.number)
    link = ControlLink(end)
    make_server = partial(
        WorkerServer, link=link, timeout=settings.timeout, directory=settings.directory
    )
    try:
        server: WorkerServer = settings.make(make_server=make_server)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    server.run(listeners)
    if not server.started:
        Log().error("The application did not start")
        return 3
    return 1 if server.was_cut_short else 0


def _ignore(number: int, frame: FrameType | None) -> None:
    """Take a signal. Unlike SIG_IGN, this is not inherited by the programs that a worker starts."""


if __name__ == "__main__":
    sys.exit(main())
