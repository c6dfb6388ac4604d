"""The commands of ``bennu``: each is imported when it is asked for, so that ``bennu run`` starts fast."""

from __future__ import annotations

from importlib import import_module
from typing import Final, cast

import click

__all__ = ["LazyGroup"]

COMMANDS: Final = {
    "accounts": "accounts:accounts",
    "asyncapi": "contracts:document",
    "bench": "bench:bench",
    "channels": "contracts:channels",
    "console": "console:console",
    "demo": "demo:demo",
    "disconnect": "publish:disconnect",
    "gen": "gen:gen",
    "new": "new:new",
    "publish": "publish:publish",
    "replay": "replay:replay",
    "top": "top:top",
    "types": "contracts:types",
}
"""The modules beside this one, and the names of the commands in them."""


class LazyGroup(click.Group):
    """A group of commands. ``bennu --help`` imports all of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; None if there is none with this name."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, name = COMMANDS[cmd_name].split(":")
        return cast(click.Command, getattr(import_module(f".{module}", __package__), name))
