"""The child process of ``bennu run --reload``, which imports the application and serves it.

The watching process starts a new child after each change of a file. If the application has a mistake, the child prints
the same text as without ``--reload``, and ends. The watching process then waits for the next change.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import click

from .server import UvicornServer

__all__ = ["Reloaded"]


@dataclass(frozen=True)
class Reloaded:
    """The function that the child process runs. It is pickled.

    Attributes:
        make: Imports the application and makes a server for it.
    """

    make: Any

    def __call__(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve the application, or print its mistake.

        Args:
            sockets: The listening sockets of the watching process.
        """
        try:
            server: UvicornServer = self.make()
        except click.ClickException as error:
            error.show()
        else:
            with suppress(SystemExit):  # uvicorn raises it if the start failed
                server.run(sockets)
            if server.started:
                return
        click.echo("Waiting for a file to change, to start again (Press CTRL+C to quit)", err=True)
        sys.exit(3)
