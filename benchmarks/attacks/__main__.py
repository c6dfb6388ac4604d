"""The command: runs attacks, judges the results, and prints them."""

import argparse
import json
import os
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.compare import machine
from benchmarks.measure import Unmeasured

# In the order of the table.
from . import polling, requests, rooms, sizes, texts, work  # noqa: F401 - each registers its attacks
from .attack import ATTACKS, Attack, Battle
from .fight import DEFAULT_SERVER, Outcome, fight
from .report import HEADER, Verdict, judge, write

OPEN_FILES = 8_192
NICE = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = parse(arguments)
    allow_open_files()
    if options.as_attacker:
        return attack_now(ATTACKS[options.names[0]], int(options.as_attacker))
    if options.read:
        write(read(options.read), context())
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an exit also stops the server
    tell(HEADER)
    verdicts: dict[str, Verdict] = {}
    for name in options.names or ATTACKS:
        verdict = repeated(ATTACKS[name], options)
        if verdict is not None:
            verdicts[name] = verdict
        if options.json:
            table = {name: asdict(verdict.outcome) for name, verdict in verdicts.items()}
            options.json.write_text(json.dumps(table, indent=1) + "\n")
    asked = len(options.names or ATTACKS)
    held = sum(verdict.holds for verdict in verdicts.values())
    tell(f"{held} of {asked} hold")
    if options.write:
        write(verdicts, context())
    return 0 if held == asked else 1


def context() -> str:
    """Return the date and the machine of the measurement."""
    return f"{datetime.now(UTC):%Y-%m-%d}, {machine()}."


def read(files: Sequence[Path]) -> dict[str, Verdict]:
    """Return the verdicts about figures that --json wrote. If an attack is in several files, the last one counts."""
    figures: dict[str, Any] = {}
    for file in files:
        figures |= json.loads(file.read_text())
    return {
        name: judge(attack, Outcome.of(figures[name]))
        for name, attack in ATTACKS.items()
        if name in figures
    }


def repeated(attack: Attack, options: argparse.Namespace) -> Verdict | None:
    """Run an attack until it holds, or until the attempts are used up: a real fault appears every time."""
    verdict: Verdict | None = None
    for _ in range(options.attempts):
        try:
            verdict = judge(attack, fight(attack, options.server))
        except Unmeasured as error:
            tell(f"{attack.name:28} NOT MEASURED: {error}")
            continue
        tell(str(verdict))
        if verdict.holds:
            break
    return verdict


def attack_now(attack: Attack, port: int) -> int:
    """Run as the attacker, at a lower priority, so that the attacker takes no core from the server."""
    os.nice(NICE)
    battle = Battle(port, attack.seconds)
    try:
        attack.run(battle)
    except OSError as error:
        battle.seen[f"gave up: {error}"] += 1
        battle.wait()
    battle.forget()
    sys.stdout.write(json.dumps(battle.seen))
    return 0


def allow_open_files() -> None:
    """Raise the limit of open files, as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def tell(text: str) -> None:
    """Print a line without buffering."""
    print(text, flush=True)


# fmt: off
def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.attacks",
        description="Attack a server, and measure what its other clients notice.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="ATTACK", help=f"run only these attacks, out of {', '.join(ATTACKS)}")
    add("--server", default=DEFAULT_SERVER, metavar="COMMAND", help="the server under attack; {port} and {app} are filled in")
    add("--attempts", type=int, default=3, help="attempts for an attack that misses; on a busy machine a miss can be noise")
    add("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    add("--write", action="store_true", help="write the table into docs/security.md")
    add("--read", type=Path, nargs="+", metavar="FILE", help="run no attack; write the table from the figures in FILEs")
    add("--as-attacker", metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in ATTACKS]
    if unknown:
        parser.error(f"unknown attack: {', '.join(unknown)}; the attacks are {', '.join(ATTACKS)}")
    if options.write and options.names:
        parser.error("--write needs all attacks")
    return options
# fmt: on


if __name__ == "__main__":
    sys.exit(main())
