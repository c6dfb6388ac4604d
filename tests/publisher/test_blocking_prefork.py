"""Forked workers of a task queue publish to the clients of two servers."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from ..bus.ipc.paths import short_directory
from ..cluster.members import enter
from ..cluster.nodes import Node

pytestmark = pytest.mark.clock("real")

TASKS = 30


async def test_each_task_reaches_the_clients_of_both_servers() -> None:
    """Each of some thirty tasks arrives once at each client; workers have connections of their own."""
    with short_directory() as directory:
        address = f"ipc://{directory}/bus"
        one, two = Node(address), Node(address)
        try:
            await asyncio.gather(one.start(), two.start())
            async with (
                enter(one, "room:tasks", "ann") as ann,
                enter(two, "room:tasks", "bob") as bob,
            ):
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "tests.publisher.prefork", address, str(TASKS)),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    cwd=Path(__file__).parents[2],
                )
                output, errors = await process.communicate()
                assert (process.returncode, output, errors) == (0, b"[2]\n", b"")
                for client in (ann, bob):
                    heard = [(await client.next()).payload for _ in range(TASKS + 1)]
                    assert sorted(one["task"] for one in heard) == [*range(TASKS + 1)]
                    assert len({one["pid"] for one in heard}) > 3
                    await client.hears_nothing()
            assert [one.complaints, two.complaints] == [[], []]
        finally:
            await asyncio.gather(one.kill(), two.kill())
