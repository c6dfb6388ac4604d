"""One run: a fresh server, honest clients, and an attacker, each in a separate process."""

import json
import math
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

from benchmarks.measure import ROOT, Unmeasured, free_port, stop, wait_until_accepting

from .attack import Attack

__all__ = ["DEFAULT_SERVER", "Outcome", "Waits", "fight"]

DEFAULT_SERVER = f"{sys.executable} -m bennu run {{app}} --port {{port}}"
CALM = 2.0
"""Seconds that are measured before the attack, and seconds that the server has after the attack."""
LOOK = 0.02
MB = 1_000_000
TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n(?:\s.*\n)+(\S.*)$", re.MULTILINE)
TICKS = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """One wait of an honest client, as :mod:`.honest` prints it."""

    kind: str
    begun: float
    took: float | None
    starved: float


@dataclass(frozen=True)
class Waits:
    """The waits of honest clients in a part of a run, in seconds.

    The time in which the server or the clients had no core is subtracted. `raw` is the worst wait without this
    subtraction.
    """

    count: int
    median: float
    p99: float
    worst: float
    raw: float
    unanswered: int

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Self:
        """Summarise samples."""
        raw = [one.took for one in samples if one.took is not None]
        times = sorted(max(0.0, one.took - one.starved) for one in samples if one.took is not None)
        if not times:
            return cls(len(samples), *(float("inf"),) * 4, len(samples))
        p99 = times[math.ceil(len(times) * 0.99) - 1]
        unanswered = len(samples) - len(times)
        return cls(len(samples), median(times), p99, times[-1], max(raw), unanswered)


@dataclass(frozen=True)
class Outcome:
    """The measurements of one attack.

    Attributes:
        calm: Waits for heartbeats before the attack.
        beats: Waits for heartbeats during the attack.
        calm_newcomers: Waits for a connect with a join, before the attack.
        newcomers: Waits for a connect with a join, during the attack.
        before: Megabytes of the server's memory before the attack.
        peak: The highest memory, in megabytes.
        after: Megabytes after the attack: when the memory has shrunk, or when its time is over.
        cpu: Share of a core that the server used during the attack.
        starved: Share of the attack in which the server was ready to run, and had no core.
        logged: Megabytes of log.
        errors: The error of each traceback in the log.
        seen: Counts of the attacker.
    """

    calm: Waits
    beats: Waits
    calm_newcomers: Waits
    newcomers: Waits
    before: float
    peak: float
    after: float
    cpu: float
    starved: float
    logged: float
    errors: Sequence[str]
    seen: Mapping[str, int]

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Self:
        """Return the outcome whose figures `dataclasses.asdict` wrote."""
        waits = ("calm", "beats", "calm_newcomers", "newcomers")
        return cls(**{**figures, **{name: Waits(**figures[name]) for name in waits}})


class Watched:
    """The server's process, measured with the counters of the kernel."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def memory(self) -> float:
        """Return its memory in megabytes."""
        pages = (self._folder / "statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / MB

    def cpu(self) -> float:
        """Return the CPU time of all its threads, in seconds."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def starved(self) -> float:
        """Return the seconds in which its loop waited for a core."""
        return int((self._folder / "schedstat").read_text().split()[1]) / 1e9


class Peak:
    """Samples the memory of a server, in a thread."""

    def __init__(self, server: Watched) -> None:
        self._server = server
        self._is_over = threading.Event()
        self.megabytes = server.memory()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._is_over.wait(LOOK):
            with suppress(OSError, IndexError):
                self.megabytes = max(self.megabytes, self._server.memory())

    def stop(self) -> float:
        """Stop, and return the highest memory in megabytes."""
        self._is_over.set()
        self._thread.join()
        return self.megabytes


