"""Feeds hostile bytes to each function that reads a stranger's bytes, for any time.

    scripts/fuzz                      one minute, all targets in turn
    scripts/fuzz 600                  ten minutes
    scripts/fuzz 600 frames term      only these targets
    scripts/fuzz --input BASE64 term  one input, to see its outcome

It exits with 1 if there is a finding, and prints how to repeat it. With --add a finding becomes a file of
the corpus, which every later test run uses.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import random
import sys
import time
from collections.abc import Sequence
from typing import Final

from .engine import Finding, Run, grown_by, replay
from .targets import CORPUS, TARGETS, Target

SLICE: Final = 5.0
"""Seconds of one target before the next target runs."""
BATCH: Final = 2000
MAX_GROWTH: Final = 100_000
"""Bytes by which memory can grow over a batch of inputs: less than one byte for each input."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what", nargs="*", metavar="seconds, targets", help=f"60, of all: {', '.join(TARGETS)}"
    )
    parser.add_argument("--seed", type=int, help="of all chance; another one each time by default")
    parser.add_argument("--add", action="store_true", help="add findings to the corpus")
    parser.add_argument("--input", metavar="BASE64", help="feed this one to the target")
    options = parser.parse_args(arguments)
    seconds, names = _sort(options.what)
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    targets = [TARGETS[name] for name in names or TARGETS]
    if options.input is not None:
        for target in targets:
            tell(f"{target.name}: {replay(target, base64.b64decode(options.input))}")
        return 0
    seed = random.SystemRandom().getrandbits(32) if options.seed is None else options.seed
    findings = fuzz(targets, seconds, seed)
    for finding in findings:
        explain(finding, add=options.add)
    return 1 if findings else 0


def _sort(words: list[str]) -> tuple[float, list[str]]:
    """Split the arguments into the seconds, if they are given, and the targets."""
    try:
        return float(words[0]), words[1:]
    except (IndexError, ValueError):
        return 60.0, words


def fuzz(targets: Sequence[Target], seconds: float, seed: int) -> list[Finding]:
    """Fuzz targets in turn; return what was found."""
    tell(f"seed {seed}, {seconds:g} s, {len(targets)} targets")
    runs = [Run(target, random.Random(f"{seed} {target.name}")) for target in targets]
    end = time.monotonic() + seconds
    turn = min(SLICE, seconds / len(runs))
    while (left := end - time.monotonic()) > 0 and not all(run.is_over for run in runs):
        for run in runs:
            run.go_on(min(turn, left))
            tell(progress(run))
    found = [finding for run in runs for finding in run.findings]
    for run in runs:
        batch = BATCH // run.target.weight
        grown, objects = grown_by(run, batch)
        if grown > MAX_GROWTH or objects > batch:
            text = f"memory grew by {grown} bytes and {objects} objects over {batch} inputs"
            found.append(Finding(run.target.name, b"", text))
    inputs, spent = sum(run.inputs for run in runs), sum(run.seconds for run in runs)
    tell(f"{inputs:,} inputs in {spent:.0f} s, {len(found)} findings")
    return found


def progress(run: Run) -> str:
    """Return how far a target is."""
    took, size = run.slowest
    return (
        f"{run.target.name:28} {run.inputs:>10,} inputs {run.inputs / max(run.seconds, 1e-9):>8,.0f}/s"
        f" {run.behaviours:>5} behaviours  slowest {took * 1000:.1f} ms of {size} bytes"
        f"  {len(run.findings)} findings"
    )


def explain(finding: Finding, *, add: bool) -> None:
    """Print a finding, and how to repeat it."""
    tell(f"\nFOUND in {finding.target}: {finding.error}")
    if not finding.data:
        return
    tell(f"  by {finding.data[:200]!r}")
    tell(
        f"  again: scripts/fuzz --input {base64.b64encode(finding.data).decode()} {finding.target}"
    )
    if add:
        digest = hashlib.sha256(finding.data).hexdigest()[:12]
        path = CORPUS / finding.target / f"found_{digest}.bin"
        path.write_bytes(finding.data)
        tell(f"  added: {path.name}")


def tell(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201 - this is a command


if __name__ == "__main__":
    sys.exit(main())
