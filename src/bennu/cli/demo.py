"""``bennu demo``: lists the demos, and runs one of them, or all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from bennu_demos.catalog import Demo

__all__ = ["demo"]

ALL: Final = "all"
WIDTH: Final = 12
PATIENCE: Final = 60.0
"""Seconds in which a demo must listen, before its page is opened."""


@click.command()
@click.argument("name", required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=4000,
    show_default=True,
    type=click.IntRange(1, 65_000),
    help="The port to listen on; `all` takes as many ports after it as there are demos.",
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 100))
@click.option(
    "--data",
    metavar="FOLDER",
    type=click.Path(file_okay=False),
    help="The folder for the data. Default: ~/.local/share/bennu.",
)
@click.option("--browser/--no-browser", default=True, help="Whether the page is opened.")
def demo(
    name: str | None, host: str, port: int, workers: int, data: str | None, *, browser: bool
) -> None:
    """Run a demo, and open its page. Without NAME, list the demos.

    \b
    bennu demo              the list
    bennu demo chat         the chat, on port 4000
    bennu demo all          all of them, and a page that leads to them

    The demos need the packages of `pip install 'bennu[demo]'`.
    """
    demos = {one.name: one for one in _demos()}
    if name is None:
        _show(demos.values())
        return
    if name != ALL and name not in demos:
        raise click.UsageError(f"there is no demo {name!r}: {', '.join((*demos, ALL))}")
    _expect_packages()
    if data is not None:
        os.environ["BENNU_DEMO_DATA"] = os.path.abspath(data)
    url = f"http://{'127.0.0.1' if host in ('', '0.0.0.0') else host}:{port}/"  # noqa: S104 - compared, not listened on
    if browser:
        threading.Thread(target=_open, args=(host, port, url), daemon=True).start()
    options = ["--host", host, "--no-access-log"]
    if name != ALL:
        _run(demos[name].app, port, [*options, "--workers", str(workers)])
        return
    ports = {one: port + number for number, one in enumerate(demos, 1)}
    os.environ["BENNU_DEMO_PORTS"] = " ".join(f"{one}={ports[one]}" for one in demos)
    with ExitStack() as started:
        for one, taken in ports.items():
            command = (*_command(demos[one].app, taken), *options, "--log-level", "warning")
            started.callback(_end, subprocess.Popen(command))  # noqa: S603 - our own command
        _run("bennu_demos.home.app:app", port, options)


def _demos() -> Sequence[Demo]:
    from bennu_demos.catalog import DEMOS  # noqa: PLC0415 - only this command needs it

    return DEMOS


def _show(demos: Any) -> None:
    for one in demos:
        click.echo(f"  {click.style(one.name.ljust(WIDTH), bold=True)}{one.title}")
        click.echo(click.wrap_text(one.text, 78, " " * (WIDTH + 2), " " * (WIDTH + 2)))
    click.echo("\nRun one of them: bennu demo chat. Run all: bennu demo all.")


def _expect_packages() -> None:
    """Name the packages that are missing.

    Raises:
        click.ClickException: A package is missing.
    """
    from bennu_demos.catalog import NEEDED  # noqa: PLC0415 - as above

    missing = [one for one in NEEDED if find_spec(one) is None]
    if missing:
        raise click.ClickException(
            f"the demos need {', '.join(missing)}: install them with pip install 'bennu[demo]'"
        )


def _command(app: str, port: int) -> tuple[str, ...]:
    return (sys.executable, "-m", "bennu", "run", app, "--port", str(port))


def _run(app: str, port: int, options: Sequence[str]) -> None:
    """Run ``bennu run`` in this process, until it ends."""
    from .main import main  # noqa: PLC0415 - which imports this module

    main.main(["run", app, "--port", str(port), *options], prog_name="bennu", standalone_mode=False)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a demo as Ctrl-C does, which has reached it already if it came from the terminal."""
    process.terminate()
    process.wait()


def _open(host: str, port: int, url: str) -> None:
    """Open the page as soon as the server listens. Without a browser nothing happens: the log has the address."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(OSError), closing(socket.create_connection((host or "127.0.0.1", port), 1)):
            webbrowser.open(url)
            return
        time.sleep(0.1)
