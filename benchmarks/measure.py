"""One run: a fresh server on one core, the generator on another, and the CPU times of both.

`measure` starts the server, waits until it accepts, runs wsload, and stops the server by its
process id. The figures are those that wsload prints. In mode `hold` wsload prints no columns that say
how far to trust the run. This module computes them from the same files of /proc.
"""

import json
import os
import re
import resource
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Self

__all__ = [
    "BUILD",
    "Figures",
    "Load",
    "Setting",
    "Unmeasured",
    "in_turn",
    "measure",
    "measure_on",
    "running",
]

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "benchmarks" / ".build"

START_LIMIT = 30.0
STOP_LIMIT = 15.0
GENERATOR_LIMIT = (
    180.0  # seconds on top of the load: wsload allows 120 s for the joins, and then drains
)
SETTLING = 0.3  # seconds after the first accept that belong to the start-up, not to the load

NOT_A_NUMBER = re.compile(r"(?<=:)-?(inf|nan)")
"""C's text for a cost per operation without operations. JSON has another name for this number."""

Figures = dict[str, float]
"""The numbers of one run, by their names in wsload."""


class Unmeasured(Exception):
    """A run without figures: something failed, a message was lost, or the machine was too busy."""


@dataclass(frozen=True)
class Load:
    """The load that wsload makes. `is_told` says whether the server sends frames without a request."""

    mode: str
    conns: int
    options: str
    is_told: bool = False


@dataclass(frozen=True)
class Setting:
    """The settings that are the same for every run."""

    path: str
    secs: float
    server_core: int
    generator_core: int


def in_turn(ways: Sequence[str], number: int) -> list[str]:
    """Return what is compared in the order of a turn: each turn begins with the next one."""
    first = number % len(ways)
    return [*ways[first:], *ways[:first]]


def measure(command: str, load: Load, setting: Setting) -> Figures:
    """Return the figures of a load on a fresh server."""
    with running(command, setting.server_core) as (port, pids):
        return measure_on(port, pids, load, setting)


def measure_on(port: int, pids: list[int], load: Load, setting: Setting) -> Figures:
    """Return the figures of a load on a server that runs."""
    before = Account.of(pids)
    output, complaint = generate(load, setting, port, pids)
    after = Account.of(pids)
    try:
        counted = json.loads(NOT_A_NUMBER.sub("NaN", output))
    except ValueError:
        said = " ".join((complaint or output).split())
        raise Unmeasured(f"the generator gave up: {said[:300]}") from None
    figures = {key: float(value) for key, value in counted.items() if key != "mode"}
    if load.mode == "hold":
        figures |= before.what_hold_leaves_out(after, figures, load)
    return figures


# The server.


@contextmanager
def running(command: str, core: int) -> Generator[tuple[int, list[int]], None, None]:
    """Start a server, yield its port and the ids of its processes, and stop it at the end."""
    port = free_port()
    with TemporaryFile() as log:
        with children_on(core):
            process = subprocess.Popen(
                [part.replace("{port}", str(port)) for part in shlex.split(command)],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until_accepting(process, port)
            yield port, with_descendants(process.pid)
        finally:
            stop(process)
            show(log)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def children_on(core: int) -> Generator[None, None, None]:
    """Restrict this process to one core for a moment, because a child inherits the cores of its parent."""
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)


def wait_until_accepting(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unmeasured(f"the server ended at once, with status {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            time.sleep(SETTLING)
            return
    raise Unmeasured(f"the server accepts nothing on port {port} after {START_LIMIT:.0f} s")


def with_descendants(pid: int) -> list[int]:
    """Return the ids of a process and its descendants: the children of a supervisor do its work."""
    pids = [pid]
    for parent in pids:  # the list grows during the loop
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            pids += map(int, children.read_text().split())
    return pids


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_LIMIT)
    except subprocess.TimeoutExpired:
        print(f"  the server ignored SIGTERM for {STOP_LIMIT:.0f} s: killed", file=sys.stderr)
        process.kill()
        process.wait()


def show(log: IO[bytes]) -> None:
    """Show unusual lines. A healthy server logs nothing above level info."""
    log.seek(0)
    text = log.read().decode(errors="replace")
    lines = dict.fromkeys(  # each line once
        line for line in text.splitlines() if not line.startswith(("INFO:", "  "))
    )
    for line in list(lines)[-15:]:
        print(f"  server: {line}", file=sys.stderr)


# The generator.


def generate(load: Load, setting: Setting, port: int, pids: list[int]) -> tuple[str, str]:
    """Run wsload to its end; return its standard output and its standard error."""
    # If an option is given twice, wsload takes the last one. So the options of the load win.
    target = f"--port {port} --path {setting.path} --pid {','.join(map(str, pids))}"
    work = f"--mode {load.mode} --conns {load.conns} --secs {setting.secs} {load.options}"
    with children_on(setting.generator_core):
        process = subprocess.Popen(
            [BUILD / "wsload", *target.split(), *work.split()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        return process.communicate(timeout=setting.secs + GENERATOR_LIMIT)
    except subprocess.TimeoutExpired:
        raise Unmeasured("the generator did not finish") from None
    finally:
        process.kill()  # has no effect on an ended process
        process.wait()


# CPU times.


@dataclass(frozen=True)
class Account:
    """CPU seconds spent so far: by the server, by the generator, and by the machine."""

    clock: float
    server: float
    server_waited: float
    generator: float
    machine: float
    stolen: float

    @classmethod
    def of(cls, pids: list[int]) -> Self:
        ran, waited = scheduled(pids)
        # CPU time of ended children. Between two accounts only the generator ends.
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        fields = map(int, Path("/proc/stat").read_text().split()[1:9])
        user, nice, system, _idle, _iowait, irq, softirq, stolen = fields
        tick = 1 / os.sysconf("SC_CLK_TCK")
        return cls(
            clock=time.monotonic(),
            server=ran,
            server_waited=waited,
            generator=children.ru_utime + children.ru_stime,
            machine=(user + nice + system + irq + softirq + stolen)
            * tick,  # the same sum as in wsload
            stolen=stolen * tick,
        )

    def what_hold_leaves_out(self, after: Self, figures: Figures, load: Load) -> Figures:
        """Return the columns of the other modes: losses, and how far to trust the run."""
        joined, elapsed = figures["conns"], after.clock - self.clock
        unasked = 0 if load.is_told else figures["frames_in"] - joined  # a join has one answer
        ours = after.server - self.server + after.generator - self.generator
        return {
            "undelivered": load.conns - joined,
            "dead": joined - figures["still"],
            "errors": figures["errors"] + unasked,
            "srv_wait": (after.server_waited - self.server_waited)
            * figures["join_per_s"]
            / max(joined, 1),
            "foreign": (after.machine - self.machine - ours) / elapsed,
            "steal": (after.stolen - self.stolen) / elapsed,
        }


def scheduled(pids: list[int]) -> tuple[float, float]:
    """Return the seconds that the live threads of these processes ran, and that they waited for a core."""
    ran = waited = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                fields = task.read_text().split()
            except OSError:  # the thread has just ended
                continue
            ran += int(fields[0])
            waited += int(fields[1])
    return ran / 1e9, waited / 1e9
