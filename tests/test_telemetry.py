"""Telemetry: handlers get every event, and log lines read as Phoenix's, without secrets."""

from __future__ import annotations

import logging
import tracemalloc
from dataclasses import dataclass
from typing import Any

import msgspec
import pydantic
import pytest

from bennu.errors import DefinitionError
from bennu.logs.log import BURST
from bennu.message import Message
from bennu.reasons import DropReason, Limit
from bennu.telemetry import (
    EVENTS,
    MAX_DROP_TOPICS,
    MAX_TOPIC,
    ChannelJoined,
    Event,
    LimitExceeded,
    MessagesDropped,
    ParameterFilter,
    Telemetry,
)

JOINED = ChannelJoined("room:1", "Room", {}, "ok", 0.0)


@dataclass
class Card:
    """A value of an application."""

    number: str


class Signed(msgspec.Struct):
    """Another value of an application."""

    token: str


class Model(pydantic.BaseModel):
    """A pydantic model."""

    apiKey: str  # noqa: N815 - a client can send this name


def test_all_handlers_hear_an_event_in_the_order_in_which_they_came() -> None:
    """Each handler gets the event itself, in the order of attachment."""
    heard: list[tuple[int, Event]] = []
    telemetry = Telemetry()
    telemetry.attach(lambda event: heard.append((1, event)))
    telemetry.attach(lambda event: heard.append((2, event)))

    telemetry.emit(JOINED)

    assert heard == [(1, JOINED), (2, JOINED)]


def test_a_detached_handler_hears_nothing_more_and_the_others_still_do() -> None:
    """The result of ``attach`` removes the handler. A second call has no effect."""
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
    """A handler that raises is logged, and the other handlers are called."""
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise ValueError("broken")

    telemetry = Telemetry()
    telemetry.attach(broken)
    telemetry.attach(heard.append)

    for _ in range(BURST + 1):
        telemetry.emit(JOINED)

    assert heard == [JOINED] * (BURST + 1)
    assert caplog.messages == ["A telemetry handler failed on ChannelJoined"] * BURST


def test_a_handler_hears_the_classes_of_events_that_it_names() -> None:
    """A handler gets events of the classes that it names. Without names it gets all events."""
    joins: list[Event] = []
    everything: list[Event] = []
    telemetry = Telemetry()
    telemetry.attach(joins.append, ChannelJoined, LimitExceeded)
    telemetry.attach(everything.append)

    telemetry.emit(JOINED)
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


@pytest.mark.parametrize("kind", [str, Telemetry, "ChannelJoined", JOINED])
def test_what_is_no_class_of_events_is_refused(kind: Any) -> None:
    with pytest.raises(DefinitionError, match="ChannelHandledIn, MessageRefused") as caught:
        Telemetry().attach(print, kind)
    assert caught.value.got == repr(kind)


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
            {"card": Card("x"), "cards": [Card("y")]},
            {"card": Card("x"), "cards": [Card("y")]},
            marks=pytest.mark.conformance("LG004"),
            id="structs untouched",
        ),
        pytest.param(
            {1: "a", None: {"token": "b"}, "c": 3},
            {1: "a", None: {"token": "[FILTERED]"}, "c": 3},
            marks=pytest.mark.conformance("LG005"),
            id="keys that are no text",
        ),
        pytest.param(
            {"signed": Signed("x"), "model": Model(apiKey="x"), "n": 1},
            {"signed": {"token": "[FILTERED]"}, "model": {"apiKey": "[FILTERED]"}, "n": 1},
            id="structs and models with a secret are shown without it",
        ),
        pytest.param(["password", "a"], ["password", "a"], id="a value alone is no secret"),
        pytest.param("text", "text", id="no map at all"),
    ],
)
def test_discarding_hides_what_stands_under_a_key_that_contains_a_term(
    value: Any, shown: Any
) -> None:
    """The default terms are password and token. The value itself stays unchanged."""
    before = repr(value)

    assert ParameterFilter()(value) == shown
    assert repr(value) == before


