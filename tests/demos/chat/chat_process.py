"""The chat demo as its users run it: ``bennu run``, in its own process."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

__all__ = ["ChatProcess", "run_chat"]

ROOT: Final = Path(__file__).parents[3]
JOINED: Final = re.compile(r"worker (\d+): JOINED (\S+)")
RUNNING: Final = re.compile(r"running on http://127\.0\.0\.1:(\d+)")


class ChatProcess:
    """A server that can be killed and started again, on the same port and with the same database.

    Args:
        database: The path of the database, or its URL.
        grace: Seconds until a person whose connection is lost counts as gone.
        pubsub: The address of the bus; None for a process alone.
        workers: The number of workers.
        kept: The number of messages that the history of a room keeps; None for the default.

    Attributes:
        port: The port of the server; 0 before the first start.
        lines: The lines of its log.
    """

    def __init__(
        self,
        database: Path | str,
        grace: float,
        pubsub: str | None = None,
        workers: int = 1,
        kept: int | None = None,
    ) -> None:
        self.port = 0
        self.lines: list[str] = []
        self._environment = {
            **os.environ,
            "BENNU_DEBUG": "1",
            "CHAT_DATABASE": str(database),
            "CHAT_GRACE": str(grace),
            **({} if pubsub is None else {"BENNU_PUBSUB": pubsub}),
            **({} if kept is None else {"CHAT_HISTORY": str(kept)}),
        }
        self._options = ("--workers", str(workers)) if workers > 1 else ()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The URL of the page."""
        return f"http://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        """Start the server, and wait until it listens."""
        listens: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bennu", "run", "bennu_demos.chat.app:app"),
            *("--port", str(self.port), "--no-access-log", *self._options),
            cwd=ROOT,
            env=self._environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read(listens))
        self.port = await listens

    async def _read(self, listens: asyncio.Future[int]) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.lines.append(line.decode())
            found = RUNNING.search(self.lines[-1])
            if found:
                listens.set_result(int(found[1]))
        if not listens.done():
            listens.set_exception(RuntimeError("it did not start:\n" + "".join(self.lines)))

    def workers_of(self, topic: str) -> set[str]:
        """Return the workers at which clients have joined a topic."""
        found = (JOINED.search(line) for line in self.lines)
        return {joined[1] for joined in found if joined is not None and joined[2] == topic}

    def kill_worker(self) -> None:
        """Kill one of the workers, which are the children of the process."""
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)

    async def kill(self) -> None:
        """Kill the server, as a crash or the system would."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        await self._ended()

    async def stop(self) -> None:
        """Stop the server as Ctrl-C does."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
        await self._ended()

    async def _ended(self) -> None:
        if self._process is not None and self._reading is not None:
            await self._reading
            await self._process.wait()


@asynccontextmanager
async def run_chat(
    database: Path | str,
    *,
    grace: float = 0.5,
    pubsub: str | None = None,
    workers: int = 1,
    kept: int | None = None,
    expected: str | None = None,
) -> AsyncIterator[ChatProcess]:
    """Run the chat; check at the end that it has logged no errors, except those with the expected text."""
    server = ChatProcess(database, grace, pubsub, workers, kept)
    try:
        await server.start()
        yield server
        await server.stop()
    finally:
        await server.kill()
    complaints = [
        line
        for line in server.lines
        if ("ERROR" in line or "Traceback" in line) and (expected is None or expected not in line)
    ]
    assert not complaints, "".join(server.lines)
