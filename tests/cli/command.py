"""``bennu run`` in a separate process."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.support.servers import Server

__all__ = ["Command", "bennu", "children", "is_alive", "worker_number"]

PATIENCE: Final = 30.0

_ADDRESS = re.compile(r"https?://\[?(.+?)\]?:(\d+)")


class Command:
    """A running command.

    Attributes:
        process: It.
        output: All that it has written so far, of both streams.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output = ""

    async def read_until(self, text: str) -> str:
        """Wait until the output has a text that it did not have before; return the line it is in.

        Raises:
            AssertionError: The command has ended without it.
        """
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while True:
                line = (await self.process.stdout.readline()).decode()
                self.output += line
                if text in line:
                    return line
                assert line, f"{text!r} never came:\n{self.output}"

    async def listening(self) -> Server:
        """Wait until the command listens; return its address."""
        found = _ADDRESS.search(await self.read_until("running on"))
        assert found is not None, self.output
        return Server("native", int(found[2]), found[1])

    async def reloads(self, path: Path, source: str) -> None:
        """Change a file, and wait until that is noticed.

        uvicorn looks for changes since its last look, and forgets that look when it starts anew: a
        change that comes in between is none. So it is made again, until it is one.
        """
        reading = asyncio.ensure_future(self.read_until("Reloading"))
        while not reading.done():
            path.write_text(source)  # noqa: ASYNC240 - some lines
            await asyncio.wait([reading], timeout=5)
        await reading

    async def end(self) -> int:
        """Wait until the command has ended; return its exit code.

        Raises:
            AssertionError: It goes on.
        """
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                while line := (await self.process.stdout.readline()).decode():
                    self.output += line
                return await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"the command does not end:\n{self.output}") from None

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and wait for the end."""
        self.process.send_signal(number)
        return await self.end()

    async def interrupt(self) -> int:
        """Do what Ctrl-C does in a terminal: all processes of the command get the signal."""
        os.killpg(self.process.pid, signal.SIGINT)
        return await self.end()

    @property
    def workers(self) -> dict[int, int]:
        """The process id of each worker by its number; those that drain are not told from those that serve."""
        found: dict[int, int] = {}
        for pid in children(self.process.pid):
            if (number := worker_number(pid)) is not None:
                found[number] = pid
        return found


def children(pid: int) -> list[int]:
    """Return the process ids of the children of a process."""
    try:
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    except OSError:
        return []


def worker_number(pid: int) -> int | None:
    """Return the number of a worker; None if the process is no worker, or has ended."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return None
    return int(words[-2].removeprefix("worker ")) if "bennu.cli.workers.boot" in words else None


def is_alive(pid: int) -> bool:
    """Return whether a process runs: it exists, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@asynccontextmanager
async def bennu(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> AsyncIterator[Command]:
    """Run ``bennu run`` in a folder; it is ended at the end, if it still runs.

    Args:
        folder: Where.
        arguments: Of the command.
        env: Added to the environment.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bennu", "run", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        process_group=0,
    )
    command = Command(process)
    try:
        yield command
    finally:
        if process.returncode is None:
            await command.stop()
