"""The periods: their rules, and the silence of an idle replica."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.presence.crdt import Periods


@pytest.mark.conformance("TR002", "TR003")
@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"broadcast": 2.0, "down": 3.9}, r"down must be at least twice broadcast.*4\.0.*got 3\.9"),
        ({"down": 30.0, "permdown": 30.0}, r"permdown must be more than down.*30\.0.*got 30\.0"),
        ({"broadcast": 0.0}, r"broadcast must be more than 0 seconds; got 0\.0"),
        ({"max_silent": -1}, r"max_silent must be a number from 0; got -1"),
        ({"clock_samples": 0}, r"clock_samples must be a number from 1; got 0"),
    ],
)
def test_periods_that_break_a_rule_are_refused(options: dict[str, Any], rule: str) -> None:
    """The error names the rule and the value."""
    with pytest.raises(ValueError, match=rule):
        Periods(**options)


def test_the_defaults_are_those_of_phoenix() -> None:
    """The values are in seconds. An idle replica sends in every eleventh period."""
    assert Periods() == Periods(1.5, 10, 30.0, 1200.0, 2)
    assert Periods().silent_ticks == 10


@pytest.mark.parametrize(
    ("down", "ticks"), [(2.0, 0), (2.9, 0), (3.0, 1), (9.0, 5), (16.5, 10), (100.0, 10)]
)
def test_whoever_is_idle_speaks_often_enough_not_to_be_down(down: float, ticks: int) -> None:
    """This also holds if max_silent allows a longer silence than down."""
    periods = Periods(broadcast=1.0, down=down)
    assert periods.silent_ticks == ticks
    assert (ticks + 1) * periods.broadcast < down
