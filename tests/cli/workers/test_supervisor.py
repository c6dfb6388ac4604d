"""``bennu run --workers``: start, crash, end."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command, bennu, is_alive
from tests.support.frames import ok
from tests.support.servers import Server
from tests.support.until import until, until_true
from tests.support.wire import connect

from .service import (
    APP,
    Load,
    ask_json,
    bus_directory,
    dial,
    serving_pid,
    workers_ready,
)

pytestmark = pytest.mark.clock("real")


def listeners_among(files: list[str], port: int) -> set[str]:
    """Return those of a process's open files that listen on a port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {row[9] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
    return {file for file in files if file.removeprefix("socket:[").rstrip("]") in inodes}


RUN = ("app:app", "--port", "0", "--workers", "2")


async def test_each_worker_serves_and_all_end_together(folder: Path) -> None:
    """There is one banner. Lines say which worker wrote them. Clients of both workers drain at SIGTERM.

    The workers have a bus and a secret in common, and no file of the supervisor besides their listeners and the link.
    """
    async with bennu(folder, *RUN) as command:
        server = await workers_ready(command, 2)
        pids = set(command.workers.values())
        answers: dict[int, Any] = {}
        while answers.keys() != pids:
            answer = await ask_json(server)
            answers[answer["pid"]] = answer
        one, two = answers.values()
        for name in ("BENNU_PUBSUB", "BENNU_SECRET_KEY"):
            assert one["env"][name] == two["env"][name]
        directory = await bus_directory(server)
        assert os.stat(directory).st_mode & 0o777 == 0o700
        own = [listeners_among(answer["files"], server.port) for answer in (one, two)]
        assert [len(found) for found in own] == [1, 1]
        assert own[0] != own[1]
        async with connect(server) as first, connect(server) as second:
            assert await first.join("room:1") == ok()
            assert await second.join("room:2") == ok()
            command.process.send_signal(signal.SIGTERM)
            assert await first.closed() == await second.closed() == (1012, "draining")
        assert await command.end() == 0
    assert command.output.count("running on") == 1
    assert "with 2 workers" in command.output
    assert re.search(r"INFO: +worker 2: Started server process", command.output)
    assert re.search(r'INFO: +worker \d: 127.0.0.1:\d+ - "GET /pid HTTP/1.1" 200', command.output)
    assert command.output.count("terminate draining") == 2
    assert command.output.count("ends\n") == 2
    assert "Traceback" not in command.output
    assert directory.name not in os.listdir(directory.parent)


async def test_a_worker_that_crashes_is_replaced(folder: Path) -> None:
    """The other goes on, and takes the clients of its slot meanwhile. The delay of the second restart is longer."""
    async with bennu(folder, *RUN, "--no-access-log") as command:
        server = await workers_ready(command, 2)
        one, two = command.workers[1], command.workers[2]
        async with Load(dial(server)) as load:
            os.kill(one, signal.SIGKILL)
            line = await command.read_until("was killed by SIGKILL")
            assert f"Worker 1 (process {one})" in line
            assert "starts in 0.1s" in line
            before = load.outcomes["HTTP/1.1 200 OK"]
            await until(lambda: load.outcomes["HTTP/1.1 200 OK"] > before + 200)
            await command.read_until("worker 1: Application startup complete")
        assert command.workers[2] == two
        again = command.workers[1]
        assert again != one
        os.kill(again, signal.SIGKILL)
        assert "starts in 0.2s" in await command.read_until("was killed by SIGKILL")
        assert await command.stop() == 0
    refused = load.outcomes["ConnectionRefusedError"]
    assert refused == 0, load.outcomes


async def test_workers_outlive_no_supervisor(folder: Path) -> None:
    """They drain and end, and remove the directory of the bus."""
    async with bennu(folder, *RUN) as command:
        server = await workers_ready(command, 2)
        pids = command.workers.values()
        directory = await bus_directory(server)
        async with connect(server) as client:
            assert await client.join("room:1") == ok()
            command.process.kill()
            assert await client.closed() == (1012, "draining")
        await until(lambda: not any(map(is_alive, pids)))
        await command.end()
    assert "The supervisor has ended" in command.output
    assert command.output.count("ends\n") == 2
    assert directory.name not in os.listdir(directory.parent)


MISTAKES = {
    "an import": (APP + "\nimport nothing_here\n", "No module named 'nothing_here'"),
    "a lifespan": (
        APP.replace("    yield\n", "    raise OSError('no database')\n    yield\n"),
        "no database",
    ),
    "an end": (APP + "\nimport os, signal\nos.kill(os.getpid(), 9)\n", "killed by SIGKILL before"),
}


@pytest.mark.parametrize(
    "name",
    [
        "an import",
        *(pytest.param(one, marks=pytest.mark.long) for one in MISTAKES if one != "an import"),
    ],
)
async def test_a_mistake_is_printed_once(folder: Path, name: str) -> None:
    source, message = MISTAKES[name]
    (folder / "app.py").write_text(source)
    async with bennu(folder, *RUN) as command:
        assert await command.end() == 3
    assert message in command.output
    assert command.output.count("raised at") <= 1
    assert command.output.count("begins") <= 1
    assert "worker 2" not in command.output
    assert "multiprocessing" not in command.output


