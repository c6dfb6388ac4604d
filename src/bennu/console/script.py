"""Commands from the standard input of a program: a pipe, a file, or a terminal whose output goes elsewhere."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from typing import Final

from .commands import WrongCommand, parse
from .session import ConsoleSession

__all__ = ["lines_of_stdin", "run_script"]

WAITING: Final = 100
"""Lines that are read ahead at most."""

PART: Final = 65_536
"""Bytes of one read."""


async def run_script(session: ConsoleSession, lines: AsyncIterator[str]) -> int:
    """Execute lines one after another, until ``quit`` or the end. A line that fails does not end the script.

    Returns:
        The number of lines that failed.
    """
    failures = 0
    async for line in lines:
        try:
            command = parse(line)
        except WrongCommand as error:
            session.fail(line.strip(), str(error))
            failures += 1
            continue
        if command is None:
            continue
        if command.name == "quit":
            break
        failures += not await session.execute(command, line.strip())
    return failures


async def lines_of_stdin(descriptor: int = 0) -> AsyncIterator[str]:
    """Yield the lines of the standard input.

    A thread reads. The event loop could only wait for pipes, and not for files. The thread does not keep the process from
    ending.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | None] = asyncio.Queue(WAITING)

    def put(line: str | None) -> None:
        asyncio.run_coroutine_threadsafe(queue.put(line), loop).result()

    def read() -> None:
        rest = b""
        try:
            while part := os.read(descriptor, PART):
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    put(line.decode(errors="replace"))
            if rest:
                put(rest.decode(errors="replace"))
            put(None)
        except (RuntimeError, asyncio.CancelledError):
            pass  # the loop has ended before the input

    threading.Thread(target=read, daemon=True, name="stdin").start()
    while (line := await queue.get()) is not None:
        yield line
