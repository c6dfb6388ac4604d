"""The log lines about clients and the cluster: they read as Phoenix's do, with the secrets hidden."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from bennu.telemetry import (
    EVENTS,
    ChannelHandledIn,
    Event,
    LogHandler,
    MessageRefused,
    ParameterFilter,
    PresenceChanged,
    ReplicaChanged,
    SocketDrain,
    Telemetry,
)
from bennu.telemetry.log_handler import readable


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
    """From 1000 µs on, durations are in whole milliseconds."""
    assert readable(seconds) == text


Call = Callable[[LogHandler], object]


@pytest.mark.parametrize(
    ("call", "line"),
    [
        pytest.param(
            lambda log: log.connected(
                "/socket", "websocket", "V2 JSON", {"token": "s", "vsn": "2.0.0"}, 0.002
            ),
            "CONNECTED TO /socket in 2ms (websocket, V2 JSON)",
            marks=pytest.mark.conformance("WS020"),
        ),
        (
            lambda log: log.connected("/raw", "websocket", None, {}, 0.002),
            "CONNECTED TO /raw in 2ms (websocket, raw)",
        ),
        (
            lambda log: log.connect_refused("/socket", {}, "unauthorized"),
            "REFUSED CONNECTION TO /socket: unauthorized",
        ),
        pytest.param(
            lambda log: log.joined("room:1", lambda: {"password": "p", "a": 1}, 0.003),
            "JOINED room:1 in 3ms",
            marks=pytest.mark.conformance("WS022"),
        ),
        (lambda log: log.join_refused("room:1\n", dict, "full"), r"REFUSED JOIN room:1\n: full"),
    ],
    ids=["connected", "raw", "refused", "joined", "refused join"],
)
def test_connects_and_joins_have_one_short_line(
    call: Call, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The lines begin as in Phoenix. Parameters are only logged at the level DEBUG."""
    caplog.set_level(logging.INFO, logger="bennu")

    call(LogHandler(Telemetry(), ParameterFilter()))

    assert caplog.record_tuples == [("bennu.access", logging.INFO, line)]


def test_for_debugging_a_line_has_the_parameters_too_without_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="bennu")
    log = LogHandler(Telemetry(), ParameterFilter())
    parameters = {"token": "p", "a": "\n" * 1000}
    log.connected("/socket", "websocket", "V2 JSON", parameters, 0.002)
    log.connect_refused("/socket", parameters, "no")
    log.joined("room:1", lambda: parameters, 0.002)
    log.join_refused("room:1", lambda: parameters, "no")
    assert len(caplog.messages) == 4
    for message in caplog.messages:
        assert r" Parameters: {'token': '[FILTERED]', 'a': '\n\n" in message
        assert message.isprintable()
        assert len(message) < 1200


@pytest.mark.parametrize(
    ("event", "level", "line"),
    [
        pytest.param(
            ChannelHandledIn("room:1", "Room", "new_msg", "7", {"password": "p"}, 0.000_042),
            logging.DEBUG,
            "HANDLED new_msg INCOMING ON room:1 (Room) in 42µs Parameters: {'password': '[FILTERED]'}",
            marks=pytest.mark.conformance("WS023"),
        ),
        (
            MessageRefused("room:1", "Room", "new_msg", "7", "unknown_event"),
            logging.DEBUG,
            "REFUSED new_msg INCOMING ON room:1 (Room): unknown_event",
        ),
        (
            SocketDrain("/socket", 2, 6, 1, 3, 0.5, log=True),
            logging.INFO,
            "DRAINING 2 of 6 total connection(s) for socket /socket every 500ms - round 1 of 3",
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
    """Lines about messages have the level DEBUG."""
    caplog.set_level(logging.DEBUG, logger="bennu")

    LogHandler(Telemetry(), ParameterFilter())(event)

    name = "bennu.access" if level is logging.DEBUG else "bennu"
    assert caplog.record_tuples == [(name, level, line)]


@pytest.mark.parametrize(
    ("level", "kinds"),
    [
        (
            logging.DEBUG,
            {ChannelHandledIn, MessageRefused, SocketDrain, ReplicaChanged},
        ),
        (logging.INFO, {SocketDrain, ReplicaChanged}),
        (logging.WARNING, {ReplicaChanged}),
        (logging.ERROR, set()),
    ],
)
def test_the_log_wants_no_event_that_its_level_leaves_out(
    level: int, kinds: set[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """At the default level no event is made for a message. The level can change while the server runs."""
    telemetry = Telemetry()
    log = LogHandler(telemetry, ParameterFilter())

    def wanted() -> set[Any]:
        return {kind for kind in EVENTS if telemetry.handlers[kind]}

    for now in (level, logging.CRITICAL, logging.DEBUG, level, level):
        caplog.set_level(now, logger="bennu")
        log.follow()
        assert log.is_asked is (now <= logging.INFO)
        assert all(len(handlers) <= 1 for handlers in telemetry.handlers.values())
    assert wanted() == kinds
    caplog.set_level(logging.WARNING, logger="bennu.access")
    log.follow()
    assert wanted() == kinds & {SocketDrain, ReplicaChanged}
    assert not log.is_asked
    log.stop()
    log.stop()
    assert wanted() == set()


@pytest.mark.parametrize("topic", ["phoenix", "phoenix:live_reload"])
def test_topics_that_begin_with_phoenix_have_no_log_lines(
    topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Topics that begin with ``phoenix`` are the framework's own (protocol, §2.5), and are not logged."""
    caplog.set_level(logging.DEBUG, logger="bennu")
    log = LogHandler(Telemetry(), ParameterFilter())

    log.joined(topic, dict, 0.0)
    log.join_refused(topic, dict, "no")
    log(MessageRefused(topic, "Reloader", "ping", "1", "no"))
    log(ChannelHandledIn(topic, "Reloader", "ping", "1", {}, 0.0))

    assert caplog.records == []


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
    """Phoenix hides the value in a message. Bennu shows payloads only in log lines."""
    caplog.set_level(logging.DEBUG, logger="bennu")
    handled = ChannelHandledIn("room:1", "Room", "new", "1", {"value": text, "b": 1}, 0.0)

    LogHandler(Telemetry(), ParameterFilter())(handled)

    assert "Parameters: {'value': '[FILTERED]', 'b': 1}" in caplog.text
    assert "hunter2" not in caplog.text


def test_presences_that_come_and_go_are_told_but_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Presences that come and go have events, but no log lines."""
    caplog.set_level(logging.DEBUG)
    LogHandler(Telemetry(), ParameterFilter())(PresenceChanged("presence", "room:1", 1, 0, 1, 1))
    assert caplog.records == []
