"""Nodes that are processes."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ...support.until import pause

__all__ = ["Process", "process"]

ROOT: Final = Path(__file__).parents[3]


class Process:
    """A node in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def __call__(self, command: str, *arguments: Any) -> Any:
        """Give a command, and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([command, *arguments]).encode() + b"\n")
        line = await self._process.stdout.readline()
        assert line, "the process has ended"
        return json.loads(line)

    async def until(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait until the state of the node is as it should be, and return it."""
        async with asyncio.timeout(30):
            while not condition(state := await self("state")):
                await pause()
        return dict(state)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def process(
    directory: Path, name: str, *, max_queue: int = 1 << 20, patience: float = 30.0
) -> AsyncIterator[Process]:
    """Run a node that has started. At the end it is killed, if it lives."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bus.ipc.node",
        str(directory),
        name,
        str(max_queue),
        str(patience),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
        cwd=ROOT,
    )
    node = Process(running)
    try:
        await node("start")
        yield node
    finally:
        with suppress(ProcessLookupError):
            running.kill()
        await running.wait()