@pytest.mark.parametrize(
    "key",
    [
        "authToken", "accessToken", "refresh_token", "TOKEN", "Password", "new-password", "passwd",
        "clientSecret", "Authorization", "Cookie", "set-cookie", "api_key", "apiKey", "X-Api-Key", "APIKEY",
        "jwt", "credentials", "private_key", "privateKey", "PrivateKey", "pass.phrase", "user[password]",
        "k" * 2000,
    ],
)  # fmt: skip
def test_usual_names_of_secrets_are_known_whatever_their_case_and_separators(key: str) -> None:
    """The value of a very long name is hidden too."""
    assert ParameterFilter()({"a": [{key: ["x"]}]})["a"][0].popitem()[1] == "[FILTERED]"


@pytest.mark.parametrize(
    "text",
    [
        "see /login?authToken=x",
        "Authorization: Bearer x",
        '{"access_token": "x"}',
        "token%3Dx",
        "API_KEY = x",
    ],
)
def test_a_text_that_holds_a_secret_with_its_name_is_hidden(text: str) -> None:
    assert ParameterFilter()([text, "a token"]) == ["[FILTERED]", "a token"]


def deep(levels: int) -> Any:
    value: Any = {"token": "x"}
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        ["x" * 100] * 100_000,
        {str(number): {"a": number} for number in range(100_000)},
        {f"token{number}": number for number in range(100_000)},
        "x" * 10_000_000,
        deep(5_000),
        [[[["x"] * 100] * 100] * 100] * 100,
    ],
    ids=["list", "dict", "secrets", "text", "deep", "wide"],
)
def test_of_a_large_value_only_a_part_is_looked_at(value: Any) -> None:
    """Only a part of a large value is read, so megabytes cost no more than one line."""
    for hide in (ParameterFilter(), ParameterFilter(keep=["a"])):
        tracemalloc.start()
        try:
            shown = hide(value)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 300_000
        assert "'x'}" not in repr(shown)


@pytest.mark.conformance("SK017", "SK018", "SK019")
def test_a_message_that_is_shown_does_not_show_its_json_payload() -> None:
    """A payload is raw until a handler decodes it, so it is not shown."""
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
            {
                "a": ["[FILTERED]", {"b": "[FILTERED]", "id": 3}],
                "c": {},
                "d": {"number": "[FILTERED]"},
            },
            marks=pytest.mark.conformance("LG008"),
            id="leaves only, inside of lists too",
        ),
        pytest.param({"my_id": 1}, {"my_id": "[FILTERED]"}, id="exactly these keys"),
        pytest.param("text", "[FILTERED]", id="no map at all"),
    ],
)
def test_keeping_shows_only_what_stands_under_the_named_keys(value: Any, shown: Any) -> None:
    """The structure of the value is shown, and its leaves are hidden."""
    assert ParameterFilter(keep=["id"])(value) == shown


@pytest.mark.conformance("LG009")
def test_a_filter_is_made_once_and_used_for_every_value() -> None:
    """A filter is made once. Other terms replace the default terms."""
    hide = ParameterFilter(("secret",))

    for _ in range(2):
        assert hide({"my_secret": 1, "password": 2}) == {"my_secret": "[FILTERED]", "password": 2}


def test_a_handler_that_is_attached_twice_is_detached_once_at_a_time() -> None:
    """A handler that is attached twice is detached once for each attach."""
    telemetry, heard = Telemetry(), list[object]()
    detach = telemetry.attach(heard.append)
    telemetry.attach(heard.append)
    detach()
    detach()
    telemetry.emit(ChannelJoined("room:1", "Room", {}, "ok", 0.0))
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
    telemetry.limit_exceeded(Limit.JOINS, "192.0.2.1", "room:1")
    assert telemetry.exceeded == {Limit.JOINS: 2}
    assert heard == [LimitExceeded(Limit.JOINS, "192.0.2.1", "room:1")]
    (record,) = caplog.records
    assert record.getMessage() == (
        "Over a limit, Rates(joins=...): the client 192.0.2.1; 1 time(s) in all"
    )
