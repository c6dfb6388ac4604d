"""Verdicts, and the table of docs/security.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import ROOT

from .attack import Attack
from .fight import Outcome, Waits

__all__ = ["PAGE", "Verdict", "excessive", "judge", "write"]

PAGE = ROOT / "docs" / "security.md"
START, END = "<!-- attacks: begin -->", "<!-- attacks: end -->"

PATIENCE = 0.25
"""Seconds that the answer to a heartbeat can take, on top of `TIMES` times the calm time."""
PATIENCE_AT_FIRST = 1.0
"""The same for a connect with a join, which takes at least five turns of the server's loop."""
TIMES = 10
"""How many times its calm time a wait can be."""
ALLOWANCE = 24.0
"""Megabytes on top of the stated limits, for the allocator and for the first request of each kind."""
MARGIN = 24.0
"""Megabytes that can stay after the attack, for the same reasons."""


@dataclass(frozen=True)
class Verdict:
    """An attack, its measurements, and the conditions that it broke."""

    attack: Attack
    outcome: Outcome
    faults: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether all conditions hold."""
        return not self.faults

    def __str__(self) -> str:
        outcome = self.outcome
        seen = ", ".join(f"{name} {count:,}" for name, count in sorted(outcome.seen.items()))
        return (
            f"{self.attack.name:28} {milliseconds(outcome.calm.median):>7}"
            f" {milliseconds(outcome.beats.p99):>8} {milliseconds(outcome.beats.worst):>8}"
            f" {milliseconds(outcome.newcomers.worst):>8}"
            f" {outcome.before:5.0f} {outcome.peak:5.0f} {outcome.after:5.0f}"
            f" {outcome.cpu:5.2f} {outcome.starved:5.2f}"
            f"  {'holds' if self.holds else 'MISSED: ' + '; '.join(self.faults)}"
            + (f"  ({seen})" if seen else "")
        )

    def row(self) -> str:
        """Return the row of the table."""
        attack, outcome = self.attack, self.outcome
        cells = (
            f"`{attack.name}`",
            attack.what.rstrip("."),
            attack.bound,
            f"{outcome.peak - outcome.before:.0f} of {attack.memory + ALLOWANCE:.0f}",
            f"{outcome.after - outcome.before:.0f}",
            milliseconds(outcome.calm.median),
            milliseconds(outcome.beats.p99),
            milliseconds(outcome.beats.worst),
            "holds" if self.holds else "**missed**: " + "; ".join(self.faults),
        )
        return f"| {' | '.join(cells)} |"


HEADER = (
    f"{'attack':28} {'calm':>7} {'p99':>8} {'worst':>8} {'newcomer':>8}"
    f" {'MB':>5} {'peak':>5} {'after':>5} {'cpu':>5} {'wait':>5}"
)
COLUMNS = (
    "| attack | what it does | bound | MB more, of those allowed | MB that stay |"
    " calm, ms | p99, ms | worst, ms | |\n|---|---|---|---:|---:|---:|---:|---:|---|"
)


def milliseconds(seconds: float) -> str:
    """Return a time as text."""
    return f"{seconds * 1000:.1f}" if seconds < 0.1 else f"{seconds * 1000:,.0f}"


def judge(attack: Attack, outcome: Outcome) -> Verdict:
    """Return the verdict about an attack."""
    faults = [
        *late("heartbeats", PATIENCE, outcome.calm, outcome.beats),
        *late("newcomers", PATIENCE_AT_FIRST, outcome.calm_newcomers, outcome.newcomers),
        *excessive(attack, outcome),
    ]
    return Verdict(attack, outcome, tuple(faults))


def excessive(attack: Attack, outcome: Outcome) -> list[str]:
    """Return the broken conditions that are no times. They don't depend on how busy the machine is."""
    faults: list[str] = []
    grown, stays = outcome.peak - outcome.before, outcome.after - outcome.before
    if grown > attack.memory + ALLOWANCE:
        faults.append(f"{grown:.0f} MB more, {attack.memory:.0f} stated")
    if stays > MARGIN:
        faults.append(f"{stays:.0f} MB stay")
    for name, most in attack.at_most.items():
        if outcome.seen.get(name, 0) > most:
            faults.append(f"{name}: {outcome.seen[name]}, at most {most} stated")
    if outcome.logged > attack.log:
        faults.append(f"{outcome.logged:.1f} MB of log")
    if outcome.errors:
        faults.append(f"{len(outcome.errors)} tracebacks in the log: {outcome.errors[0][:100]}")
    return faults


def late(who: str, patience: float, calm: Waits, attacked: Waits) -> list[str]:
    """Return the broken conditions about the waits of honest clients."""
    allowed = patience + TIMES * calm.median
    faults = []
    if attacked.unanswered:
        faults.append(f"{attacked.unanswered} {who} unanswered")
    if attacked.worst > allowed:
        worst, bound = milliseconds(attacked.worst), milliseconds(allowed)
        faults.append(f"{who} waited {worst} ms, {bound} allowed")
    return faults


def write(verdicts: Mapping[str, Verdict], machine: str, page: Path = PAGE) -> None:
    """Replace the table of the page."""
    text = page.read_text()
    before, found, rest = text.partition(START)
    _, found_end, after = rest.partition(END)
    if not found or not found_end:
        raise ValueError(f"{page} has no {START} and {END}")
    rows = "\n".join(verdict.row() for verdict in verdicts.values())
    page.write_text(f"{before}{START}\n{machine}\n\n{COLUMNS}\n{rows}\n{END}{after}")
