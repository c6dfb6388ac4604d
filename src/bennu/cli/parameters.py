"""The options of ``bennu run``: types that click does not have, and checks of single options."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from ..errors import DefinitionError
from ..protocol.proxies import TrustedProxies
from .env_file import parse_env

__all__ = [
    "LEVELS",
    "NAMED_VALUE",
    "READABLE",
    "Descriptor",
    "Seconds",
    "app_dir_option",
    "check_root_path",
    "choose_descriptors",
    "env_file_option",
    "expect_one_address",
    "expect_one_process",
    "read_env_file",
    "read_proxies",
    "together",
]

F = TypeVar("F", bound=Callable[..., Any])

READABLE: Final = click.Path(exists=True, dir_okay=False, readable=True)
LEVELS: Final = ("critical", "error", "warning", "info", "debug", "trace")
MAX_SECONDS: Final = 1_000_000.0


class Seconds(click.FloatRange):
    """A time for a timer, in seconds: a finite number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the time as a float, or fail with an error for the user."""
        seconds = super().convert(value, param, ctx)
        if not seconds <= MAX_SECONDS:
            self.fail(f"expected at most {MAX_SECONDS:.0f} seconds, got {value}.", param, ctx)
        return seconds


class Descriptor(click.ParamType[int | str]):
    """A socket that this process has inherited: its number, or the name that systemd has given it."""

    name = "socket"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or the name."""
        del param, ctx
        text = str(value)
        return int(text) if text.isdecimal() else text


class _NamedValue(click.ParamType[tuple[str, str]]):
    """``NAME=VALUE``."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name and the value, or fail with an error for the user."""
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            option = "" if param is None else f"{param.opts[0]} "
            self.fail(f"expected NAME=VALUE, got {value!r}: write {option}token=abc", param, ctx)
        return name, text


NAMED_VALUE: Final = _NamedValue()


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return a decorator that adds several options to a command, in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def choose_descriptors(
    context: click.Context, wanted: int | str | None, given: Sequence[tuple[int, str]]
) -> list[int]:
    """Return the numbers of the inherited sockets on which the command listens; none if it opens its own.

    Args:
        context: The command's options.
        wanted: The value of ``--fd``.
        given: The number and the name of each socket from systemd.

    Raises:
        click.UsageError: No socket has the name.
    """
    if isinstance(wanted, str):
        found = [fd for fd, name in given if name == wanted]
        if not found:
            names = ", ".join(sorted({name for _, name in given})) or "no socket at all"
            raise click.UsageError(
                f"--fd {wanted}: expected a number, or the name of a socket from systemd"
                f" (FileDescriptorName=); systemd has given {names}"
            )
        return found
    if wanted is not None:
        return [wanted]
    if given and (own := _given(context, "host", "port", "uds")):
        click.echo(
            f"systemd has opened {len(given)} socket(s), which --{own[0]} leaves unused: without it, bennu run"
            " listens on them",
            err=True,
        )
        return []
    return [fd for fd, _ in given]


def expect_one_process(context: click.Context, workers: int) -> int:
    """Return the number of workers under ``--reload``, which is 1.

    Raises:
        click.UsageError: ``--workers`` is given with more than one.
    """
    if workers > 1 and context.get_parameter_source("workers") is ParameterSource.COMMANDLINE:
        raise click.UsageError(
            f"--reload and --workers {workers} exclude each other: write --reload while you develop, and"
            " --workers in production, where SIGHUP reloads all workers"
        )
    return 1


def _given(context: click.Context, *names: str) -> list[str]:
    """Return those of the options that are given."""
    return [
        name for name in names if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    ]


def read_env_file(context: click.Context, option: click.Parameter, path: str | None) -> None:
    """Set the variables of ``--env-file``. This option is read first, because variables can set other options.

    Raises:
        click.BadParameter: The file can't be read, or has a line that is no variable.
    """
    if path is None or context.resilient_parsing:
        return
    try:
        with open(path, encoding="utf-8") as file:
            variables = parse_env(file.read())
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{path}: {error}", context, option) from error
    for name, value in variables.items():
        os.environ.setdefault(name, value)


env_file_option: Final = click.option(
    "--env-file",
    type=READABLE,
    expose_value=False,
    is_eager=True,
    callback=read_env_file,
    help="A file of environment variables, one NAME=value a line. It does not replace variables that are set.",
)
"""Adds ``--env-file`` to a command."""

app_dir_option: Final = click.option(
    "--app-dir",
    default=".",
    type=click.Path(exists=True, file_okay=False),
    help="The folder of MODULE; by default the current one.",
)
"""Adds ``--app-dir`` to a command."""


def check_root_path(context: click.Context, option: click.Parameter, path: str) -> str:
    """Return the path of ``--root-path``, without a slash at the end.

    Raises:
        click.BadParameter: The path does not begin with a slash.
    """
    if path and not path.startswith("/"):
        raise click.BadParameter(
            f"expected a path, got {path!r}: write for example --root-path /app", context, option
        )
    return path.rstrip("/")


def expect_one_address(context: click.Context) -> None:
    """Refuse options that name different addresses to listen on.

    Raises:
        click.UsageError: More than one of ``--host`` and ``--port``, ``--uds``, ``--fd`` is given.
    """
    given = _given(context, "host", "port", "uds", "fd")
    if ("uds" in given or "fd" in given) and len(given) > 1:
        options = " and ".join(f"--{name}" for name in given)
        raise click.UsageError(
            f"{options} exclude each other: write --host and --port, --uds, or --fd"
        )


def read_proxies(
    context: click.Context, option: click.Parameter, text: str
) -> TrustedProxies | None:
    """Return the proxies of ``--trusted-proxies``; None if there are none.

    Raises:
        click.UsageError: An entry is neither an address nor a network.
    """
    del context, option
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    try:
        return TrustedProxies(entries) if entries else None
    except DefinitionError as error:
        raise click.UsageError(
            f"--trusted-proxies: expected {error.expected}, got {error.got}:"
            " write for example --trusted-proxies 10.0.0.0/8,::1"
        ) from error
