"""The options of commands that connect to a socket: ``bennu console`` and ``bennu bench``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from ..errors import DefinitionError

__all__ = ["client_options", "read_params", "read_url", "url_argument"]

F = TypeVar("F", bound=Callable[..., Any])


def read_url(context: click.Context, option: click.Parameter, url: str) -> str:
    """Return the URL of a socket.

    Raises:
        click.UsageError: It is no such URL.
    """
    from ..client.urls import SocketURL  # noqa: PLC0415 - a server does not need the client

    del option
    try:
        SocketURL(url)
    except DefinitionError as error:
        raise click.UsageError(
            f"expected {error.expected}, got {error.got}:"
            f" write bennu {context.info_name} ws://localhost:4000/socket"
        ) from error
    return url


def read_params(
    context: click.Context, option: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    """Return the parameters of ``--param``.

    Raises:
        click.BadParameter: One has no name or no value.
    """
    params: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (name and equals):
            raise click.BadParameter(
                f"expected NAME=VALUE, got {one!r}: write --param token=abc", context, option
            )
        params[name] = value
    return params


url_argument: Final = click.argument("url", callback=read_url)
"""The URL of the socket."""

_OPTIONS: Final = (
    click.option(
        "--param",
        "--params",
        "params",
        metavar="NAME=VALUE",
        multiple=True,
        callback=read_params,
        help="A parameter of the connect. Write the option once for each.",
    ),
    click.option(
        "--token",
        envvar="BENNU_TOKEN",
        show_envvar=True,
        help="A token beside the URL, as authToken of phoenix.js 1.8.",
    ),
    click.option(
        "--vsn",
        default="2.0.0",
        show_default=True,
        type=click.Choice(["1.0.0", "2.0.0"]),
        help="The version of the wire.",
    ),
    click.option(
        "--transport",
        default="websocket",
        show_default=True,
        type=click.Choice(["websocket", "longpoll"]),
        help="longpoll needs pip install bennu[client].",
    ),
)


def client_options(command: F) -> F:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
