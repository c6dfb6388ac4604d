"""Runs a Dockerfile as far as that is possible without Docker: its RUN lines, its CMD and its health check, as root or as its
user, in a file system, a network and a list of processes of their own. The base image is this machine's Python.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["Container", "instructions"]

PATIENCE: Final = 60.0
_DEPENDENCIES: Final = "/dependencies"

# The arguments: the root, and pairs of a folder and where it is mounted. Then the command.
_ENTER: Final = """
set -e
root=$1; shift
for name in bin etc lib lib64 sbin usr; do
    if [ -L /$name ]; then cp -P /$name "$root/$name"
    elif [ -d /$name ]; then mkdir -p "$root/$name"; mount --rbind /$name "$root/$name"; fi
done
mkdir -p "$root/proc" "$root/dev" "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
while [ "$1" != -- ]; do mkdir -p "$root$2"; mount --bind "$1" "$root$2"; shift 2; done
shift
ip link set lo up
exec chroot "$root" "$@"
"""


def instructions(text: str) -> list[list[tuple[str, str]]]:
    """Return the instructions of each stage of a Dockerfile, as names and arguments."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    stages: list[list[tuple[str, str]]] = []
    for line in lines:
        name, _, arguments = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, arguments))
    return stages


class Container:
    """A container of a Dockerfile with two stages.

    Args:
        dockerfile: The text of the Dockerfile.
        folder: A folder for its files, which every user can enter.
        app: The source of ``app.py``.
        wheel: A wheel of Bennu.

    Attributes:
        environment: The variables of the last stage.
        lines: What the command has written.
    """

    def __init__(self, dockerfile: str, folder: Path, app: str, wheel: Path) -> None:
        self._build, self._last = instructions(dockerfile)
        options = dict(self._last)
        self._workdir = options["WORKDIR"]
        self._user = options["USER"]
        self._command: list[str] = json.loads(options["CMD"])
        self._signal = signal.Signals[options["STOPSIGNAL"]]
        self._check: list[str] = json.loads(options["HEALTHCHECK"].split(" CMD ")[1])
        self.environment = dict(pair.split("=", 1) for pair in options["ENV"].split())
        self.lines: list[str] = []
        self._reading: asyncio.Task[None]
        self._process: asyncio.subprocess.Process
        self._root = folder / "root"
        folders = {"venv": "/venv", "app": self._workdir, "build": dict(self._build)["WORKDIR"]}
        self._mounts = {
            sys.base_prefix: sys.base_prefix,
            sysconfig.get_path("purelib"): _DEPENDENCIES,
        }
        for name, path in folders.items():
            (folder / name).mkdir()
            self._mounts[str(folder / name)] = path
        self._root.mkdir()
        (folder / "app/app.py").write_text(app)
        shutil.copy(wheel, folder / "build")
        (folder / "build/requirements.txt").write_text(f"./{wheel.name}\n")

    def _inside(
        self, user: str, workdir: str, environment: dict[str, str], *command: str
    ) -> list[str]:
        variables = [f"{name}={value}" for name, value in environment.items()]
        uid, gid = user.split(":")
        return [
            *("unshare", "--mount", "--net", "--pid", "--fork"),
            *("sh", "-c", _ENTER, "enter", str(self._root)),
            *(part for pair in self._mounts.items() for part in pair),
            *(
                "--",
                "setpriv",
                f"--reuid={uid}",
                f"--regid={gid}",
                "--clear-groups",
                "--no-new-privs",
            ),
            *("env", "-i", f"--chdir={workdir}", *variables, *command),
        ]

    def build(self) -> None:
        """Run the RUN lines of the first stage. pip does not use the network: it installs only the wheel."""
        path = f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin"
        pip = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        for name, arguments in self._build:
            if name == "RUN":
                command = self._inside(
                    "0:0",
                    dict(self._build)["WORKDIR"],
                    {"PATH": path, **pip},
                    "sh",
                    "-c",
                    arguments,
                )
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=PATIENCE, check=False
                )
                assert done.returncode == 0, done.stdout + done.stderr

    async def start(self, **environment: str) -> None:
        """Run CMD. The packages that Bennu needs are those of the test."""
        self.lines = []
        self._process = await asyncio.create_subprocess_exec(
            *self._inside(
                self._user,
                self._workdir,
                {**self.environment, "PYTHONPATH": _DEPENDENCIES, **environment},
                *self._command,
            ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode())

    async def until_said(self, text: str) -> None:
        """Wait for a line of the command."""
        async with asyncio.timeout(PATIENCE):
            while not any(text in line for line in self.lines):
                await asyncio.wait([self._reading], timeout=0.01)
                assert not self._reading.done(), "".join(self.lines)

    @property
    def pid(self) -> int:
        """The id that the first process of the container has outside of it."""
        pid = self._process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    async def until_healthy(self) -> None:
        """Run the health check until it succeeds."""
        async with asyncio.timeout(PATIENCE):
            while await self.check() != 0:
                assert not self._reading.done(), "".join(self.lines)

    async def check(self) -> int:
        """Run the health check once; return its exit status."""
        return await self.run(*self._check)

    async def run(self, *command: str) -> int:
        """Run a command in the container; return its exit status."""
        try:
            pid = self.pid
        except (OSError, IndexError):
            return 1
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        process = await asyncio.create_subprocess_exec(
            *("nsenter", f"--target={pid}", "--net", "--pid", "--root", "--"),
            *("env", "-i", *variables, *command),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(PATIENCE):
            return await process.wait()

    def status(self) -> dict[str, str]:
        """Return what the kernel says of the first process."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {
            name: " ".join(value.split()) for name, _, value in (x.partition(":") for x in lines)
        }

    async def stop(self) -> int:
        """Send STOPSIGNAL to the first process; return the exit status."""
        os.kill(self.pid, self._signal)
        async with asyncio.timeout(PATIENCE):
            await self._reading
            return await self._process.wait()

    async def kill(self) -> None:
        """End the container, if it still runs."""
        if self._process.returncode is None:
            with suppress(OSError, IndexError):  # it has just ended
                os.kill(self.pid, signal.SIGKILL)  # the kernel then kills all other processes in it
            async with asyncio.timeout(PATIENCE):
                await self._process.wait()
        await self._reading
