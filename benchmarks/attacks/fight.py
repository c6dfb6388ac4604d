"""One run: a fresh server, honest clients, and an attacker, each in a process of its own."""

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
"""Seconds that are measured before the attack, and that the server has after it."""
LOOK = 0.02
MB = 1_000_000
TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n(?:\s.*\n)+(\S.*)$", re.MULTILINE)
TICKS = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """One time that an honest client waited, as :mod:`.honest` prints it."""

    kind: str
    begun: float
    took: float | None
    starved: float


@dataclass(frozen=True)
class Waits:
    """How long honest clients waited in a part of a run, in seconds.

    The time in which the server, or they themselves, had no core is taken off. `raw` is the worst with it.
    """

    count: int
    median: float
    p99: float
    worst: float
    raw: float
    unanswered: int

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Self:
        """Sum samples up."""
        raw = [one.took for one in samples if one.took is not None]
        times = sorted(max(0.0, one.took - one.starved) for one in samples if one.took is not None)
        if not times:
            return cls(len(samples), *(float("inf"),) * 4, len(samples))
        p99 = times[math.ceil(len(times) * 0.99) - 1]
        unanswered = len(samples) - len(times)
        return cls(len(samples), median(times), p99, times[-1], max(raw), unanswered)


@dataclass(frozen=True)
class Outcome:
    """What was measured of one attack.

    Attributes:
        calm: Of heartbeats before it.
        beats: Of heartbeats during it.
        calm_newcomers: Of connects with a join, before it.
        newcomers: The same, during it.
        before: Megabytes of the server's memory, before it.
        peak: At its worst.
        after: When it was over and had come back, or had not within its time.
        cpu: Share of a core that the server used during the attack.
        starved: Share of that time in which it could have run, and had no core.
        logged: Megabytes.
        errors: Of each traceback in the log the error.
        seen: What the attacker counted.
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
        """Return the outcome that `dataclasses.asdict` made these figures of."""
        waits = ("calm", "beats", "calm_newcomers", "newcomers")
        return cls(**{**figures, **{name: Waits(**figures[name]) for name in waits}})


class Watched:
    """The server's process, in the books of the kernel."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def memory(self) -> float:
        """Return its megabytes."""
        pages = (self._folder / "statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / MB

    def cpu(self) -> float:
        """Return its seconds of CPU, of all threads."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def starved(self) -> float:
        """Return the seconds in which its loop waited for a core."""
        return int((self._folder / "schedstat").read_text().split()[1]) / 1e9


class Peak:
    """Looks at the memory of a server again and again, in a thread."""

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
        """Return the most that it ever was."""
        self._is_over.set()
        self._thread.join()
        return self.megabytes


def fight(attack: Attack, server: str = DEFAULT_SERVER, *, calm: float = CALM) -> Outcome:
    """Run one attack.

    Args:
        attack: It.
        server: The command, with ``{app}`` and ``{port}`` to fill in.
        calm: Seconds that are measured before the attack, and that the server has after it.

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
    """Start the server; yield its port and its process; stop it."""
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
    """Return the options for a certificate of our own."""
    from tests.support.certificates import Authority  # noqa: PLC0415 - it needs another package

    made = Authority(folder).certify("server")
    return ["--ssl-certfile", str(made.certfile), "--ssl-keyfile", str(made.keyfile)]


@contextmanager
def honest(port: int, attack: Attack, pid: int) -> Generator["Samples"]:
    """Start the honest clients; yield what stops them and returns their samples."""
    scheme = "wss" if attack.tls else "ws"
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.attacks.honest", str(port), scheme, str(pid)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        if process.stdout is None or not process.stdout.readline():
            raise Unmeasured("the honest clients were not served, and nobody had attacked")
        yield Samples(process)
    finally:
        process.kill()  # does nothing to one that has ended
        process.communicate()


class Samples:
    """The samples of honest clients, to be had once."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def __call__(self) -> list[Sample]:
        output, _ = self._process.communicate(timeout=60)
        return [Sample(*row) for row in json.loads(output)]


def attacked(attack: Attack, port: int) -> dict[str, int]:
    """Let the attacker do its work; return what it has seen."""
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
    """Return the server's memory when it has come back, or when it has had the time to."""
    end = time.monotonic() + seconds
    time.sleep(calm)
    least = server.memory()
    while time.monotonic() < end and least > before * 1.1:
        time.sleep(0.2)
        least = min(least, server.memory())
    return least