def fight(attack: Attack, server: str = DEFAULT_SERVER, *, calm: float = CALM) -> Outcome:
    """Run one attack.

    Args:
        attack: The attack.
        server: The command of the server, with the placeholders ``{app}`` and ``{port}``.
        calm: Seconds that are measured before the attack, and seconds that the server has after the attack.

    Raises:
        Unmeasured: The server did not start, or the attacker failed.
    """
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with serving(attack, server, log) as (port, process):
            watched = Watched(process.pid)
            with honest(port, attack, process.pid) as clients:
                time.sleep(calm)
                before, peak = watched.memory(), Peak(watched)
                begun, cpu, starved = time.monotonic(), watched.cpu(), watched.starved()
                try:
                    seen = attacked(attack, port)
                finally:
                    highest = peak.stop()
                ended = time.monotonic()
                cpu, starved = watched.cpu() - cpu, watched.starved() - starved
                after = memory_again(watched, before, calm, attack.back)
                samples = clients()
        text = log.read_text(errors="replace")
    lasted = ended - begun

    def waits(kind: str, start: float, end: float) -> Waits:
        return Waits.of([one for one in samples if one.kind == kind and start <= one.begun < end])

    return Outcome(
        calm=waits("beat", begun - calm, begun),
        beats=waits("beat", begun, ended),
        calm_newcomers=waits("newcomer", begun - calm, begun),
        newcomers=waits("newcomer", begun, ended),
        before=before,
        peak=highest,
        after=after,
        cpu=cpu / lasted,
        starved=starved / lasted,
        logged=len(text) / MB,
        errors=TRACEBACK.findall(text),
        seen=seen,
    )


@contextmanager
def serving(
    attack: Attack, server: str, log: Path
) -> Generator[tuple[int, subprocess.Popen[bytes]]]:
    """Start the server, yield its port and its process, and stop it at the end."""
    port = free_port()
    command = server.format(app=f"benchmarks.attacks.app:{attack.app}", port=port).split()
    command += attack.options
    if attack.tls:
        command += certificate(log.parent)
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until_accepting(process, port)
            yield port, process
        finally:
            stop(process)


def certificate(folder: Path) -> list[str]:
    """Return the options for a self-made certificate."""
    from tests.support.certificates import Authority  # noqa: PLC0415 - it needs another package

    made = Authority(folder).certify("server")
    return ["--ssl-certfile", str(made.certfile), "--ssl-keyfile", str(made.keyfile)]


@contextmanager
def honest(port: int, attack: Attack, pid: int) -> Generator["Samples"]:
    """Start the honest clients, and yield a function that stops them and returns their samples."""
    scheme = "wss" if attack.tls else "ws"
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.attacks.honest", str(port), scheme, str(pid)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        if process.stdout is None or not process.stdout.readline():
            raise Unmeasured("the server did not serve the honest clients before the attack")
        yield Samples(process)
    finally:
        process.kill()  # has no effect on an ended process
        process.communicate()


class Samples:
    """The samples of honest clients. They can be read once."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def __call__(self) -> list[Sample]:
        output, _ = self._process.communicate(timeout=60)
        return [Sample(*row) for row in json.loads(output)]


def attacked(attack: Attack, port: int) -> dict[str, int]:
    """Run the attacker, and return its counts."""
    command = [sys.executable, "-m", "benchmarks.attacks", "--as-attacker", str(port), attack.name]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, timeout=attack.seconds + 60, check=True
        )
    except subprocess.CalledProcessError as error:
        raise Unmeasured(f"the attacker failed: {error.stderr.decode()[-600:]}") from None
    except subprocess.TimeoutExpired:
        raise Unmeasured("the attacker did not end") from None
    seen: dict[str, int] = json.loads(done.stdout)
    return seen


def memory_again(server: Watched, before: float, calm: float, seconds: float) -> float:
    """Wait until the server's memory has shrunk, or until its time is over; return the memory in megabytes."""
    end = time.monotonic() + seconds
    time.sleep(calm)
    least = server.memory()
    while time.monotonic() < end and least > before * 1.1:
        time.sleep(0.2)
        least = min(least, server.memory())
    return least
