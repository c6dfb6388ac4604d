"""The events that clients get of a presence, by its mode."""

from __future__ import annotations

import pytest

from bennu import BySize, Count, Full, Presence, Sample
from bennu.contracts.presences import events_of
from bennu.presence.modes import Mode

STATE, DIFF, COUNT = "presence_state", "presence_diff", "presence_count"


@pytest.mark.parametrize(
    ("mode", "events"),
    [
        (Full(), [STATE, DIFF]),
        (Sample(3), [STATE, DIFF, COUNT]),
        (Count(), [COUNT]),
        (BySize({0: Full(), 10: Count()}), [STATE, DIFF, COUNT]),
    ],
)
def test_events(mode: Mode, events: list[str]) -> None:
    assert [one.name for one in events_of(Presence(mode=mode))] == events
