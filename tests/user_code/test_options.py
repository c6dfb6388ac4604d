"""Options of public classes: an unknown name, or a value of another type, raises an error that says what to write."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from bennu import (
    Channel,
    DefinitionError,
    Deflate,
    Drain,
    DropOldest,
    Endpoint,
    Latest,
    Limits,
    LongPoll,
    Periods,
    Presence,
    Rates,
    RawHandler,
    RawSocket,
    Socket,
    Threads,
)
from bennu.refusals import Readable
from bennu.user_code.options import WrongOptions
from tests.support.frames import PHX_REPLY


class Echo(RawHandler[Any]):
    async def receive(self, message: Any) -> Any:
        return message


def make_socket(**given: Any) -> Any:
    return Socket(**{"connect": lambda: None, "channels": {}, **given})


def make_raw(**given: Any) -> Any:
    return RawSocket(**{"connect": lambda: None, "handler": Echo, **given})


def make_endpoint(**given: Any) -> Any:
    return Endpoint(**{"sockets": {}, **given})


MAKERS: dict[str, Any] = {
    "Socket": make_socket,
    "RawSocket": make_raw,
    "Endpoint": make_endpoint,
    **{
        one.__name__: one
        for one in (
            *(Limits, Rates, LongPoll, Presence, Drain, Deflate, DropOldest, Latest),
            *(Periods, Readable, Threads),
        )
    },
}

SECONDS: tuple[Any, ...] = ("60", 0, -1, None, True, float("nan"), float("inf"), [], 10**400)
COUNTS: tuple[Any, ...] = ("64", 0, -1, None, True, 1.5, float("nan"), [])
WRONG: dict[tuple[str, str], tuple[Any, ...]] = {
    ("Socket", "timeout"): SECONDS,
    ("Socket", "join_timeout"): SECONDS,
    ("Socket", "refresh_before"): SECONDS,
    ("Socket", "max_frame_size"): COUNTS,
    ("Socket", "max_unsent"): COUNTS,
    ("Socket", "max_channels"): COUNTS,
    ("Socket", "max_ref_size"): COUNTS,
    ("Socket", "max_topic_size"): COUNTS,
    ("Socket", "max_event_size"): COUNTS,
    ("Socket", "max_values"): COUNTS,
    ("Socket", "path"): (None, 5, b"x"),
    ("Socket", "auth_token"): ("yes", None, 1),
    ("Socket", "log"): ("yes", None),
    ("Socket", "check_csrf"): ("yes", None),
    ("Socket", "compress"): ("yes", 6),
    ("Socket", "longpoll"): ("yes", 5),
    ("Socket", "rates"): ("20/s", 5),
    ("Socket", "channels"): ([], None, "room:*", {5: Channel}),
    ("Socket", "connect"): ("connect", None),
    ("RawSocket", "timeout"): SECONDS,
    ("RawSocket", "max_frame_size"): COUNTS,
    ("Endpoint", "native"): ("yes", None),
    ("Endpoint", "debug"): ("yes", 1),
    ("Endpoint", "health"): (5, True),
    ("Endpoint", "trusted_proxies"): ("10.0.0.1", [5], 5),
    ("Endpoint", "hosts"): ("example.com", [5], 5),
    ("Endpoint", "limits"): (5, {}),
    ("Endpoint", "presence"): (5,),
    ("Endpoint", "filter_parameters"): ("password", [5], None, b"x"),
    ("Endpoint", "bus"): ("redis://", 5),
    ("Limits", "connections"): ("5", 0, True, 1.5),
    ("Limits", "connections_per_ip"): ("5", 0, True),
    ("Limits", "connects_per_ip"): (5, "fast"),
    ("Rates", "joins"): (5, "fast", "0/s"),
    ("Rates", "messages"): (5, "fast"),
    ("Rates", "excess"): ("drop", None),
    ("Rates", "close_after"): ("5", 0, True),
    ("LongPoll", "window"): ("10", 0, -1, True, float("nan")),
    ("LongPoll", "max_body"): ("10", 0, -1, True),
    ("LongPoll", "path"): (None, 5),
    ("Presence", "window"): ("1", -1, True),
    ("Presence", "grace"): ("1", -1, True),
    ("Presence", "shards"): ("1", 0, True),
    ("Presence", "mode"): ("full",),
    ("Drain", "batch_size"): ("1", 0, True, 1.5),
    ("Drain", "batch_interval"): ("1", -1, True, float("nan")),
    ("Drain", "timeout"): ("1", -1, True, float("nan")),
    ("Deflate", "level"): ("6", 0, 10, True, 1.5),
    ("Deflate", "min_size"): ("6", -1, 1.5),
    ("Deflate", "max_size"): ("6", -1, None),
    ("Deflate", "client_window_bits"): ("9", 8, 9.5),
    ("Deflate", "max_ratio"): ("6", 0, float("nan")),
    ("DropOldest", "max"): ("1", 0, True, 1.5),
    ("Latest", "max"): ("1", 0, True),
    ("Latest", "key"): (5,),
}


@pytest.mark.parametrize(
    ("kind", "option", "values"),
    [(kind, option, values) for (kind, option), values in WRONG.items()],
)
def test_a_value_that_an_option_can_not_be_is_refused(
    kind: str, option: str, values: tuple[Any, ...]
) -> None:
    """The error has the option's name, and says what to write."""
    for value in values:
        with pytest.raises(DefinitionError) as raised:
            MAKERS[kind](**{option: value})

        assert f"{option}=" in raised.value.subject
        assert raised.value.write


