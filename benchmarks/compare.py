"""Compares the cost of an operation in Bennu with its cost in the floor of this machine.

The floor (floor.c) is a server that does the minimum of work for the same load. Bennu and the floor take
turns, on the same core, under the same generator (wsload.c), each time in a fresh process. The result is
the ratio of their medians, because a slow machine slows both.

A run is discarded and repeated if the server waited for its core, or if another program computed at the
same time. A run that lost anything ends the measurement of its mode, because dropping messages makes any
server fast.

    benchmarks/build && python -m benchmarks.compare

README.md beside this file explains the columns.
"""

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from statistics import median

from benchmarks.measure import BUILD, Figures, Load, Setting, Unmeasured, measure

FLOOR = f"{quote(str(BUILD / 'floor'))} {{port}}"
BENNU = f"{quote(sys.executable)} -m bennu run {{app}} --port {{port}}"
PATH = "/socket/websocket?vsn=2.0.0"
OPEN_FILES = 20_000

LOSSES = ("errors", "dead", "undelivered")
TRUST = ("srv_wait", "foreign", "steal", "gen_share", "stalls")


@dataclass(frozen=True)
class Target:
    """A limit for one column: a multiple of the floor, or an absolute limit for every machine."""

    column: str
    ratio: float | None = None
    ratio_mounted: float | None = None  # behind a Mount a join also passes through the outer app
    limit: float | None = None

    def verdict(self, floor: float, bennu: float, *, mounted: bool) -> tuple[str, bool]:
        """Return the limit in words, and whether it holds."""
        if self.limit is not None:
            return f"≤ {self.limit:g}", bennu <= self.limit
        ratio = (self.ratio_mounted if mounted else None) or self.ratio or 0.0
        return f"≤ {ratio:g} x floor", bennu <= ratio * floor


@dataclass(frozen=True)
class Mode:
    load: Load
    targets: tuple[Target, ...]


# fmt: off
MODES = {
    "fanout": Mode(
        Load("fanout", 1_000, "--pubs 1 --window 1"),
        (Target("cpu_us", ratio=1.5),),
    ),
    "many_publishers": Mode(
        Load("fanout", 200, "--pubs 20 --window 2"),
        (Target("cpu_us", ratio=0.2),),
    ),
    "echo": Mode(
        Load("echo", 100, "--window 1"),
        (Target("cpu_us", ratio=2.3),),
    ),
    "join": Mode(
        Load("hold", 10_000, "--secs 1"),  # the clients join, and then stay
        (Target("join_cpu_us", ratio=7, ratio_mounted=10), Target("kb_per_conn", limit=5)),
    ),
    "presence": Mode(
        Load("hold", 2_000, "--prefix presence --secs 8", is_told=True),
        (Target("cpu_s", ratio=70), Target("kb_per_conn", limit=20)),
    ),
    "crowd": Mode(
        Load("hold", 10_000, "--prefix crowd --secs 8", is_told=True),
        (Target("cpu_s", ratio=40),),
    ),
}
# fmt: on


@dataclass(frozen=True)
class Plan:
    """What to measure, how often, and which runs count."""

    servers: dict[str, str]
    setting: Setting
    runs: int
    attempts: int
    max_wait: float
    max_foreign: float

    def disturbed(self, figures: Figures) -> bool:
        return figures["srv_wait"] > self.max_wait or figures["foreign"] > self.max_foreign


def measure_mode(plan: Plan, name: str) -> dict[str, list[Figures]]:
    """Measure floor and Bennu in turn. Each is first in every other turn, so that a drift favours neither."""
    runs: dict[str, list[Figures]] = {server: [] for server in plan.servers}
    for turn in range(plan.runs):
        for server in list(runs) if turn % 2 == 0 else reversed(runs):
            label = f"{name:15}  {turn + 1}/{plan.runs}  {server:5}"
            try:
                runs[server].append(undisturbed(plan, MODES[name], server, label))
            except Unmeasured as error:
                raise Unmeasured(f"{name}, {server}: {error}") from error
    return runs


def undisturbed(plan: Plan, mode: Mode, server: str, label: str) -> Figures:
    """Measure until a run was not disturbed, up to the number of attempts."""
    shown = [*(target.column for target in mode.targets), *TRUST]
    for attempt in range(plan.attempts):
        if attempt:
            time.sleep(2**attempt)  # the disturbance can be over by then
        figures = measure(plan.servers[server], mode.load, plan.setting)
        lost = [f"{figures[key]:.0f} {key}" for key in LOSSES if figures[key]]
        if lost:
            raise Unmeasured(", ".join(lost))
        disturbed = plan.disturbed(figures)
        words = [f"{key} {figures[key]:.2f}" for key in shown if key in figures]
        progress(label, *words, "DISCARDED" if disturbed else "")
        if not disturbed:
            return figures
    raise Unmeasured(f"disturbed {plan.attempts} times in a row: the machine is too busy")


