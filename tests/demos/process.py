"""A demo as its users run it: ``bennu run``, in its own process."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

__all__ = ["DemoProcess", "run_demo"]

RUNNING: Final = re.compile(r"running on http://127\.0\.0\.1:(\d+)")


class DemoProcess:
    """A server that can be killed and started again, on the same port and with the same data.

    Args:
        app: The application: ``bennu_demos.board.app:app``.
        data: The folder for the data of demos.
        environment: More variables of its environment.
        options: Options of ``bennu run``.

    Attributes:
        port: The port of the server; 0 before the first start.
        lines: The lines of its log.
    """

    def __init__(
        self, app: str, data: Path, environment: Mapping[str, str], options: tuple[str, ...] = ()
    ) -> None:
        self.port = 0
        self.lines: list[str] = []
        self._app = app
        self._environment = {
            **os.environ,
            "BENNU_DEBUG": "1",
            "BENNU_DEMO_DATA": str(data),
            **environment,
        }
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The URL of the page."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start the server, and wait until it listens."""
        listens: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bennu", "run", self._app),
            *("--port", str(self.port), "--no-access-log", *self._options),
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
            if found and not listens.done():
                listens.set_result(int(found[1]))
        if not listens.done():
            listens.set_exception(RuntimeError("it did not start:\n" + "".join(self.lines)))

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
async def run_demo(
    app: str,
    data: Path,
    *,
    environment: Mapping[str, str] | None = None,
    options: tuple[str, ...] = (),
    expected: str | None = None,
) -> AsyncIterator[DemoProcess]:
    """Run a demo; check at the end that it has logged no errors, except those with the expected text."""
    server = DemoProcess(app, data, environment or {}, options)
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
