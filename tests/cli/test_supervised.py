"""``bennu run --workers``: its options, and where it listens."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bennu.cli import main, supervised
from tests.support.until import until

from .command import Command, bennu, children, is_alive
from .workers.service import APP, ask_json, serving_pid

pytestmark = pytest.mark.clock("real")


async def test_web_concurrency_is_the_default(folder: Path) -> None:
    async with bennu(folder, "app:app", "--port", "0", env={"WEB_CONCURRENCY": "2"}) as command:
        server = await command.listening()
        assert command.workers.keys() == {1, 2}
        assert await serving_pid(server) in command.workers.values()
        assert await command.stop() == 0


async def test_one_worker_is_the_command_itself(folder: Path) -> None:
    options = ("app:app", "--port", "0", "--workers", "1")
    async with bennu(folder, *options, env={"WEB_CONCURRENCY": "2"}) as command:
        server = await command.listening()
        assert await serving_pid(server) == command.process.pid
        assert await command.stop() == 0
    assert "worker" not in command.output


@pytest.mark.long
async def test_reload_with_one_process(folder: Path) -> None:
    """``--reload`` wins over the variable."""
    options = ("app:app", "--port", "0", "--reload")
    async with bennu(folder, *options, env={"WEB_CONCURRENCY": "2"}) as command:
        await command.read_until("WEB_CONCURRENCY=2 has no effect")
        await command.read_until("Application startup complete")
        assert not command.workers
        assert await command.stop() == 0


USAGE = {
    "reload": (["--workers", "2", "--reload"], {}, "--reload and --workers 2 exclude each other"),
    "none": (["--workers", "0"], {}, "Invalid value for '--workers'"),
    "no number": ([], {"WEB_CONCURRENCY": "auto"}, "'auto' is not a valid integer"),
    "no timeout": (["--worker-timeout", "nan"], {}, "Invalid value for '--worker-timeout'"),
    "no name": (["--fd", "web"], {}, "systemd has given no socket at all"),
}


@pytest.mark.parametrize(("options", "env", "message"), USAGE.values(), ids=USAGE)
def test_options_that_exclude_each_other(
    options: list[str], env: dict[str, str], message: str
) -> None:
    result = CliRunner(env=env).invoke(main, ["run", *options])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def serve(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", list(sys.path))
    return CliRunner().invoke(main, ["run", "--workers", "2", "--port", "0"])


def test_windows_has_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert "--workers needs Linux or macOS" in serve(monkeypatch).output


def test_where_there_is_no_place_for_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError("no space")

    monkeypatch.setattr(supervised, "make_directory", refuse)
    result = serve(monkeypatch)
    assert result.exit_code == 1
    assert "set TMPDIR to a short path" in result.output


# systemd.


ACTIVATED = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
for place, fd in enumerate(map(int, sys.argv[1].split(","))):
    os.dup2(fd, 3 + place)
os.execv(sys.executable, [sys.executable, "-m", "bennu", "run", *sys.argv[2:]])
"""


async def activated(
    folder: Path, listeners: list[socket.socket], *options: str, **env: str
) -> Command:
    """Start the command as systemd does: with open sockets, from the number 3 on."""
    high = [os.dup2(one.fileno(), 100 + place) for place, one in enumerate(listeners)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ACTIVATED, ",".join(map(str, high)), *options),
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "LISTEN_FDS": str(len(high)), **env},
        pass_fds=high,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        process_group=0,
    )
    for fd in high:
        os.close(fd)
    return Command(process)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_service_with_an_open_socket(folder: Path, tmp_path: Path, workers: str) -> None:
    """systemd opens the socket, waits for READY, and is told of the end. The banner has the true address."""
    notices = tmp_path / "n"
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
        socket.create_server(("127.0.0.2", 0)) as listener,
    ):
        systemd.bind(str(notices))
        systemd.setblocking(False)
        loop = asyncio.get_running_loop()
        options = ("app:app", "--workers", workers)
        command = await activated(folder, [listener], *options, NOTIFY_SOCKET=str(notices))
        heard = b""
        async with asyncio.timeout(30):
            heard = await loop.sock_recv(systemd, 1000)
        assert heard.startswith(b"READY=1")
        server = await command.listening()
        assert server.host == "127.0.0.2"
        answer = await ask_json(server)
        assert "LISTEN_FDS" not in answer["env"]
        assert ("NOTIFY_SOCKET" in answer["env"]) == (workers == "1")
        if workers == "2":
            command.process.send_signal(1)
            assert (await loop.sock_recv(systemd, 1000)).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            async with asyncio.timeout(30):
                assert await loop.sock_recv(systemd, 1000) == b"READY=1"
        assert await command.stop() == 0
        assert await loop.sock_recv(systemd, 1000) == b"STOPPING=1"
        listener.getsockname()  # it is systemd's, and stays open


async def test_a_socket_by_its_name(folder: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as admin,
        socket.create_server(("127.0.0.1", 0)) as web,
    ):
        names = {"LISTEN_FDNAMES": "admin:web"}
        command = await activated(folder, [admin, web], "app:app", "--fd", "web", **names)
        server = await command.listening()
        assert server.port == web.getsockname()[1]
        assert str(admin.getsockname()[1]) not in command.output
        assert await command.stop() == 0
        command = await activated(folder, [admin, web], "app:app", "--fd", "wap", **names)
        assert await command.end() == 2
    assert "systemd has given admin, web" in " ".join(command.output.split())


async def test_an_address_that_is_given_counts(folder: Path) -> None:
    """Sockets that are not used are mentioned."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = await activated(folder, [listener], "app:app", "--port", "0")
        server = await command.listening()
        assert server.port != listener.getsockname()[1]
        assert "systemd has opened 1 socket(s)" in command.output
        assert await command.stop() == 0


# The first process of a container.


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has namespaces of processes")
@pytest.mark.long
async def test_as_the_first_process_of_a_container(folder: Path) -> None:
    """The process with the id 1 has no default signals, and inherits orphans."""
    orphan = "\nimport subprocess\nsubprocess.run(['sh', '-c', 'sleep 0.1 &'])\n"
    (folder / "app.py").write_text(APP + orphan)
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *(sys.executable, "-m", "bennu", "run", "app:app", "--port", "0", "--workers", "2"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    command = Command(process)
    try:
        try:
            server = await command.listening()
        except AssertionError:
            pytest.skip(f"no new namespace: {command.output}")
        answer = await ask_json(server)
        assert answer["parent"] == 1
        await until_no_zombies(process.pid)
        (first,) = children(process.pid)
        os.kill(first, 15)
        assert await command.end() == 0
        assert not is_alive(first)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until_no_zombies(unshare: int) -> None:
    (first,) = children(unshare)
    await until(lambda: all(map(is_alive, children(first))) and len(children(first)) == 2)
