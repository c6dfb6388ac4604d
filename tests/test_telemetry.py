"""Telemetry: who listens hears every event; logs read as Phoenix's do, with the secrets hidden."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from bennu.message import Message
from bennu.reasons import DropReason, Limit
from bennu.telemetry import (
    MAX_DROP_TOPICS,
    MAX_TOPIC,
    ChannelHandledIn,
    ChannelJoined,
    Event,
    LimitExceeded,
    LogHandler,
    MessagesDropped,
    ParameterFilter,
    PresenceChanged,
    ReplicaChanged,
    SocketConnected,
    Telemetry,
    readable,
)

JOINED = ChannelJoined("room:1", "Room", {}, "ok", 0.0)


@dataclass
class Card:
    """A value of the application's own."""

    password: str


class Signed(msgspec.Struct):
    """Another."""

    token: str


def test_all_handlers_hear_an_event_in_the_order_in_which_they_came() -> None:
    """A handler gets the event itself."""
    heard: list[tuple[int, Event]] = []
    telemetry = Telemetry()
    telemetry.attach(lambda event: heard.append((1, event)))
    telemetry.attach(lambda event: heard.append((2, event)))

    telemetry.emit(JOINED)

    assert heard == [(1, JOINED), (2, JOINED)]


def test_a_detached_handler_hears_nothing_more_and_the_others_still_do() -> None:
    """What ``attach`` returns takes the handler away, and does no harm when called again."""
    heard: list[str] = []
    telemetry = Telemetry()
    detach = telemetry.attach(lambda event: heard.append("first"))
    telemetry.attach(lambda event: heard.append("second"))

    detach()
    detach()
    telemetry.emit(JOINED)

    assert heard == ["second"]


