"""The process that ``bennu run --reload`` starts anew at each change: it imports the application, and serves.

A mistake in the application is told in the same words as without ``--reload``. Then the process ends, and the one
that watches the files waits for the next change.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import click

from .serving import UvicornServer

__all__ = ["Reloaded"]


@dataclass(frozen=True)
class Reloaded:
    """What the watching process has its child do; it is pickled on its way there.

    Attributes:
        make: Imports the application and makes a server for it.
    """

    make: Any

    def __call__(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, or say what is wrong."""
        try:
            server: UvicornServer = self.make()
        except click.ClickException as error:
            error.show()
        else:
            with suppress(SystemExit):  # uvicorn's word for a start that failed
                server.run(sockets)
            if server.started:
                return
        click.echo("Waiting for a file to change, to start again (Press CTRL+C to quit)", err=True)
        sys.exit(3)
