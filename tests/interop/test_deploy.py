"""A deploy with stock clients: one of two servers stops, and all of its clients move to the other server.

The clients stay on WebSockets, are closed no faster than the server's policy, and get no message twice.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import signal
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from tests.cli.command import bennu
from tests.interop.program import ROOT
from tests.support.balancer import balance
from tests.support.node import JS, js_modules, node_path
from tests.support.servers import Server

PATIENCE: Final = 240.0
DELAY: Final = 1.0

SIZES: Final = {
    "small": (60, 10, 1.0),
    "large": (1000, 100, 2.0),
}
"""The number of clients of both servers, and the drain policy."""


@pytest.fixture(autouse=True)
def _many_sockets() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class Deployed:
    """A server whose output is read, so that it never blocks.

    Attributes:
        server: The address of the server.
    """

    def __init__(self, process: asyncio.subprocess.Process, server: Server) -> None:
        assert process.stdout is not None
        self.server = server
        self._process = process
        self._log = asyncio.create_task(process.stdout.read())

    async def stop(self) -> int:
        """Stop the server as a deploy does; return the exit code."""
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            self.log = (await self._log).decode()
            return await self._process.wait()

    async def discard(self) -> None:
        """Release the process."""
        self._log.cancel()
        await asyncio.wait([self._log])


@asynccontextmanager
async def deployed(batch_size: int, batch_interval: float) -> AsyncIterator[Deployed]:
    """Run a server with this drain policy."""
    arguments = ("--port", "0", "--no-access-log", "--drain-delay", str(DELAY), "--grace", "120")
    env = {"BATCH_SIZE": str(batch_size), "BATCH_INTERVAL": str(batch_interval)}
    async with bennu(ROOT, "tests.interop.deploys:endpoint", *arguments, env=env) as command:
        running = Deployed(command.process, await command.listening())
        try:
            yield running
        finally:
            await running.discard()
            if command.process.returncode is None:
                command.process.kill()
                await command.process.wait()


class Browsers:
    """The clients, in one process of Node."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def report(self, step: str) -> Any:
        """Wait for a report; return it."""
        assert self._process.stdout is not None
        said = ""
        async with asyncio.timeout(PATIENCE):
            while line := (await self._process.stdout.readline()).decode():
                if line.startswith(f'{{"step":"{step}"'):
                    return json.loads(line)["value"]
                said += line
        raise AssertionError(f"the clients ended before they reported {step!r}:\n{said}")

    async def end(self) -> int:
        """Wait until the process has ended."""
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()


@asynccontextmanager
async def browsers(*arguments: str) -> AsyncIterator[Browsers]:
    """Run the clients."""
    js_modules()
    process = await asyncio.create_subprocess_exec(
        *map(str, (node_path(), JS / "deploy.mjs", *arguments)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=16 * 1024 * 1024,
    )
    try:
        yield Browsers(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def left_at(log: str) -> list[float]:
    """Return the times at which the server closed its clients, by its own clock."""
    return sorted(map(float, re.findall(r"^draining at ([\d.]+)$", log, re.MULTILINE)))


def most_within(times: list[float], seconds: float) -> int:
    """Return the largest number of these ordered times within this number of seconds."""
    return max(bisect_left(times, begin + seconds) - place for place, begin in enumerate(times))


@pytest.mark.interop
@pytest.mark.parametrize(
    "size",
    [
        pytest.param("small", marks=pytest.mark.timeout(300)),
        pytest.param("large", marks=[pytest.mark.long, pytest.mark.timeout(600)]),
    ],
)
async def test_clients_move_to_the_other_server(package: str, size: str) -> None:
    """All clients move once, on a WebSocket. No client gets a number twice or out of order."""
    many, batch_size, batch_interval = SIZES[size]
    async with (
        deployed(batch_size, batch_interval) as leaving,
        deployed(batch_size, batch_interval) as staying,
        balance([leaving.server, staying.server], "/health/ready") as balancer,
        browsers(
            *(f"ws://127.0.0.1:{balancer.port}", package),
            *(leaving.server.url(""), staying.server.url(""), str(many)),
        ) as clients,
    ):
        await clients.report("joined")
        before = len(balancer.accepted)
        moving = len(balancer.of(leaving.server))
        assert moving == before - moving == many // 2

        begin = asyncio.get_running_loop().time() + DELAY
        assert await leaving.stop() == 0
        moved = await clients.report("moved")
        assert await clients.end() == 0

    came_back = balancer.accepted[before:]
    assert [one.server for one in came_back] == [staying.server] * moving
    # A busy machine makes every step later, and never earlier. So the load balancer sees no client before
    # its planned time, and the server itself is never faster than two batches in an interval.
    slot = batch_interval / batch_size
    ahead = max(begin + place * slot - one.time for place, one in enumerate(came_back)) / slot
    assert ahead <= 1.0, f"somebody is back {ahead:.1f} slots before the plan lets it go"
    left = left_at(leaving.log)
    assert len(left) == moving
    assert most_within(left, batch_interval) / batch_size <= 2.0

    seen = moved["clients"]
    assert {client["transport"] for client in seen} == {"websocket"}
    assert sorted(client["closes"] for client in seen) == [[]] * (many - moving) + [[1012]] * moving
    assert all(client["opens"] == 1 + len(client["closes"]) for client in seen)
    assert not [client for client in seen if client["repeated"]]
    assert {client["last"] for client in seen} == {moved["published"]}
    assert "Traceback" not in leaving.log
