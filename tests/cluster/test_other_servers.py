"""Workers of other servers, and a plain process, are nodes of one ``ipc://`` directory."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from ..support.brokers.processes import free_ports
from ..support.servers import HOST, Server
from ..support.wire import connect
from .members import Member
from .nodes import PATIENCE, ROOT

APP: Final = "tests.cluster.app:endpoint"

COMMANDS: Final = {
    "bennu": ("bennu", "run", APP, "--workers", "2", "--host", HOST, "--port"),
    "uvicorn": ("uvicorn", APP, "--workers", "2", "--host", HOST, "--port"),
    "gunicorn": ("gunicorn", APP, "-w", "2", "-k", "uvicorn_worker.UvicornWorker", "-b"),
    "hypercorn": ("hypercorn", APP, "-w", "2", "-b"),
    "granian": ("granian", APP, "--interface", "asgi", "--workers", "2", "--host", HOST, "--port"),
}
"""The command of each server, without the port (``-b``: with the host before it)."""


@asynccontextmanager
async def workers(
    server: str, directory: str, port: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run two workers, and end them."""
    *command, option = COMMANDS[server]
    where = f"{HOST}:{port}" if option == "-b" else str(port)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *command, option, where),
        cwd=ROOT,
        env={
            **os.environ,
            "BENNU_PUBSUB": f"ipc://{directory}",
            "BENNU_SECRET_KEY": "the secret of all workers",
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE):
            await process.wait()


async def member_of(port: int, topic: str, stack: AsyncExitStack) -> Member | None:
    """Return a new client in a topic, on any worker; None if no worker listens yet."""
    try:
        client = await stack.enter_async_context(
            connect(Server("asgi", port), params={"name": "ann"})
        )
    except OSError:
        return None
    member = Member(client, topic)
    await member.join()
    return member


@pytest.mark.parametrize(
    "server",
    [
        *("bennu", "uvicorn"),
        *(pytest.param(name, marks=pytest.mark.long) for name in [*COMMANDS][2:]),
    ],
)
async def test_workers_of_any_server_reach_each_other(server: str) -> None:
    """Clients of both workers hear what a client of one of them says."""
    [port] = free_ports(1)
    with TemporaryDirectory(prefix="ipc-") as directory:
        async with workers(server, directory, port) as process, AsyncExitStack() as stack:
            members: dict[str, Member] = {}
            async with asyncio.timeout(PATIENCE):
                while len(members) < 2:
                    assert process.returncode is None, f"{server} has ended: is it installed?"
                    member = await member_of(port, "room:1", stack)
                    if member is not None:
                        members.setdefault(member.node, member)
                one, two = members.values()
                while {one.node, two.node} - set(await one.call("nodes")):
                    pass
            await one.cast("say", {"text": "hello"})
            for hearing in (one, two):
                while (frame := await hearing.next()).event != "said":
                    pass
                assert frame.payload["text"] == "hello"
