"""Servers under load, on free ports of this host, and what they use of the machine.

A server is ready when its health page says so: then it is on its bus. A peer is ready when it accepts connections. All
servers are ended by their process ids.
"""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.measure import (
    BUILD,
    ROOT,
    Unmeasured,
    children_on,
    free_port,
    scheduled,
    stop,
    with_descendants,
)

__all__ = [
    "BENNU",
    "PEERS_PYTHON",
    "Node",
    "bennu_nodes",
    "cpu_seconds",
    "prepare",
    "serve",
    "wsload",
]

BENNU: Final = (
    sys.executable,
    "-m",
    "bennu",
    "run",
    "benchmarks.endpoint:endpoint",
    "--no-access-log",
)
"""The command of a node, without its port."""

PEERS_PYTHON: Final = ROOT / ".venv-benchmarks" / "bin" / "python"
"""The Python of benchmarks/install."""

PATIENCE: Final = 60.0
"""Seconds in which a server must be ready."""

OPEN_FILES: Final = 20_000

NOT_A_NUMBER: Final = re.compile(r"(?<=:)-?(inf|nan)")


@dataclass
class Node:
    """A server that runs.

    Attributes:
        port: Its port.
        process: Its first process.
        log: The file of its output.
        pids: Its processes that serve clients.
    """

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    pids: list[int] = field(default_factory=list)

    def complaints(self) -> list[str]:
        """Return the lines of its log above level info."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if line.strip() and not line.startswith(("INFO:", "  "))]

    @property
    def cpu(self) -> float:
        """The CPU seconds that its processes have used."""
        return cpu_seconds(self.pids)

    def memory(self, column: str = "VmRSS") -> float:
        """Return the memory of its processes in MB: now (VmRSS), or at the peak (VmHWM)."""
        total = 0
        for pid in self.pids:
            found = re.search(rf"{column}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
            total += int(found[1]) if found else 0
        return total / 1024

    @property
    def sockets(self) -> list[int]:
        """The number of open files of each process."""
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids]


def cpu_seconds(pids: list[int]) -> float:
    """Return the CPU seconds that the threads of some processes have used."""
    return scheduled(pids)[0]


def prepare() -> None:
    """Check what would fail later, and allow as many open files as possible."""
    if not (BUILD / "wsload").exists():
        sys.exit("wsload not found: run benchmarks/build")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def serve(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    workers: int = 0,
    core: int | None = None,
    has_health: bool = True,
) -> Generator[Node, None, None]:
    """Run a server, and end it.

    Args:
        command: The command without its port.
        env: Added to the environment.
        workers: The number of workers that the command starts. Default: 0, it serves by itself.
        core: The only core on which it runs. Default: None, any.
        has_health: Whether it has Bennu's health page. Default: True.
    """
    port = free_port()
    with TemporaryDirectory(prefix="bennu-node-") as directory, ExitStack() as stack:
        log = Path(directory) / "log"
        with children_on(core) if core is not None else ExitStack(), log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--port", str(port)],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        stack.callback(stop, process)
        node = Node(port, process, log)
        end = time.monotonic() + PATIENCE
        while not _is_ready(node, workers, has_health=has_health):
            if process.poll() is not None or time.monotonic() > end:
                raise Unmeasured(f"{command} is not ready:\n{log.read_text()}")
            time.sleep(0.02)
        node.pids = with_descendants(process.pid)
        if workers:
            node.pids = [pid for pid in node.pids if _is_worker(pid)]
        yield node


@contextmanager
def bennu_nodes(count: int, address: str | None) -> Generator[list[Node], None, None]:
    """Run nodes of one bus. Without an address each node is alone."""
    env = {"BENNU_SECRET_KEY": "k" * 64}
    if address is not None:
        env["BENNU_PUBSUB"] = address
    with ExitStack() as stack:
        yield [stack.enter_context(serve(BENNU, env)) for _ in range(count)]


def _is_ready(node: Node, workers: int, *, has_health: bool) -> bool:
    if workers and node.log.read_text().count("Application startup complete") < workers:
        return False
    try:
        if has_health:
            page = f"http://127.0.0.1:{node.port}/health/ready"
            urllib.request.urlopen(page, timeout=5).close()
        else:
            socket.create_connection(("127.0.0.1", node.port), timeout=5).close()
    except OSError:  # also a page with an error
        return False
    return True


def _is_worker(pid: int) -> bool:
    return b"bennu.cli.workers.boot" in Path(f"/proc/{pid}/cmdline").read_bytes()


@contextmanager
def wsload(
    nodes: Sequence[Node], *options: object, core: int | None = None
) -> Generator[subprocess.Popen[str], None, None]:
    """Run the load generator against one or more nodes. :func:`figures` waits for its end."""
    ports = ",".join(str(node.port) for node in nodes)
    pids = ",".join(str(pid) for node in nodes for pid in node.pids)
    command = [str(BUILD / "wsload"), "--ports", ports, "--pid", pids, *map(str, options)]
    with children_on(core) if core is not None else ExitStack():
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    try:
        yield process
    finally:
        process.kill()  # has no effect on an ended process
        process.wait()


def figures(process: subprocess.Popen[str], timeout: float = 300) -> dict[str, Any]:
    """Wait for the end of the load generator, and return its figures."""
    output, complaint = process.communicate(timeout=timeout)
    try:
        result: dict[str, Any] = json.loads(NOT_A_NUMBER.sub("NaN", output))
    except ValueError:
        raise Unmeasured(f"the generator gave up: {complaint or output}") from None
    return result
