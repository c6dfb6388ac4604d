"""``bennu console``: a client in the terminal, and for scripts."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import click

from .client_options import client_options, url_argument
from .parameters import Seconds, env_file_option

if TYPE_CHECKING:
    from ..client.options import ClientKeywords, Vsn
    from ..console import Happening

__all__ = ["console"]


@click.command()
@url_argument
@client_options
@click.option(
    "--json", "as_lines", is_flag=True, help="Print each event as one line of JSON, for tools."
)
@click.option(
    "--timeout",
    default=10.0,
    show_default=True,
    type=Seconds(min=0, min_open=True),
    help="The most seconds for the answer to a connect, a join or a push.",
)
@env_file_option
def console(
    url: str,
    params: dict[str, str],
    token: str | None,
    vsn: Vsn,
    transport: str,
    timeout: float,
    *,
    as_lines: bool,
) -> None:
    """Connect to a socket, join topics, push events, and watch what comes.

    URL is that of the socket: ws://localhost:4000/socket. Commands come from the terminal or from the standard input.

    \b
    bennu console ws://localhost:4000/socket --param name=ann
    printf 'join room:1\\npush room:1 new_msg {"body":"Hi"}\\n' |
        bennu console ws://localhost:4000/socket

    The command `help` lists all commands.

    From the standard input the exit code is 0 if each command has succeeded, 1 if one failed or there was no connection, and
    2 if an option is wrong. In a terminal it is 0.
    """
    # A server does not need the client.
    from ..console import (  # noqa: PLC0415
        ConsoleSession,
        as_json,
        as_text,
        lines_of_stdin,
        run_prompt,
        run_script,
    )
    from ..console.commands import Command  # noqa: PLC0415
    from ..console.happenings import CommandFailed  # noqa: PLC0415
    from ..console.session import OPENERS  # noqa: PLC0415

    is_interactive = sys.stdin.isatty() and sys.stdout.isatty() and not as_lines
    colours = is_interactive and "NO_COLOR" not in os.environ

    def tell(happening: Happening) -> None:
        if as_lines:
            click.echo(as_json(happening))
        else:
            is_error = isinstance(happening, CommandFailed) and not is_interactive
            click.echo(as_text(happening, colours=colours), err=is_error, color=colours)

    async def run() -> int:
        options: ClientKeywords = {
            "params": params,
            "auth_token": token,
            "vsn": vsn,
            "timeout": timeout,
        }
        session = ConsoleSession(url, tell, transport=OPENERS[transport], options=options)
        try:
            is_connected = await session.execute(Command("connect"), f"connect {url}")
            if is_interactive:
                await run_prompt(session)
                return 0
            if not is_connected:
                return 1
            return min(await run_script(session, lines_of_stdin()), 1)
        finally:
            await session.close()

    sys.exit(asyncio.run(run()))
