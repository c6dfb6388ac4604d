"""The judge of the suite's reports, with made-up reports."""

from __future__ import annotations

from typing import Any

import pytest

from .__main__ import chosen
from .cases import COMPRESSION, CORE, INFORMATIONAL, NON_STRICT, QUICK
from .judging import judge, tally

FINE = {"behavior": "OK", "behaviorClose": "OK"}


def report(**changes: Any) -> dict[str, Any]:
    """Return a report without faults except these: ``c1_1_1="FAILED"``."""
    results: dict[str, Any] = dict.fromkeys(CORE, FINE)
    for name, behavior in changes.items():
        results[name[1:].replace("_", ".")] = {**FINE, "behavior": behavior}
    return results


def test_the_cases_are_those_of_the_suite() -> None:
    """The number of cases is that of release 25.10.1."""
    assert (len(CORE), len(QUICK), len(COMPRESSION)) == (301, 247, 216)
    assert INFORMATIONAL | NON_STRICT <= set(QUICK) <= set(CORE)
    assert not any(case.startswith("9.") for case in QUICK)


def test_all_is_well() -> None:
    """A result that is less than OK is accepted for the cases that can have it."""
    assert judge(report(), CORE) == []
    allowed = report(c3_2="NON-STRICT", c6_4_1="NON-STRICT", c7_1_6="INFORMATIONAL")
    assert judge(allowed, CORE) == []


@pytest.mark.parametrize(
    ("case", "behavior"),
    [
        ("2.1", "FAILED"),
        ("2.1", "NON-STRICT"),
        ("2.1", "INFORMATIONAL"),
        ("2.1", "UNIMPLEMENTED"),
        ("3.2", "FAILED"),
        ("3.2", "INFORMATIONAL"),
        ("7.1.6", "NON-STRICT"),
        ("7.1.6", "FAILED"),
        ("2.1", "something new"),
    ],
)
def test_a_case_that_is_not_as_it_should_be(case: str, behavior: str) -> None:
    """The fault has the case and its result, and no other case."""
    changed = report(**{f"c{case.replace('.', '_')}": behavior})
    assert judge(changed, CORE) == [f"{case}: {behavior}"]


@pytest.mark.parametrize("close", ["FAILED", "WRONG CODE", "UNCLEAN", "FAILED BY CLIENT"])
def test_a_close_that_is_not_as_it_should_be(close: str) -> None:
    """A wrong close is a fault too."""
    results = report() | {"1.1.1": {"behavior": "OK", "behaviorClose": close}}
    assert judge(results, CORE) == [f"1.1.1: OK, but its closing handshake: {close}"]


def test_a_case_that_is_missing() -> None:
    """A case is missing if the server died."""
    results = report()
    del results["10.1.1"]
    assert judge(results, CORE) == ["10.1.1: it is not in the report"]


def test_a_port_on_which_nobody_listens() -> None:
    """The suite exits with 0 and an empty report: every case is missing."""
    assert len(judge({}, CORE)) == 301
    assert tally({}) == "nothing"


def test_an_entry_that_says_nothing() -> None:
    """An entry without a result is a fault."""
    assert judge({"1.1.1": {}}, ["1.1.1"]) == ["1.1.1: None"]


def test_a_case_that_nobody_asked_for() -> None:
    """An unknown case is a fault: the suite has another version."""
    assert judge(report() | {"8.1.1": FINE}, CORE) == ["8.1.1: nobody asked for it"]


def test_the_tally() -> None:
    """The tally has the number of cases of each result."""
    assert tally(report(c3_2="NON-STRICT")) == "300 OK, 1 NON-STRICT"


def test_some_cases_alone() -> None:
    """Each case runs against its path. An unknown case is an error."""
    runs = chosen(["12.1.1", "9.1.6"])
    assert [(run.path, run.cases) for run in runs] == [
        ("/plain", ["9.1.6"]),
        ("/compressed", ["12.1.1"]),
    ]
    with pytest.raises(SystemExit, match=r"8\.1\.1"):
        chosen(["8.1.1"])