@pytest.mark.long
async def test_a_worker_that_fails_later_does_not_end_the_others(folder: Path) -> None:
    """Only one process can have the lock: the second worker starts again and again, ever later."""
    lock = "\nimport os\nos.close(os.open('lock', os.O_CREAT | os.O_EXCL))\n"
    (folder / "app.py").write_text(APP + lock)
    async with bennu(folder, *RUN) as command:
        await command.read_until("ended with code 1 before it served: a new worker starts in 0.1s")
        server = await command.listening()
        assert await serving_pid(server) == command.workers[1]
        await command.read_until("a new worker starts in 0.2s")
        await command.read_until("a new worker starts in 0.4s")
        (folder / "lock").unlink()
        await command.read_until("worker 2: Application startup complete")
        assert await command.stop() == 0


@pytest.mark.long
async def test_a_worker_that_never_starts_ends_at_the_signal(folder: Path) -> None:
    slow = APP.replace("    yield\n", "    await asyncio.sleep(1000)\n    yield\n")
    (folder / "app.py").write_text(slow)
    async with bennu(folder, *RUN, "--grace", "1") as command:
        await command.read_until("begins")
        (pid,) = command.workers.values()
        command.process.send_signal(signal.SIGHUP)
        await command.read_until("No reload")
        assert await command.stop() == 1
        assert not is_alive(pid)


@pytest.mark.long
async def test_an_import_that_hangs_ends_at_the_signal(folder: Path) -> None:
    (folder / "app.py").write_text("print('hangs', flush=True)\nimport time\ntime.sleep(1000)\n")
    async with bennu(folder, *RUN) as command:
        await command.read_until("hangs")
        assert await command.interrupt() != 3
    assert "Traceback" not in command.output


@pytest.mark.long
async def test_a_second_signal_ends_at_once(folder: Path) -> None:
    """The first signal waits for a handler."""
    async with bennu(folder, *RUN) as command:
        server = await workers_ready(command, 2)
        pids = command.workers.values()
        async with connect(server) as client:
            await client.join("room:1")
            await client.push("room:1", "sleep")
            await command.read_until("sleeps")
            command.process.send_signal(signal.SIGTERM)
            await command.read_until("Finished server process")  # the other worker
            assert await command.stop() == 128 + signal.SIGTERM
        assert "all processes end at once" in command.output
        await until(lambda: not any(map(is_alive, pids)))


async def test_ctrl_c_reaches_all_processes_and_counts_once(folder: Path) -> None:
    async with bennu(folder, *RUN) as command:
        server = await workers_ready(command, 2)
        async with connect(server) as client:
            await client.join("room:1")
            os.killpg(command.process.pid, signal.SIGINT)
            assert await client.closed() == (1012, "draining")
        assert await command.end() == 0
    assert "second signal" not in command.output
    assert "Traceback" not in command.output
    assert "KeyboardInterrupt" not in command.output


@pytest.mark.long
async def test_a_signal_to_all_processes_is_a_stop(folder: Path) -> None:
    """A service manager can send SIGTERM to each process. No worker is replaced."""
    async with bennu(folder, *RUN) as command:
        await workers_ready(command, 2)
        for pid in (*command.workers.values(), command.process.pid):
            os.kill(pid, signal.SIGTERM)
        assert await command.end() == 0
    assert "a new worker starts" not in command.output
    assert command.output.count("Started server process") == 2


async def test_workers_are_added_and_removed(folder: Path) -> None:
    """SIGTTIN adds one, SIGTTOU removes one. The clients of a removed worker's slot reach the others."""
    async with bennu(folder, *RUN, "--no-access-log") as command:
        server = await workers_ready(command, 2)
        command.process.send_signal(signal.SIGTTIN)
        await command.read_until("3 worker(s) from now on")
        await command.read_until("worker 3: Application startup complete")
        third = command.workers[3]
        await until_true(lambda: _serves(server, third))
        async with Load(dial(server)) as load:
            command.process.send_signal(signal.SIGTTOU)
            await command.read_until("2 worker(s) from now on")
            await until(lambda: not is_alive(third))
            await load.more(100)
            command.process.send_signal(signal.SIGTTOU)
            await command.read_until("1 worker(s) from now on")
            await until(lambda: command.workers.keys() == {1})
            await load.more(100)
            command.process.send_signal(signal.SIGTTOU)
            await command.read_until("One worker stays")
            for ignored in (signal.SIGUSR1, signal.SIGUSR2):
                command.process.send_signal(ignored)
            command.process.send_signal(signal.SIGTTIN)
            await command.read_until("2 worker(s) from now on")
            await command.read_until("worker 2: Application startup complete")
        assert load.outcomes.keys() == {"HTTP/1.1 200 OK"}
        assert await command.stop() == 0


async def _serves(server: Server, pid: int) -> bool:
    return await serving_pid(server) == pid


@pytest.mark.parametrize(
    "ignored",
    [pytest.param(False, id="a shell"), pytest.param(True, id="nohup", marks=pytest.mark.long)],
)
async def test_a_terminal_that_is_closed(folder: Path, *, ignored: bool) -> None:
    """Its hangup ends the command in peace, also if it comes twice; under nohup the command goes on."""
    ours, theirs = pty.openpty()

    def begin() -> None:
        # The tests can run under nohup themselves.
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bennu", "run", *RUN),
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=theirs,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=begin,
    )
    os.close(theirs)
    command = Command(process)
    try:
        server = await workers_ready(command, 2)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        if ignored:
            assert await serving_pid(server) in command.workers.values()
            assert await command.stop() == 0
        else:
            assert await command.end() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "second signal" not in command.output
    assert "Reloading" not in command.output
