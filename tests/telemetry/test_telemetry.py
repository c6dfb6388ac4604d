"""Telemetry: handlers get the events that they name, and counters count."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest

from bennu.errors import DefinitionError
from bennu.logs.hiding import ParameterFilter
from bennu.logs.log import BURST
from bennu.reasons import DropReason, Limit
from bennu.telemetry import (
    EVENTS,
    ChannelJoined,
    Event,
    LimitExceeded,
    LogHandler,
    MessagesDropped,
    Telemetry,
)
from bennu.telemetry.telemetry import MAX_DROP_TOPICS, MAX_TOPIC

from ..support.memory import endpoint_of, serve

JOINED = ChannelJoined("room:1", "Room", {}, "ok", 0.0)


def test_all_handlers_hear_an_event_in_the_order_in_which_they_came() -> None:
    """Each handler gets the event itself, in the order of attachment."""
    heard: list[tuple[int, Event]] = []
    telemetry = Telemetry()
    telemetry.attach(lambda event: heard.append((1, event)))
    telemetry.attach(lambda event: heard.append((2, event)))

    telemetry.tell(JOINED)

    assert heard == [(1, JOINED), (2, JOINED)]


def test_a_detached_handler_hears_nothing_more_and_the_others_still_do() -> None:
    """The result of ``attach`` removes the handler. A second call has no effect."""
    heard: list[str] = []
    telemetry = Telemetry()
    detach = telemetry.attach(lambda event: heard.append("first"))
    telemetry.attach(lambda event: heard.append("second"))

    detach()
    detach()
    telemetry.tell(JOINED)

    assert heard == ["second"]


def test_a_handler_that_raises_is_logged_and_the_others_still_hear(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A handler that raises is logged, and the other handlers are called."""
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise ValueError("broken")

    telemetry = Telemetry()
    telemetry.attach(broken)
    telemetry.attach(heard.append)

    for _ in range(BURST + 1):
        telemetry.tell(JOINED)

    assert heard == [JOINED] * (BURST + 1)
    assert caplog.messages == ["A telemetry handler failed on ChannelJoined"] * BURST


def test_a_handler_hears_the_classes_of_events_that_it_names() -> None:
    """A handler gets events of the classes that it names. Without names it gets all events."""
    joins: list[Event] = []
    everything: list[Event] = []
    telemetry = Telemetry()
    telemetry.attach(joins.append, ChannelJoined, LimitExceeded)
    telemetry.attach(everything.append)

    telemetry.tell(JOINED)
    telemetry.dropped("room:1", DropReason.NO_BINARY)
    telemetry.limit_exceeded(Limit.JOINS, None)

    assert joins == [JOINED, LimitExceeded(Limit.JOINS, None)]
    assert len(everything) == 3


def test_an_event_that_nobody_wants_has_no_handlers() -> None:
    """An event without handlers is not made."""
    telemetry = Telemetry()
    assert set(telemetry.handlers) == set(EVENTS)
    detach = telemetry.attach(lambda event: None, ChannelJoined)
    assert [kind for kind in EVENTS if telemetry.handlers[kind]] == [ChannelJoined]

    detach()

    assert not any(telemetry.handlers.values())


@dataclass(frozen=True)
class OrderPlaced:
    """An event of an application."""

    total: int


class LargeOrderPlaced(OrderPlaced):
    """A class below it."""


async def test_an_application_emits_its_own_events() -> None:
    """A handler gets the class that it names, and no class below it. Whether anybody wants one can be asked before."""
    heard: list[OrderPlaced] = []
    async with serve(endpoint_of({})) as server:
        telemetry = server.endpoint.telemetry
        assert not telemetry.wants(OrderPlaced)
        detach = telemetry.attach(heard.append, OrderPlaced)
        assert telemetry.wants(OrderPlaced)
        telemetry.emit(OrderPlaced(100))
        telemetry.emit(LargeOrderPlaced(1000))
        detach()
        telemetry.emit(OrderPlaced(1))
    assert heard == [OrderPlaced(100)]


def test_a_handler_of_everything_gets_no_event_of_the_application() -> None:
    heard: list[object] = []
    telemetry = Telemetry()
    telemetry.attach(heard.append)
    telemetry.tell(OrderPlaced(100))
    assert heard == []


@pytest.mark.parametrize("kind", ["ChannelJoined", JOINED])
def test_what_is_no_class_of_events_is_refused(kind: Any) -> None:
    with pytest.raises(DefinitionError, match="classes of events") as caught:
        Telemetry().attach(print, kind)
    assert caught.value.got == repr(kind)


def test_a_handler_that_is_attached_twice_is_detached_once_at_a_time() -> None:
    """A handler that is attached twice is detached once for each attach."""
    telemetry, heard = Telemetry(), list[object]()
    detach = telemetry.attach(heard.append)
    telemetry.attach(heard.append)
    detach()
    detach()
    telemetry.tell(ChannelJoined("room:1", "Room", {}, "ok", 0.0))
    assert len(heard) == 1


def test_drops_are_counted_by_topic_and_reason_and_told() -> None:
    """Drops are counted with and without a handler."""
    telemetry = Telemetry()
    telemetry.dropped("room:1", DropReason.NO_BINARY, 2)
    heard: list[object] = []
    telemetry.attach(heard.append)
    telemetry.dropped("room:1", DropReason.NO_BINARY)
    telemetry.dropped("room:2", DropReason.MAILBOX_FULL)
    assert telemetry.drops == {
        ("room:1", DropReason.NO_BINARY): 3,
        ("room:2", DropReason.MAILBOX_FULL): 1,
    }
    assert heard == [
        MessagesDropped("room:1", DropReason.NO_BINARY, 1),
        MessagesDropped("room:2", DropReason.MAILBOX_FULL, 1),
    ]


def test_counting_drops_does_not_grow_with_the_topics_that_clients_think_up() -> None:
    """Beyond ten thousand topics, all further topics share one counter."""
    telemetry = Telemetry()
    for number in range(MAX_DROP_TOPICS + 5):
        telemetry.dropped(f"room:{number}", DropReason.NO_BINARY)
    assert len(telemetry.drops) == MAX_DROP_TOPICS + 1
    assert telemetry.drops["*", DropReason.NO_BINARY] == 5


def test_a_topic_of_a_megabyte_is_counted_without_its_name() -> None:
    telemetry = Telemetry()
    telemetry.dropped("x" * MAX_TOPIC, DropReason.NO_BINARY)
    telemetry.dropped("x" * 1_000_000, DropReason.NO_BINARY, 2)
    assert telemetry.drops == {
        ("x" * MAX_TOPIC, DropReason.NO_BINARY): 1,
        ("*", DropReason.NO_BINARY): 2,
    }


def test_limits_that_are_exceeded_are_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    """Exceeded limits are counted with and without a handler. The log has the first of many."""
    caplog.set_level(logging.DEBUG)
    telemetry = Telemetry()
    telemetry.limit_exceeded(Limit.JOINS, "192.0.2.1")
    heard: list[object] = []
    telemetry.attach(heard.append)
    telemetry.attach(LogHandler(Telemetry(), ParameterFilter()))
    telemetry.limit_exceeded(Limit.JOINS, "192.0.2.1", "room:1")
    assert telemetry.exceeded == {Limit.JOINS: 2}
    assert heard == [LimitExceeded(Limit.JOINS, "192.0.2.1", "room:1")]
    (record,) = caplog.records
    assert record.getMessage() == (
        "Over a limit, Rates(joins=...): the client 192.0.2.1; 1 time(s) in all"
    )
