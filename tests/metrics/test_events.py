"""What is rare is counted by a handler of telemetry."""

from __future__ import annotations

import pytest

from bennu.metrics.events import COUNTED, EventCounter
from bennu.metrics.families import Labels, schema_of
from bennu.metrics.rows import new_block
from bennu.metrics.tallies import Tallies
from bennu.metrics.totals import Totals
from bennu.reasons import DropReason, Limit, LossReason
from bennu.telemetry import (
    BusCutOff,
    BusMessagesLost,
    LimitExceeded,
    LoopHeld,
    MessagesDropped,
    PresenceChanged,
    StoreCalled,
)

EVENTS: dict[object, dict[str, float]] = {
    MessagesDropped("room:1", DropReason.SLOW_OLDEST, 3): {"bennu_messages_dropped slow_oldest": 3},
    LimitExceeded(Limit.JOINS, "10.0.0.1"): {"bennu_limits_exceeded joins": 1},
    LoopHeld("Room.say", "app.py:7", 0.5): {"bennu_loop_held": 1, "bennu_loop_held_seconds": 0.5},
    PresenceChanged("rooms", "room:1", 1, 0, 1, 1): {"bennu_presence_diffs rooms": 1},
    BusCutOff("node", 3.0): {"bennu_bus_cut_off": 1},
    BusMessagesLost("node", None, 5, LossReason.GAP): {
        "bennu_bus_losses gap": 1,
        "bennu_bus_messages_lost gap": 5,
    },
    BusMessagesLost("node", None, None, LossReason.TAIL): {"bennu_bus_losses tail": 1},
    StoreCalled("redis", "append", "ok", 0.5): {"bennu_store_seconds append ok": 1},
    StoreCalled("redis", "compact", "error", 0.5): {"bennu_store_seconds other error": 1},
}


@pytest.mark.parametrize("event", EVENTS, ids=[" ".join(counted) for counted in EVENTS.values()])
def test_an_event_is_counted(event: object) -> None:
    schema = schema_of(Labels((), (), ("rooms",), has_bus=True, has_store=True))
    block, totals = new_block(schema.words), Totals()
    EventCounter(Tallies(schema, block, {}, lambda topic: topic))(event)
    totals.add(schema, block)
    counted = {
        " ".join((family.name, *series)): sum(words[:-1]) or words[-1]
        for family, values in totals
        for series, words in values.items()
        if any(words)
    }
    assert counted == EVENTS[event]


def test_all_counted_events_are_tested() -> None:
    assert {type(event) for event in EVENTS} == set(COUNTED)
