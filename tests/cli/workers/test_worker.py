"""A worker: it hangs, is told to stop, and takes the clients of others."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.cli.command import bennu, is_alive
from tests.support.frames import ok
from tests.support.until import pause, until
from tests.support.wire import Phoenix, connect

from .service import Load, block, dial, serving_pid, workers_ready

pytestmark = pytest.mark.clock("real")

RUN = ("app:app", "--port", "0", "--workers", "2", "--no-access-log")


async def test_a_broadcast_reaches_the_clients_of_all_workers(folder: Path) -> None:
    async with bennu(folder, *RUN) as command, AsyncExitStack() as stack:
        server = await workers_ready(command, 2)
        clients: dict[int, Phoenix] = {}
        while len(clients) < 2:
            client = await stack.enter_async_context(connect(server))
            assert await client.join("room:1") == ok()
            await client.push("room:1", "pid")
            pid = (await client.receive()).payload["response"]["pid"]
            clients.setdefault(pid, client)
        for client in clients.values():
            await client.push("room:1", "say", {"text": "hello"}, ref=None)
            for hearer in clients.values():
                assert (await hearer.receive()).payload == {"text": "hello"}
        assert await command.stop() == 0
    assert "reaches only the clients of its own process" not in command.output


async def test_a_worker_that_gets_a_signal_drains_and_is_replaced(folder: Path) -> None:
    """No connection is refused meanwhile."""
    async with bennu(folder, *RUN) as command:
        server = await workers_ready(command, 2)
        one, two = command.workers[1], command.workers[2]
        async with Load(dial(server)) as load:
            os.kill(one, signal.SIGTERM)
            await command.read_until(f"Worker 1 (process {one}) got a SIGTERM")
            await command.read_until("worker 1: Application startup complete")
            await until(lambda: not is_alive(one))
            await load.more(50)
        assert load.outcomes.keys() == {"HTTP/1.1 200 OK"}
        assert command.workers[2] == two
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(two, ignored)
        assert await serving_pid(server) in command.workers.values()
        assert command.workers[2] == two
        assert await command.stop() == 0


@pytest.mark.long
async def test_a_worker_whose_event_loop_hangs_is_replaced(folder: Path) -> None:
    """The log has its stacks, and says why it ended."""
    async with bennu(folder, *RUN, "--worker-timeout", "1.5") as command:
        server = await workers_ready(command, 2)
        one = command.workers[1]
        await block(server, one, 1000)
        await command.read_until("in block")
        line = await command.read_until("did not run for 1.5s")
        assert f"Worker 1 (process {one})" in line
        await command.read_until("worker 1: Application startup complete")
        assert await command.stop() == 0


@pytest.mark.long
async def test_the_others_take_the_clients_of_a_worker_that_hangs(folder: Path) -> None:
    """When it goes on, it has its clients again."""
    async with bennu(folder, *RUN, "--worker-timeout", "0") as command:
        server = await workers_ready(command, 2)
        one, two = command.workers[1], command.workers[2]
        os.kill(one, signal.SIGSTOP)
        async with asyncio.timeout(20):
            asked = [asyncio.create_task(serving_pid(server)) for _ in range(20)]
            assert {await task for task in asked} == {two}
        os.kill(one, signal.SIGCONT)
        async with asyncio.timeout(20):
            while await serving_pid(server) != one:
                await pause()
        assert await command.stop() == 0


@pytest.mark.long
async def test_a_worker_that_is_stopped_for_too_long_is_killed(folder: Path) -> None:
    async with bennu(folder, *RUN, "--worker-timeout", "1") as command:
        await workers_ready(command, 2)
        one = command.workers[1]
        os.kill(one, signal.SIGSTOP)
        await command.read_until("did not run for 1s")
        assert not is_alive(one)
        assert await command.stop() == 0


@pytest.mark.long
async def test_a_worker_that_does_not_end_in_time(folder: Path) -> None:
    """Its watchdog ends it within the grace time, and the exit code says so."""
    async with bennu(folder, *RUN, "--grace", "1") as command:
        server = await workers_ready(command, 2)
        one = command.workers[1]
        await block(server, one, 1000)
        await command.read_until("blocks")
        assert await command.stop() == 1
        assert not is_alive(one)
    assert "in block" in command.output


@pytest.mark.long
async def test_a_second_signal_to_a_worker_ends_it_at_once(folder: Path) -> None:
    async with bennu(folder, *RUN) as command:
        server = await workers_ready(command, 2)
        async with connect(server) as client:
            assert await client.join("room:1") == ok()
            await client.push("room:1", "pid")
            one = (await client.receive()).payload["response"]["pid"]
            await client.push("room:1", "sleep")
            await command.read_until("sleeps")
            os.kill(one, signal.SIGTERM)
            await command.read_until("got a SIGTERM")
            os.kill(one, signal.SIGTERM)
            await command.read_until("the process ends at once")
            await until(lambda: not is_alive(one))
        await command.read_until("startup complete")  # of the new worker
        code = await command.stop()
        assert code == 0, command.output
