"""``bennu run module:endpoint``."""

from __future__ import annotations

import contextlib
import copy
import gc
import importlib
import os
import socket
import sys
import sysconfig
import traceback
from collections.abc import Generator
from typing import Any

import click
import uvicorn
from uvicorn.config import LOG_LEVELS, LOGGING_CONFIG
from uvicorn.supervisors import ChangeReload

from ..endpoint import Endpoint
from ..errors import DefinitionError
from .server import BennuProtocol

__all__ = ["main"]

LEVELS = ("critical", "error", "warning", "info", "debug", "trace")


@click.group()
@click.version_option(package_name="bennu")
def main() -> None:
    """Phoenix Channels for Python."""


@main.command()
@click.argument("target", metavar="MODULE:ENDPOINT")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=4000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port to listen on; 0 takes a free one.",
)
@click.option("--reload", is_flag=True, help="Start again when a Python file changes.")
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(LEVELS),
    help="How much is logged.",
)
@click.option("--access-log/--no-access-log", default=True, help="Whether requests are logged.")
def run(
    target: str, host: str, port: int, log_level: str, *, reload: bool, access_log: bool
) -> None:
    """Serve an endpoint, or an ASGI application that one is mounted in.

    MODULE:ENDPOINT is where it is, for example app:endpoint.
    """
    sys.path.insert(0, os.getcwd())
    if reload:
        os.environ["BENNU_DEBUG"] = "1"
        config = _config(target, host, port, log_level, access_log=access_log, reload=True)
        listener = config.bind_socket()
        # Inherited by what it accepts. asyncio sets it only on sockets that it opened itself.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ChangeReload(config, target=_Server(config).run, sockets=[listener]).run()
        return
    app = load(target)
    config = _config(app, host, port, log_level, access_log=access_log, reload=False)
    server = _Server(config)
    server.run()
    if not server.started:
        raise SystemExit(3)


def _config(
    app: Any, host: str, port: int, log_level: str, *, access_log: bool, reload: bool
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BennuProtocol,
        log_level=log_level,
        log_config=log_config(log_level),
        access_log=access_log,
        reload=reload,
        lifespan="on" if isinstance(app, Endpoint) else "auto",
        timeout_graceful_shutdown=10,
    )


def log_config(level: str) -> dict[str, Any]:
    """Return uvicorn's logging configuration, with our logger beside its own."""
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    config["loggers"]["bennu"] = {
        "handlers": ["default"],
        "level": LOG_LEVELS[level],
        "propagate": False,
    }
    return config


class _Server(uvicorn.Server):
    """uvicorn's server, with the garbage collector set for many objects that live long."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        with super().capture_signals():
            yield
            # uvicorn would raise them again: but to have stopped when told to is no failure.
            self._captured_signals.clear()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        # What the modules made lives as long as the process: nobody needs to look at it again. And a
        # connection is some dozens of objects that stay: with the default of 700 the collector would
        # run at every twentieth connect, and cost a quarter of it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)


def load(target: str) -> Any:
    """Return what ``module:name`` names.

    Raises:
        click.ClickException: It can't be had; the message says why, and where.
    """
    module_name, colon, path = target.partition(":")
    if not colon or not module_name or not path:
        raise click.ClickException(
            f"expected MODULE:ENDPOINT, got {target!r}: write for example app:endpoint"
        )
    try:
        found: Any = importlib.import_module(module_name)
        for name in path.split("."):
            found = getattr(found, name)
    except DefinitionError as error:
        raise click.ClickException(f"{error}{_raised_at(error)}") from error
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error}{_raised_at(error)}") from error
    except AttributeError as error:
        raise click.ClickException(f"{error}{_raised_at(error)}") from error
    except Exception as error:
        raise click.ClickException(f"{type(error).__name__}: {error}{_raised_at(error)}") from error
    if not callable(found):
        raise click.ClickException(f"expected an Endpoint or an ASGI application, got {found!r}")
    return found


def _raised_at(error: Exception) -> str:
    """Return the last line of the user's own that led to an error."""
    ours = os.path.dirname(os.path.dirname(__file__))
    libraries = (
        *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")),
        "<frozen",
    )
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((ours, *libraries))
    ]
    if not frames:
        return ""
    frame = frames[-1]
    return f"\n  raised at {frame.filename}:{frame.lineno}: {frame.line}"