def progress(*words: str) -> None:
    print("  ".join(filter(None, words)), file=sys.stderr, flush=True)


# The result.


@dataclass(frozen=True)
class Row:
    mode: str
    column: str
    floor: list[float]
    bennu: list[float]
    ratio: float | None  # None for an absolute limit
    target: str
    holds: bool

    def __str__(self) -> str:
        verdict = "holds" if self.holds else "**missed**"
        costs = f"{spread(self.floor)} | {spread(self.bennu)}"
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return f"| {self.mode} | {self.column} | {costs} | {ratio} | {self.target} | {verdict} |"


def spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def judge(name: str, target: Target, runs: dict[str, list[Figures]], *, mounted: bool) -> Row:
    floor = [run[target.column] for run in runs["floor"]]
    bennu = [run[target.column] for run in runs["bennu"]]
    words, holds = target.verdict(median(floor), median(bennu), mounted=mounted)
    ratio = median(bennu) / median(floor) if target.ratio else None
    return Row(name, target.column, floor, bennu, ratio, words, holds)


def report(rows: list[Row], failures: list[str]) -> None:
    print("| mode | column | floor | Bennu | ratio | target | verdict |")
    print("|---|---|---:|---:|---:|---|---|", *rows, sep="\n")
    for failure in failures:
        print(f"\nNot measured: {failure}.")


def machine() -> str:
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")]
    cpu = models[0] if models else platform.machine()
    return f"{cpu}, Linux {platform.release()}, Python {platform.python_version()}"


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    prepare()
    plan = Plan(
        servers={"floor": FLOOR, "bennu": options.server},
        setting=Setting(options.path, options.secs, *options.cores),
        runs=options.runs,
        attempts=options.attempts,
        max_wait=options.max_wait,
        max_foreign=options.max_foreign,
    )
    rows: list[Row] = []
    failures: list[str] = []
    samples: dict[str, dict[str, list[Figures]]] = {}
    for name in options.modes:
        try:
            runs = samples[name] = measure_mode(plan, name)
        except Unmeasured as error:
            failures.append(str(error))
            progress("NOT MEASURED", str(error))
        else:
            targets = MODES[name].targets
            rows += [judge(name, target, runs, mounted=options.mounted) for target in targets]

    mounted = ", behind a Mount" if options.mounted else ""
    context = f"{machine()}; medians of {plan.runs} runs of {plan.setting.secs:g} s{mounted}"
    print(f"{context}.\n")
    report(rows, failures)
    if options.json:
        table = [asdict(row) for row in rows]
        result = {"context": context, "rows": table, "failures": failures, "samples": samples}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if not failures and all(row.holds for row in rows) else 1


# The command line.


# fmt: off
def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description="Compare the CPU that an operation costs Bennu with what it costs the floor.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--mounted", action="store_true", help="test behind a Starlette Mount, with its own endpoint, path and target")
    add("--server", default=BENNU, metavar="COMMAND", help="the server under test; {port} and {app} are filled in")
    add("--path", help="the path of the socket, if it differs from that of Bennu's endpoint")
    add("--modes", nargs="+", choices=list(MODES), default=list(MODES), metavar="MODE", help="the modes to measure")
    add("--runs", type=int, default=5, help="runs of each server in each mode")
    add("--secs", type=float, default=5, help="seconds of load in a run")
    add("--attempts", type=int, default=5, help="attempts for a run that is disturbed")
    add("--max-wait", type=float, default=0.10, help="highest share of the time that the server waits for its core")
    add("--max-foreign", type=float, default=0.25, help="highest number of cores that other programs use")
    add("--cores", type=cores, default="0,1", help="the core of the server, and the core of the generator")
    add("--json", type=Path, metavar="FILE", help="also write the rows and all samples to FILE")
    options = parser.parse_args(arguments)

    app = "mounted" if options.mounted else "endpoint"
    options.server = options.server.replace("{app}", f"benchmarks.endpoint:{app}")
    options.path = options.path or ("/rt" if options.mounted else "") + PATH
    return options
# fmt: on


def cores(text: str) -> tuple[int, int]:
    server, generator = map(int, text.split(","))
    if not {server, generator} <= os.sched_getaffinity(0) or server == generator:
        raise argparse.ArgumentTypeError("pass two different cores that this process can use")
    return server, generator


def prepare() -> None:
    """Check at the start what would otherwise fail in the middle of a long measurement."""
    missing = [name for name in ("wsload", "floor") if not (BUILD / name).exists()]
    if missing:
        sys.exit(f"{' and '.join(missing)} not found: run benchmarks/build")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= OPEN_FILES or soft == resource.RLIM_INFINITY:
        return
    try:  # root can raise the hard limit as well
        raised = hard if hard == resource.RLIM_INFINITY else max(hard, OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, raised))
    except (OSError, ValueError):
        sys.exit(f"10,000 connections need ulimit -n {OPEN_FILES}, but the hard limit is {hard}")


if __name__ == "__main__":
    sys.exit(main())
