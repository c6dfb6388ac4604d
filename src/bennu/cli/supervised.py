"""``bennu run --workers``: the parts of the command that the supervisor does not know."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from ..bus.address import BUS_VARIABLE
from ..logs.log import Log, Printed
from ..metrics.board import Board
from .banner import banner
from .listeners import CannotListen
from .log_options import LogConfig
from .workers.environment import make_directory, worker_environment
from .workers.process import WorkerProcess
from .workers.settings import WorkerSettings
from .workers.slots import Slot, SlotListeners
from .workers.supervisor import Supervisor

__all__ = ["serve_with_workers"]


def serve_with_workers(
    count: int,
    make: Callable[..., Any],
    settings: dict[str, Any],
    target: str,
    listeners: list[socket.socket],
    where: list[str],
    *,
    can_spread: bool,
    grace: float,
    timeout: float,
    log_config: LogConfig | None,
) -> int:
    """Run workers until a signal ends them; return the exit code.

    Args:
        count: The number of workers.
        make: Imports the application, and makes a server: ``make(settings=..., make_server=...)``. It is pickled.
        settings: uvicorn's settings of a worker.
        target: The application, ``module:name``.
        listeners: The open listeners.
        where: Their addresses, for the banner.
        can_spread: Whether each worker can have listeners of its own.
        grace: Seconds in which a worker ends.
        timeout: Seconds after which a worker ends whose event loop hangs; 0 is never.
        log_config: Makes the configuration of a worker's logging from its name; None with ``--log-config``.

    Raises:
        click.ClickException: The platform can't do it, or there is no place for the bus.
    """
    if sys.platform == "win32":
        raise click.UsageError(
            "--workers needs Linux or macOS: on Windows run one process, or several behind a proxy"
        )
    try:
        directory = make_directory()
    except OSError as error:
        raise click.ClickException(
            f"no directory can be made for the bus between workers ({error}): set TMPDIR to a short path,"
            f" or {BUS_VARIABLE} to the address of a bus"
        ) from error
    environment = worker_environment(directory)
    board = Board()
    slots = SlotListeners(listeners, can_spread=can_spread)

    def spawn(slot: Slot, **listening: Any) -> WorkerProcess:
        own = dict(settings)
        if log_config is not None:
            own["log_config"] = log_config(f"worker {slot.number}")
        worker_settings = WorkerSettings(
            make=partial(make, settings=own),
            number=slot.number,
            descriptors=[one.fileno() for one in slot.listeners],
            path=list(sys.path),
            timeout=timeout,
            directory=directory,
            metrics=(board.fd, row := board.take()),
        )
        try:
            worker = WorkerProcess(worker_settings, target, environment, **listening)
        except OSError:
            board.retire(row)
            raise
        worker.ended.add_done_callback(lambda _: board.retire(row))
        return worker

    def announce(sockets: list[str], workers: int) -> None:
        Log().info("%s", Printed(banner(where, sockets, workers)))

    async def supervise() -> int:
        supervisor = Supervisor(
            count, slots, spawn, grace=grace, timeout=timeout, announce=announce
        )
        return await supervisor.run()

    try:
        return asyncio.run(supervise())
    except OSError as error:
        raise CannotListen(f"the workers can't start: {error}") from error
    finally:
        slots.close()
        board.close()
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)
