"""Measures the effect of eleven bad clients on five thousand good clients. With the limits there should be none.

All clients are in one room. Some of the good clients send messages from time to time. One bad client reads
nothing after its join. Ten bad clients push messages as fast as the server reads them. Runs with and without the
bad clients alternate, each in a fresh process, under the same generator (wsload.c) on a separate core.

The server is `benchmarks.endpoint:guarded`. It limits the bytes a second that it reads from a client, the messages
a minute that each client can send to the room, and the bytes that it keeps for a client that does not read.

Four conditions must hold. The p99 of the good clients is at most twice that of the run without bad clients. The
server's memory is below a limit. No good client missed a message. The bad clients were treated as configured.

    benchmarks/build && python -m benchmarks.flood

README.md beside this file explains the columns.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.compare import BENNU, LOSSES, PATH, TRUST, cores, machine, prepare, progress, spread
from benchmarks.measure import Figures, Load, Setting, Unmeasured, measure

FLOODERS = 10
STALLED = 1
PUBLISHERS = 50
MESSAGES = 5  # a second in all: each publisher stays far below the rate of the endpoint
PAYLOAD = 4_000
BURST, PER_SECOND = 3, 0.2  # messages of one client that `guarded` accepts for the room

P99 = 2.0
MEMORY = 16 * 1024
"""KB by which the bad clients can raise the server's peak memory. The server's buffers for them are 0.4 MB."""

SHOWN = ("p50_us", "p99_us", "peak_kb", "flood_refused", "stalled_closed", *TRUST)


@dataclass(frozen=True)
class Verdict:
    what: str
    quiet: str
    flooded: str
    target: str
    holds: bool

    def __str__(self) -> str:
        verdict = "holds" if self.holds else "**missed**"
        return f"| {self.what} | {self.quiet} | {self.flooded} | {self.target} | {verdict} |"


def load(conns: int, *, offenders: bool) -> Load:
    options = f"--pubs {PUBLISHERS} --rate {MESSAGES} --payload {PAYLOAD} --every 61 --drain 10"
    if offenders:
        options += f" --flooders {FLOODERS} --stalled {STALLED}"
    return Load("fanout", conns, options)


def run(options: argparse.Namespace, *, offenders: bool, label: str) -> Figures:
    """Measure until a run was not disturbed, up to the number of attempts."""
    setting = Setting(PATH, options.secs, *options.cores)
    for attempt in range(options.attempts):
        if attempt:
            time.sleep(2**attempt)  # the disturbance can be over by then
        figures = measure(options.server, load(options.conns, offenders=offenders), setting)
        waited, foreign = figures["srv_wait"], figures["foreign"]
        disturbed = waited > options.max_wait or foreign > options.max_foreign
        words = [f"{key} {figures[key]:.2f}" for key in SHOWN if key in figures]
        progress(label, *words, "DISCARDED" if disturbed else "")
        if not disturbed:
            return figures
    raise Unmeasured(f"{label}: disturbed {options.attempts} times in a row")


def measure_all(options: argparse.Namespace) -> dict[str, list[Figures]]:
    """Measure both in turn. Each is first in every other turn, so that a drift favours neither."""
    samples: dict[str, list[Figures]] = {"quiet": [], "flooded": []}
    for turn in range(options.runs):
        for name in list(samples) if turn % 2 == 0 else reversed(samples):
            label = f"{turn + 1}/{options.runs}  {name:7}"
            samples[name].append(run(options, offenders=name == "flooded", label=label))
    return samples


# The verdicts.


def judge(samples: dict[str, list[Figures]], secs: float) -> list[Verdict]:
    return [
        judge_latency(samples),
        judge_memory(samples),
        judge_losses(samples),
        judge_flood(samples["flooded"], secs),
        judge_stalled(samples["flooded"]),
    ]


def column(samples: list[Figures], name: str, scale: float = 1) -> list[float]:
    return [figures[name] / scale for figures in samples]


def judge_latency(samples: dict[str, list[Figures]]) -> Verdict:
    quiet, flooded = (column(samples[name], "p99_us", 1000) for name in ("quiet", "flooded"))
    ratio = median(flooded) / median(quiet)
    return Verdict(
        "p99 of the good clients, ms",
        spread(quiet),
        f"{spread(flooded)}, x {ratio:.2f}",
        f"≤ {P99:g} x",
        ratio <= P99,
    )


def judge_memory(samples: dict[str, list[Figures]]) -> Verdict:
    quiet, flooded = (column(samples[name], "peak_kb", 1024) for name in ("quiet", "flooded"))
    grown = max(flooded) - median(quiet)
    return Verdict(
        "peak memory of the server, MB",
        spread(quiet),
        spread(flooded),
        f"≤ {MEMORY / 1024:g} more",
        grown <= MEMORY / 1024,
    )


def judge_losses(samples: dict[str, list[Figures]]) -> Verdict:
    quiet, flooded = (
        int(sum(sum(column(samples[name], loss)) for loss in LOSSES))
        for name in ("quiet", "flooded")
    )
    return Verdict("lost by the good clients", str(quiet), str(flooded), "0", quiet == flooded == 0)


def judge_flood(samples: list[Figures], secs: float) -> Verdict:
    """The room gets messages of a flooding client at the allowed rate. The other messages are refused."""
    heard, refused = column(samples, "flood_heard"), column(samples, "flood_refused")
    allowed = FLOODERS * (BURST + PER_SECOND * (secs + 2))  # the flood begins with the warm-up
    return Verdict(
        f"delivered messages of {FLOODERS} flooding clients",
        "",
        f"{spread(heard)}; refused {spread(refused)}",
        f"≤ {allowed:.0f}, the rest refused",
        max(heard) <= allowed and min(refused) > 0,
    )


def judge_stalled(samples: list[Figures]) -> Verdict:
    """The client is closed with 1013. It sees only the end, because the close frame is behind its unread bytes."""
    closed = column(samples, "stalled_closed")
    return Verdict(
        "the client that never reads",
        "",
        f"closed in {sum(closed):.0f} of {len(closed)} runs",
        "closed",
        min(closed) == STALLED,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    prepare()
    try:
        samples = measure_all(options)
    except Unmeasured as error:
        progress("NOT MEASURED", str(error))
        return 1
    verdicts = judge(samples, options.secs)
    context = (
        f"{machine()}; {options.conns:,} connections, medians of {options.runs} runs of"
        f" {options.secs:g} s"
    )
    print(f"{context}.\n")
    print("| | without bad clients | with eleven | target | verdict |")
    print("|---|---:|---:|---|---|", *verdicts, sep="\n")
    if options.json:
        table = [asdict(one) for one in verdicts]
        result = {"context": context, "verdicts": table, "samples": samples}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if all(one.holds for one in verdicts) else 1


# fmt: off
def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.flood",
        description="Measure the effect of eleven bad clients on all others.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--server", default=BENNU.replace("{app}", "benchmarks.endpoint:guarded"), metavar="COMMAND", help="the server under test; {port} is filled in")
    add("--conns", type=int, default=5_000, help="good connections")
    add("--runs", type=int, default=3, help="runs of each kind")
    add("--secs", type=float, default=20, help="seconds of load in a run")
    add("--attempts", type=int, default=5, help="attempts for a run that is disturbed")
    add("--max-wait", type=float, default=0.10, help="highest share of the time that the server waits for its core")
    add("--max-foreign", type=float, default=0.25, help="highest number of cores that other programs use")
    add("--cores", type=cores, default="0,1", help="the core of the server, and the core of the generator")
    add("--json", type=Path, metavar="FILE", help="also write the verdicts and all samples to FILE")
    return parser.parse_args(arguments)
# fmt: on


if __name__ == "__main__":
    sys.exit(main())
