"""Judges a report of the suite. The suite itself exits with 0 for any result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final

from .cases import INFORMATIONAL, NON_STRICT

__all__ = ["judge", "tally"]

ALLOWED: Final = {"INFORMATIONAL": INFORMATIONAL, "NON-STRICT": NON_STRICT}
"""The cases that can have such a result."""


def judge(results: Mapping[str, Mapping[str, Any]], expected: Collection[str]) -> list[str]:
    """Return a sentence for each fault; nothing if there is none.

    Args:
        results: The part of ``index.json`` about one server.
        expected: The cases that were run.
    """
    findings = [_judge_case(case, results.get(case)) for case in expected]
    strangers = [f"{case}: nobody asked for it" for case in results if case not in expected]
    return [finding for finding in findings if finding is not None] + strangers


def _judge_case(case: str, result: Mapping[str, Any] | None) -> str | None:
    if result is None:
        return f"{case}: it is not in the report"
    behavior, close = str(result.get("behavior")), str(result.get("behaviorClose"))
    if behavior != "OK" and case not in ALLOWED.get(behavior, ()):
        return f"{case}: {behavior}"
    if close != "OK" and case not in ALLOWED.get(close, ()):
        return f"{case}: {behavior}, but its closing handshake: {close}"
    return None


def tally(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the number of cases of each result, in one line.

    Example:
        >>> tally({"1.1.1": {"behavior": "OK"}})
        '1 OK'
    """
    counts = Counter(str(result.get("behavior")) for result in results.values())
    return ", ".join(f"{count} {behavior}" for behavior, count in counts.most_common()) or "nothing"
