"""Short runs of the attacks of ``benchmarks.attacks``: the server's memory, its log, and its counts.

The delay of other clients is not checked, because that needs an idle machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import pytest

import benchmarks.attacks.__main__ as command
from benchmarks.attacks.attack import ATTACKS, Attack, Battle
from benchmarks.attacks.fight import Outcome, Sample, Waits, fight
from benchmarks.attacks.report import END, PAGE, START, excessive, judge, write

CHOSEN: Final = ("deflate_bombs",)
"""The attack for each run of CI."""

SLOW: Final = (
    "presence_keys",
    "polls_that_are_not_read",
    "many_connections",
    "pipelined_requests",
    "echoes_that_nobody_reads",
    "sessions_that_are_not_polled",  # its memory is returned after half a minute
)
"""The others that no other test covers: at least one of each kind."""


@pytest.mark.timeout(240)  # because each has three processes, and waits until memory is returned
@pytest.mark.parametrize(
    "name", [*CHOSEN, *(pytest.param(one, marks=pytest.mark.long) for one in SLOW)]
)
def test_an_attack_exceeds_no_bound(name: str) -> None:
    """The memory, the log and the counts stay within their bounds, and no traceback is logged."""
    attack = replace(ATTACKS[name], seconds=1)
    assert excessive(attack, fight(attack, calm=0.1)) == []


def test_every_kind_of_attack_is_tried_here() -> None:
    tried = {ATTACKS[name].kind for name in (*CHOSEN, *SLOW)}
    assert tried == {one.kind for one in ATTACKS.values()}


# The command.


def quiet(took: float) -> Waits:
    """Return equal delays."""
    return Waits.of([Sample("beat", 0.0, took, 0.0)] * 3)


def outcome(**changes: Any) -> Outcome:
    """Return an outcome without faults, except these changes."""
    calm = quiet(0.001)
    return replace(
        Outcome(calm, calm, calm, calm, 40.0, 45.0, 41.0, 0.5, 0.1, 0.01, [], {"accepted": 1}),
        **changes,
    )


def nothing(_battle: Battle) -> None:
    """Do nothing."""


ATTACK: Final = Attack(
    "idle", "work", "Does nothing.", nothing, "none", 5.0, at_most={"accepted": 1}
)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"beats": quiet(0.2)}, None),
        ({"beats": quiet(0.3)}, "heartbeats waited 300 ms, 260 allowed"),
        ({"newcomers": quiet(0.9)}, None),
        ({"newcomers": quiet(2)}, "newcomers waited 2,000 ms, 1,010 allowed"),
        ({"beats": Waits.of([Sample("beat", 0.0, None, 0.0)])}, "1 heartbeats unanswered"),
        ({"peak": 80.0}, "40 MB more, 5 stated"),
        ({"after": 70.0}, "30 MB stay"),
        ({"seen": {"accepted": 2}}, "accepted: 2, at most 1 stated"),
        ({"logged": 3.0}, "3.0 MB of log"),
        ({"errors": ["E: so"]}, "1 tracebacks in the log: E: so"),
    ],
)
def test_what_was_not_kept_is_said(changes: dict[str, Any], fault: str | None) -> None:
    verdict = judge(ATTACK, outcome(**changes))
    assert verdict.holds == (fault is None)
    assert fault is None or fault in verdict.faults
    assert "idle" in str(verdict)


def test_time_without_a_core_is_taken_off() -> None:
    waits = Waits.of([Sample("beat", 0.0, 0.5, 0.4), Sample("beat", 0.0, 0.1, 0.2)])
    assert waits.worst == pytest.approx(0.1)
    assert waits.median == pytest.approx(0.05)
    assert waits.raw == 0.5


def test_the_table_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{START}\nformer\n{END}\nafter\n")
    for _ in range(2):
        write({"idle": judge(ATTACK, outcome())}, "a machine", page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert text.count("| `idle` | Does nothing | none | 5 of 29 |") == 1
    assert "former" not in text


def test_figures_can_be_read_again(tmp_path: Path) -> None:
    """With several runs the last run counts."""
    files = [tmp_path / "first.json", tmp_path / "second.json"]
    for number, file in enumerate(files):
        figures = asdict(outcome(peak=41.0 + number))
        file.write_text(json.dumps({"pings": figures, f"unknown {number}": figures}))
    [verdict] = command.read(files).values()
    assert verdict.attack is ATTACKS["pings"]
    assert verdict.outcome == outcome(peak=42.0)


def rows() -> Iterator[str]:
    """Yield the names of the attacks on docs/security.md."""
    table = PAGE.read_text().partition(START)[2].partition(END)[0]
    for line in table.splitlines():
        if line.startswith("| `"):
            yield line.split("`")[1]


def test_the_page_has_every_attack() -> None:
    """The page lists the attacks in the order in which they run."""
    assert list(rows()) == list(ATTACKS)


def test_the_command_knows_its_attacks(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(["ping"])
    assert "unknown attack: ping; the attacks are " in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        command.main(["pings", "--write"])
    assert "--write needs all attacks" in capsys.readouterr().err
