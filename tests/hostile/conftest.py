"""`bennu run` with small limits, and the memory of its process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from websockets.exceptions import InvalidStatus

from tests.cli.command import Command, bennu
from tests.support.frames import ok
from tests.support.servers import Server
from tests.support.wire import connect

APP = """
from bennu import Channel, Endpoint, Ok, Socket, on

class Room(Channel):
    @on("count")
    async def count(self) -> Ok:
        return Ok(self.endpoint.connections)

socket = Socket(connect=lambda: None, channels={"room:*": Room}, log=False)
endpoint = Endpoint(sockets={"/socket": socket})
"""


class Target:
    """A server that is attacked.

    Attributes:
        command: The process of the server.
        server: The address of the server.
    """

    def __init__(self, command: Command, server: Server) -> None:
        self.command = command
        self.server = server

    def memory(self) -> int:
        """Return the bytes of memory of the process."""
        status = Path(f"/proc/{self.command.process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024

    async def connections(self) -> int:
        """Return the number of open connections, without the honest client that asks."""
        async with connect(self.server) as client:
            assert await client.join("room:honest") == ok()
            await client.push("room:honest", "count")
            answer = await client.receive()
        count: int = answer.payload["response"]
        return count - 1

    async def is_left_alone(self) -> None:
        """Wait until only an honest client's connection is open.

        A server with a short limit of handshakes answers that client 408 if the machine is busy; the client tries again.
        """
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    if not await self.connections():
                        return
                except InvalidStatus as error:
                    if error.response.status_code != 408:
                        raise


PATIENCE: Final = 30.0

Attack = Callable[..., AbstractAsyncContextManager[Target]]


@pytest.fixture
def attack(tmp_path: Path) -> Attack:
    """Return a function that starts a server, and check at its end that the server has logged no error."""
    (tmp_path / "app.py").write_text(APP)

    @asynccontextmanager
    async def attack(*options: str) -> AsyncIterator[Target]:
        arguments = ("app:endpoint", "--port", "0", "--no-access-log", *options)
        async with bennu(tmp_path, *arguments) as command:
            target = Target(command, await command.listening())
            yield target
            await target.is_left_alone()
            assert await command.stop() == 0
        assert "Traceback" not in command.output

    return attack