def define(make: Any, options: dict[str, Any]) -> None:
    """Make an object, and have a raw socket read its handler's annotations, as an endpoint does."""
    made = make(**options)
    if isinstance(made, RawSocket):
        made.define()


@pytest.mark.parametrize("kind", MAKERS)
def test_no_option_takes_just_anything(kind: str) -> None:
    """Each option of each class, also of future classes, refuses a value of a wrong type."""
    cls = {"Socket": Socket, "RawSocket": RawSocket, "Endpoint": Endpoint}.get(kind, MAKERS[kind])
    for option in inspect.signature(cls).parameters:
        with pytest.raises(DefinitionError):
            define(MAKERS[kind], {option: object()})


@pytest.mark.parametrize(
    ("kind", "option", "nearest"),
    [
        ("Socket", "chanels", "channels=..."),
        ("Socket", "time_out", "timeout=..."),
        ("Socket", "max_channel", "max_channels=..."),
        ("RawSocket", "handlers", "handler=..."),
        ("RawSocket", "max_unset", "max_unsent=..."),
        ("Endpoint", "life_span", "lifespan=..."),
        ("Endpoint", "trusted_proxy", "trusted_proxies=..."),
        ("Limits", "connection", "connections=..."),
        ("Rates", "message", "messages=..."),
        ("LongPoll", "windows", "window=..."),
        ("Presence", "graces", "grace=..."),
        ("Drain", "batchsize", "batch_size=..."),
        ("Deflate", "minsize", "min_size=..."),
        ("DropOldest", "maximum", "max=..."),
        ("Latest", "keys", "key=..."),
        ("Socket", "zzz", "Socket(...) without zzz"),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest(
    kind: str, option: str, nearest: str
) -> None:
    """The error is also a TypeError, as Python's own error is."""
    with pytest.raises(WrongOptions) as raised:
        MAKERS[kind](**{option: 1})

    assert isinstance(raised.value, TypeError)
    assert raised.value.subject == f"{kind}({option}=...)"
    assert raised.value.write == nearest


def test_options_that_are_missing_or_have_no_name_are_refused() -> None:
    """The error lists the options that the class needs."""
    with pytest.raises(WrongOptions) as raised:
        Socket()  # type: ignore[call-arg]
    assert raised.value.write == "Socket(connect=..., channels=...)"
    with pytest.raises(WrongOptions):
        Socket(lambda: None, {})  # type: ignore[call-arg]
    with pytest.raises(WrongOptions):
        Endpoint()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "sockets",
    [
        make_socket(),
        [make_socket()],
        {"socket": make_socket()},
        {"": make_socket()},
        {5: make_socket()},
        {"/socket": Socket},
        {"/socket": Channel},
        {"/socket": None},
        {"/socket": "socket"},
    ],
    ids=list("abcdefghi"),
)
def test_an_endpoint_takes_sockets_under_their_paths(sockets: Any) -> None:
    """An endpoint refuses any other value, and the error shows the right form."""
    with pytest.raises(DefinitionError) as raised:
        Endpoint(sockets)

    assert "/" in raised.value.write


def test_channels_are_classes() -> None:
    """An object, or another class, is refused when the endpoint is made."""

    class Room(Channel[Any]):
        pass

    for channel in (Room(), int, "Room", None):
        with pytest.raises(DefinitionError, match="leads to no channel"):
            Endpoint({"/socket": make_socket(channels={"room": channel})})


def test_the_signature_is_that_of_the_class() -> None:
    """Editors and help() show the signature of the class."""
    assert "sockets" in inspect.signature(Endpoint).parameters
    assert list(inspect.signature(DropOldest).parameters) == ["max"]


def test_a_subclass_may_have_options_of_its_own() -> None:
    """The options of a subclass that it passes to its base class are checked."""

    class Mine(Presence):
        def __init__(self, database: str, **more: Any) -> None:
            self.database = database
            super().__init__("mine", **more)

    assert Mine("db", window=1).name == "mine"
    with pytest.raises(WrongOptions, match="windows"):
        Mine("db", windows=1)


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("max_inbox", COUNTS),
        ("max_mailbox", COUNTS),
        ("terminate_timeout", SECONDS),
        ("overflow", ("drop", None, [])),
        ("when_slow", ("drop", None)),
        ("emits", (None, [], {PHX_REPLY: dict}, {5: dict})),
    ],
)
def test_an_option_of_a_class_is_looked_at_when_the_endpoint_is_made(
    option: str, values: tuple[Any, ...]
) -> None:
    """The error names the class and the option."""
    for value in values:
        room = type("Room", (Channel,), {option: value})
        with pytest.raises(DefinitionError) as raised:
            Endpoint({"/socket": make_socket(channels={"room": room})})
        assert raised.value.subject == f"Room.{option}"
        if option.startswith(("max", "term")):
            handler = type("Handler", (Echo,), {option: value})
            with pytest.raises(DefinitionError, match=option):
                Endpoint({"/raw": make_raw(handler=handler)})


@pytest.mark.parametrize("keyword", ["max_inbox", "max_inboxes", "overflow"])
def test_options_stand_in_the_body_of_the_class(keyword: str) -> None:
    """Options in a class statement are refused: they belong in the body of the class."""
    with pytest.raises(DefinitionError) as raised:
        type("Room", (Channel,), {}, **{keyword: 5})

    assert raised.value.write in ("max_inbox = 5", "overflow = 5")
