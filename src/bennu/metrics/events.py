"""Counts what is rare, as a handler of telemetry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..telemetry import (
    BusCutOff,
    BusMessagesLost,
    LimitExceeded,
    LoopHeld,
    MessagesDropped,
    PresenceChanged,
    StoreCalled,
)
from .families import OTHER
from .tallies import Tallies

__all__ = ["COUNTED", "EventCounter"]


def _dropped(tallies: Tallies, event: MessagesDropped) -> None:
    tallies.add("bennu_messages_dropped", event.reason.text, count=event.count)


def _exceeded(tallies: Tallies, event: LimitExceeded) -> None:
    tallies.add("bennu_limits_exceeded", event.limit.text)


def _held(tallies: Tallies, event: LoopHeld) -> None:
    tallies.add("bennu_loop_held")
    tallies.add_seconds("bennu_loop_held_seconds", event.duration)


def _presence(tallies: Tallies, event: PresenceChanged) -> None:
    tallies.add("bennu_presence_diffs", event.presence)


def _cut_off(tallies: Tallies, event: BusCutOff) -> None:
    del event
    tallies.add("bennu_bus_cut_off")


def _lost(tallies: Tallies, event: BusMessagesLost) -> None:
    tallies.add("bennu_bus_losses", event.reason.text)
    tallies.add("bennu_bus_messages_lost", event.reason.text, count=event.count or 0)


def _called(tallies: Tallies, event: StoreCalled) -> None:
    name = "bennu_store_seconds"
    known = tallies.schema.has(name, event.method, event.result)
    tallies.observe(name, event.duration, event.method if known else OTHER, event.result)


_COUNTERS: Final[dict[type[Any], Callable[[Tallies, Any], None]]] = {
    MessagesDropped: _dropped,
    LimitExceeded: _exceeded,
    LoopHeld: _held,
    PresenceChanged: _presence,
    BusCutOff: _cut_off,
    BusMessagesLost: _lost,
    StoreCalled: _called,
}

COUNTED: Final = tuple(_COUNTERS)
"""The classes of the events that are counted."""


class EventCounter:
    """Counts events of telemetry.

    Args:
        tallies: The tallies of the endpoint.
    """

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies

    def __call__(self, event: object) -> None:
        """Count an event of one of the classes in :data:`COUNTED`."""
        _COUNTERS[type(event)](self._tallies, event)
