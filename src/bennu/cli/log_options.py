"""The options of ``bennu run`` that say how the lines of its log look."""

from __future__ import annotations

import logging.config
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

import click
from click.core import ParameterSource

from .log_format import FORMATS, log_config
from .parameters import LEVELS, together

__all__ = ["LogConfig", "begin_logging", "log_options", "read_log_options"]

LogConfig = Callable[..., dict[str, Any]]
"""Returns the configuration of a process, from the name of the worker."""

log_options: Final = together(
    click.option(
        "--log-format",
        default="text",
        show_default=True,
        type=click.Choice(FORMATS),
        envvar="BENNU_LOG_FORMAT",
        show_envvar=True,
        help="The form of the log: json is one JSON object a line.",
    ),
    click.option(
        "--log-context/--no-log-context",
        default=False,
        envvar="BENNU_LOG_CONTEXT",
        show_envvar=True,
        help="Whether a line of text ends in its connection, user, topic, event, channel and trace.",
    ),
    click.option(
        "--log-root",
        default="",
        metavar="LEVEL",
        type=click.Choice(("", *LEVELS)),
        envvar="BENNU_LOG_ROOT",
        show_envvar=True,
        help="Writes the lines of all other loggers too, your own among them, from this level on.",
    ),
)
"""Adds the options to a command."""


def read_log_options(
    context: click.Context, level: str, file: str | None, **options: Any
) -> LogConfig | None:
    """Return what makes the configuration of logging; None with ``--log-config``.

    Args:
        context: The command's options.
        level: The level of Bennu's loggers.
        file: The file of ``--log-config``.
        options: The values of the options of this module.

    Raises:
        click.UsageError: One of them is given together with ``--log-config``.
    """
    if file is None:
        form, has_context, root = (
            options[name] for name in ("log_format", "log_context", "log_root")
        )
        return partial(log_config, level, form=form, has_context=has_context, root=root)
    for name in options:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = name.replace("_", "-")
            raise click.UsageError(
                f"--{option} and --log-config exclude each other: the file says how lines look. Write there"
                " bennu.logs.JSONFormatter as a formatter, or bennu.logs.ContextFilter as a filter of a handler"
            )
    return None


def begin_logging(config: Any) -> None:
    """Configure logging before the application is imported, if lines of its modules are asked for.

    Args:
        config: The configuration of a process, or the file of ``--log-config``. uvicorn takes it later, after the import.
    """
    if isinstance(config, dict) and "root" in config:
        logging.config.dictConfig(cast("dict[str, Any]", config))