def test_a_handler_that_raises_is_logged_and_the_others_still_hear(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Somebody's broken metrics break nothing else."""
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise ValueError("broken")

    telemetry = Telemetry()
    telemetry.attach(broken)
    telemetry.attach(heard.append)

    telemetry.emit(JOINED)

    assert heard == [JOINED]
    assert caplog.messages == ["A telemetry handler failed on ChannelJoined"]


def test_an_endpoint_that_nobody_listens_to_has_no_handlers() -> None:
    """Then events are not even made."""
    telemetry = Telemetry()
    detach = telemetry.attach(lambda event: None)
    assert telemetry.handlers

    detach()

    assert not telemetry.handlers


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(
            {"foo": "bar", "my_password": "x", "api_token": 1},
            {"foo": "bar", "my_password": "[FILTERED]", "api_token": "[FILTERED]"},
            marks=pytest.mark.conformance("LG001"),
            id="top level",
        ),
        pytest.param(
            {"a": {"b": {"password": {"deep": 1}, "c": 2}}},
            {"a": {"b": {"password": "[FILTERED]", "c": 2}}},
            marks=pytest.mark.conformance("LG002"),
            id="nested maps",
        ),
        pytest.param(
            {"a": [{"password": "x", "b": 1}, [{"token": None}]]},
            {"a": [{"password": "[FILTERED]", "b": 1}, [{"token": "[FILTERED]"}]]},
            marks=pytest.mark.conformance("LG003"),
            id="lists of maps",
        ),
        pytest.param(
            {"card": Card("x"), "signed": Signed("x")},
            {"card": Card("x"), "signed": Signed("x")},
            marks=pytest.mark.conformance("LG004"),
            id="structs untouched",
        ),
        pytest.param(
            {1: "a", None: {"token": "b"}, "c": 3},
            {1: "a", None: {"token": "[FILTERED]"}, "c": 3},
            marks=pytest.mark.conformance("LG005"),
            id="keys that are no text",
        ),
        pytest.param({"Password": "x"}, {"Password": "x"}, id="case matters"),
        pytest.param(["password", "a"], ["password", "a"], id="a value alone is no secret"),
        pytest.param("text", "text", id="no map at all"),
    ],
)
def test_discarding_hides_what_stands_under_a_key_that_contains_a_term(
    value: Any, shown: Any
) -> None:
    """The default terms are password and token; the value itself stays as it is."""
    before = repr(value)

    assert ParameterFilter()(value) == shown
    assert repr(value) == before


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a=1&password=hunter2&b=2", marks=pytest.mark.conformance("SK017")),
        pytest.param("a=1&password=hunter2", marks=pytest.mark.conformance("SK018")),
        pytest.param("a=%zz&&password=hunter2=&", marks=pytest.mark.conformance("SK019")),
    ],
)
def test_a_form_encoded_value_with_a_secret_is_hidden_as_a_whole(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Phoenix hides it where a message is shown; we show payloads in log lines only."""
    caplog.set_level(logging.DEBUG, logger="bennu")
    handled = ChannelHandledIn("room:1", "Room", "new", "1", {"value": text, "b": 1}, 0.0)

    LogHandler(ParameterFilter())(handled)

    assert "Parameters: {'value': '[FILTERED]', 'b': 1}" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.conformance("SK017", "SK018", "SK019")
def test_a_message_that_is_shown_does_not_show_its_json_payload() -> None:
    """A payload is raw until a handler decodes it, so there is nothing to filter."""
    raw = msgspec.Raw(b'{"value":"a=1&password=hunter2"}')

    assert "hunter2" not in repr(Message("1", "2", "room:1", "new", raw))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(
            {"id": 1, "foo": "x", "n": None},
            {"id": 1, "foo": "[FILTERED]", "n": "[FILTERED]"},
            marks=pytest.mark.conformance("LG006"),
            id="everything not named",
        ),
        pytest.param(
            {"user": {"id": {"password": "kept"}, "x": 1}, "id": Card("x")},
            {"user": {"id": {"password": "kept"}, "x": "[FILTERED]"}, "id": Card("x")},
            marks=pytest.mark.conformance("LG007"),
            id="named values whole, nested below and structs too",
        ),
        pytest.param(
            {"a": [1, {"b": 2, "id": 3}], "c": {}, "d": Card("x")},
            {"a": ["[FILTERED]", {"b": "[FILTERED]", "id": 3}], "c": {}, "d": "[FILTERED]"},
            marks=pytest.mark.conformance("LG008"),
            id="leaves only, inside of lists too",
        ),
        pytest.param({"my_id": 1}, {"my_id": "[FILTERED]"}, id="exactly these keys"),
        pytest.param("text", "[FILTERED]", id="no map at all"),
    ],
)
def test_keeping_shows_only_what_stands_under_the_named_keys(value: Any, shown: Any) -> None:
    """The shape of the value stays visible, its leaves do not."""
    assert ParameterFilter(keep=["id"])(value) == shown


@pytest.mark.conformance("LG009")
def test_a_filter_is_made_once_and_used_for_every_value() -> None:
    """Ours is always a value that is made ahead; other terms replace the default ones."""
    hide = ParameterFilter(("secret",))

    for _ in range(2):
        assert hide({"my_secret": 1, "password": 2}) == {"my_secret": "[FILTERED]", "password": 2}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0µs"),
        (0.000_000_4, "0µs"),
        (0.000_812, "812µs"),
        (0.001, "1000µs"),
        (0.001_001, "1ms"),
        (0.001_999, "1ms"),
        (0.0032, "3ms"),
        (12.3456, "12345ms"),
    ],
)
def test_durations_read_as_in_phoenix(seconds: float, text: str) -> None:
    """Beyond 1000 µs they are whole milliseconds."""
    assert readable(seconds) == text


@pytest.mark.parametrize(
    ("event", "level", "line"),
    [
        pytest.param(
            SocketConnected(
                "/socket", "websocket", "V2 JSON", {"token": "s", "vsn": "2.0.0"}, "ok", 0.002
            ),
            logging.INFO,
            "CONNECTED TO /socket in 2ms\n  Transport: websocket\n  Serializer: V2 JSON\n"
            "  Parameters: {'token': '[FILTERED]', 'vsn': '2.0.0'}",
            marks=pytest.mark.conformance("WS020"),
        ),
        pytest.param(
            SocketConnected("/socket", "longpoll", "V1 JSON", {}, "error", 0.000_5),
            logging.INFO,
            "REFUSED CONNECTION TO /socket in 500µs\n  Transport: longpoll\n"
            "  Serializer: V1 JSON\n  Parameters: {}",
        ),
        pytest.param(
            ChannelJoined("room:1", "Room", {"password": "p", "a": 1}, "ok", 0.003),
            logging.INFO,
            "JOINED room:1 in 3ms\n  Parameters: {'password': '[FILTERED]', 'a': 1}",
            marks=pytest.mark.conformance("WS022"),
        ),
        pytest.param(
            ChannelJoined("room:1", "Room", {}, "error", 0.003),
            logging.INFO,
            "REFUSED JOIN room:1 in 3ms\n  Parameters: {}",
        ),
        pytest.param(
            ChannelHandledIn("room:1", "Room", "new_msg", "7", {"password": "p"}, 0.000_042),
            logging.DEBUG,
            "HANDLED new_msg INCOMING ON room:1 (Room) in 42µs\n"
            "  Parameters: {'password': '[FILTERED]'}",
            marks=pytest.mark.conformance("WS023"),
        ),
        (
            ReplicaChanged("presence_shard0", "web-2", "down"),
            logging.WARNING,
            "NODE web-2 is down for presence_shard0",
        ),
        (
            ReplicaChanged("presence_shard0", "web-2", "up"),
            logging.INFO,
            "NODE web-2 is up for presence_shard0",
        ),
    ],
)
def test_log_lines_read_as_in_phoenix(
    event: Event, level: int, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Connects and joins are logged as information, handled events for debugging."""
    caplog.set_level(logging.DEBUG, logger="bennu")

    LogHandler(ParameterFilter())(event)

    assert caplog.record_tuples == [("bennu", level, line)]


@pytest.mark.parametrize("topic", ["phoenix", "phoenix:live_reload"])
def test_topics_that_begin_with_phoenix_have_no_log_lines(
    topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    """They are the framework's own (protocol, §2.5)."""
    caplog.set_level(logging.DEBUG, logger="bennu")
    log = LogHandler(ParameterFilter())

    log(ChannelJoined(topic, "Reloader", {}, "ok", 0.0))
    log(ChannelHandledIn(topic, "Reloader", "ping", "1", {}, 0.0))

    assert caplog.records == []


def test_a_handler_that_is_attached_twice_is_detached_once_at_a_time() -> None:
    """Each attach has a detach of its own."""
    telemetry, heard = Telemetry(), list[object]()
    detach = telemetry.attach(heard.append)
    telemetry.attach(heard.append)
    detach()
    detach()
    telemetry.emit(ChannelJoined("room:1", "Room", {}, "ok", 0.0))
    assert len(heard) == 1


def test_drops_are_counted_by_topic_and_reason_and_told() -> None:
    """What is lost is counted whether somebody listens or not."""
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
    """Beyond ten thousand topics the counters share one."""
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


def test_presences_that_come_and_go_are_told_but_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It happens all the time."""
    caplog.set_level(logging.DEBUG)
    LogHandler(ParameterFilter())(PresenceChanged("presence", "room:1", 1, 0, 1, 1))
    assert caplog.records == []


def test_limits_that_are_exceeded_are_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    """Whether somebody listens or not; the log is written by who refuses."""
    caplog.set_level(logging.DEBUG)
    telemetry = Telemetry()
    telemetry.limit_exceeded(Limit.JOINS, "192.0.2.1")
    heard: list[object] = []
    telemetry.attach(heard.append)
    telemetry.attach(LogHandler(ParameterFilter()))
    telemetry.limit_exceeded(Limit.JOINS, "192.0.2.1", "room:1")
    assert telemetry.exceeded == {Limit.JOINS: 2}
    assert heard == [LimitExceeded(Limit.JOINS, "192.0.2.1", "room:1")]
    assert caplog.records == []
