"""Pages with a stock phoenix.js and the page's helper, all in one process of Node."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from .record import Record, Seen

__all__ = ["Talkers"]

ROOT: Final = Path(__file__).parents[2]
SCRIPT: Final = ROOT / "tests/interop/js/talkers.mjs"
HELPER: Final = ROOT / "src/bennu/transports/scripts/bennu.mjs"


class Talkers:
    """The pages.

    Args:
        package: The npm package: ``phoenix``, ``phoenix-1.7``.
        pages: The name and the topics of each page.
        last: What the last message of a topic begins with.
    """

    def __init__(self, package: str, pages: Sequence[tuple[str, Sequence[str]]], last: str) -> None:
        self._package = package
        self._pages = pages
        self._last = last
        self._records = {
            (name, topic): Record(name, topic) for name, topics in pages for topic in topics
        }
        self._joined: set[tuple[str, str]] = set()
        self._at_end: set[tuple[str, str]] = set()
        self._done: dict[str, Callable[[bool], object]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def records(self) -> list[Record]:
        """What the pages have seen."""
        return list(self._records.values())

    @property
    def is_joined(self) -> bool:
        """Whether all pages have joined all their topics."""
        return len(self._joined) == len(self._records)

    @property
    def is_at_end(self) -> bool:
        """Whether all pages have taken the last message of each topic."""
        return self.is_joined and len(self._at_end) == len(self._records)

    async def start(self, url: str) -> None:
        """Start the process."""
        self._process = await asyncio.create_subprocess_exec(
            *("node", SCRIPT, url, self._package, HELPER, json.dumps(self._pages)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**20,
        )
        self._reading = asyncio.create_task(self._read())

    async def stop(self) -> None:
        """End the process."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def say(
        self, name: str, topic: str, event: str, message: str, done: Callable[[bool], object]
    ) -> None:
        """Let a page push a message. ``done`` is called when the node has confirmed it."""
        assert self._process is not None, "the pages are not started"
        assert self._process.stdin is not None, "the process has a standard input"
        self._done[message] = done
        line = {"name": name, "topic": topic, "event": event, "message": message}
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        await self._process.stdin.drain()

    async def _read(self) -> None:
        assert self._process is not None, "the pages are not started"
        assert self._process.stdout is not None, "the process has a standard output"
        async for line in self._process.stdout:
            said = json.loads(line)
            if said["what"] == "confirmed":
                self._done.pop(said["message"], print)(True)
            else:
                self._take((said["name"], said["topic"]), said)

    def _take(self, place: tuple[str, str], said: dict[str, Any]) -> None:
        record = self._records[place]
        match said["what"]:
            case "seen":
                record.take(Seen(said["epoch"], said["offset"], said["message"]))
                if said["message"].startswith(self._last):
                    self._at_end.add(place)
            case "joined":
                self._joined.add(place)
                if said["recovered"]:
                    record.recovered += 1
                else:
                    record.missed[said["reason"]] += 1
                    record.begin(said["epoch"], said["offset"])
            case "left":
                self._joined.discard(place)
