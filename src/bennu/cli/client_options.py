"""The options of commands that connect to a socket: ``bennu console`` and ``bennu bench``."""

from __future__ import annotations

from typing import Final

import click

from ..errors import DefinitionError
from .parameters import NAMED_VALUE, together

__all__ = ["client_options", "url_argument"]


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
    context: click.Context, option: click.Parameter, given: tuple[tuple[str, str], ...]
) -> dict[str, str]:
    """Return the parameters of ``--param`` by name."""
    del context, option
    return dict(given)


url_argument: Final = click.argument("url", callback=read_url)
"""The URL of the socket."""

client_options: Final = together(
    click.option(
        "--param",
        "--params",
        "params",
        type=NAMED_VALUE,
        multiple=True,
        callback=read_params,
        help="A parameter of the connect. Repeat the option for more.",
    ),
    click.option(
        "--token",
        envvar="BENNU_TOKEN",
        show_envvar=True,
        help="The auth token: authToken of phoenix.js 1.8.",
    ),
    click.option(
        "--vsn",
        default="2.0.0",
        show_default=True,
        type=click.Choice(["1.0.0", "2.0.0"]),
        help="The version of the protocol.",
    ),
    click.option(
        "--transport",
        default="websocket",
        show_default=True,
        type=click.Choice(["websocket", "longpoll"]),
        help="How to connect. longpoll needs pip install 'bennu[client]'.",
    ),
)
"""Adds the options to a command."""
