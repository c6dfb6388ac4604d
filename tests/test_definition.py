"""Reading a channel class into tables: the handler of each event, and mistakes in a class."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import Struct

from bennu import Channel, on, on_info, on_out
from bennu.definition import define
from bennu.errors import DefinitionError
from bennu.topic import Pattern
from bennu.user_code.invalid_payload import InvalidPayload

from .support.definitions import read, refused

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTheChecker


class NewMsg(Struct):
    """A payload."""

    body: str


class Tick:
    """A message of the server."""


class FastTick(Tick):
    """A subclass of that message."""


def line(function: Any) -> str:
    """Return the ``file:line`` of a function."""
    return f"{__file__}:{function.__code__.co_firstlineno}"


class Room(Channel):
    """A channel with a hook and a handler of each kind."""

    async def join(self, payload: NewMsg) -> None: ...
    def after_join(self) -> None: ...
    async def handle_in(self, event: str, payload: Any) -> None: ...
    def terminate(self, reason: str | Exception) -> None: ...

    @on("typed")
    async def typed(self, msg: NewMsg) -> NewMsg:
        return msg

    @on("nothing")
    async def nothing(self) -> None: ...

    @on("binary")
    def binary(self, data: bytes) -> bytes:
        return data

    @on("said", payload=dict[str, int])
    async def said(self, payload) -> None: ...  # type: ignore[no-untyped-def]

    @on_out("news")
    async def news(self, payload) -> None: ...  # type: ignore[no-untyped-def]

    @on_info(Tick)
    def tick(self, tick: Tick) -> None: ...


def test_a_class_becomes_a_table_of_its_handlers() -> None:
    """The tables have each handler by its event or class, with its function."""
    room = read(Room)

    assert room.name == "Room"
    assert sorted(room.events) == ["binary", "nothing", "said", "typed"]
    assert room.events["typed"].function is Room.typed
    assert room.intercepts == frozenset({"news"})
    assert room.outs["news"].function is Room.news
    assert list(room.infos) == [Tick]


def test_the_hooks_that_were_overridden_are_in_the_table_and_the_others_are_not() -> None:
    """Only hooks that the class overrides are in the table."""
    room, empty = read(Room), read(type("Empty", (Channel,), {}))

    for hook in ("join", "after_join", "handle_in", "terminate"):
        assert getattr(room, hook).function is getattr(Room, hook)
        assert getattr(empty, hook) is None
    assert (empty.events, empty.outs, empty.infos) == ({}, {}, {})


def test_plain_functions_are_told_from_async_ones() -> None:
    """Plain functions run in a thread, so they are told from async ones."""
    room = read(Room)

    assert room.join is not None
    assert room.after_join is not None
    assert (room.join.is_async, room.after_join.is_async) == (True, False)
    assert (room.events["typed"].is_async, room.events["binary"].is_async) == (True, False)
    assert (room.outs["news"].is_async, room.infos[Tick].is_async) == (True, False)


def test_the_annotation_of_a_payload_becomes_its_decoder() -> None:
    """The payload's type is the annotation, or ``@on(payload=...)``. A handler without payload has no decoder."""
    room = read(Room)

    def decode(event: str, payload: Any) -> Any:
        decoder = room.events[event].decode
        assert decoder is not None
        return decoder(payload)

    assert decode("typed", msgspec.Raw(b'{"body":"hi"}')) == NewMsg("hi")
    assert decode("binary", b"\0") == b"\0"
    assert decode("said", msgspec.Raw(b'{"a":1}')) == {"a": 1}
    assert room.events["nothing"].decode is None
    with pytest.raises(InvalidPayload):
        decode("said", msgspec.Raw(b'{"a":"x"}'))
    assert room.join is not None
    assert room.join.decode is not None


def test_handlers_are_inherited_and_may_be_replaced() -> None:
    """A handler is inherited. The method that counts is the one that Python finds."""

    class Base(Channel):
        @on("a")
        async def a(self) -> None: ...

        @on("b")
        async def b(self) -> None: ...

    class Sub(Base):
        @on("a")
        async def a(self) -> None: ...

    sub = read(Sub)

    assert sub.events["a"].function is Sub.a
    assert sub.events["a"].function is not Base.a
    assert sub.events["b"].function is Base.b


def test_a_mixin_brings_its_handlers_along() -> None:
    """A mixin with handlers need not be a channel itself."""

    class Pings:
        @on("ping")
        async def ping(self) -> None: ...

    class Lobby(Pings, Channel): ...

    assert read(Lobby).events["ping"].function is Pings.ping


def test_a_message_of_the_server_goes_to_the_handler_of_its_nearest_class() -> None:
    """A subclass of a message is handled as its base class, unless it has its own handler."""

    class Clock(Channel):
        @on_info(Tick)
        async def tick(self, tick: Tick) -> None: ...

        @on_info(FastTick)
        async def fast(self, tick: FastTick) -> None: ...

    clock, room = read(Clock), read(Room)

    assert clock.info_handler(Tick()) is clock.infos[Tick]
    assert clock.info_handler(FastTick()) is clock.infos[FastTick]
    assert room.info_handler(FastTick()) is room.infos[Tick]
    assert room.info_handler("text") is None


@pytest.mark.parametrize("nothing", [object(), Tick, "Room", None])
def test_a_pattern_that_leads_to_no_channel_is_refused(nothing: Any) -> None:
    """The error shows the value that was given, and the line to write."""
    error = refused(nothing, "room:{room_id}")

    assert error.subject == 'the topic pattern "room:{room_id}" leads to no channel'
    assert error.got == repr(nothing)
    assert error.write == 'channels={"room:{room_id}": RoomChannel}'


def test_topic_parameters_get_the_types_of_the_annotations() -> None:
    """The annotations are those of the class, or of its base classes."""

    class Base(Channel):
        room_id: int

    class Sub(Base):
        part: str

    pattern = Pattern("room:{room_id}:{part}")
    define(Sub, pattern)

    assert pattern.match("room:7:a") == {"room_id": 7, "part": "a"}


def test_a_topic_parameter_without_an_annotation_is_refused() -> None:
    """The error names the class."""
    error = refused(Room, "room:{room_id}")

    assert error.where == "Room"
    assert error.write == "room_id: int"


@pytest.mark.parametrize("name", ["topic", "state", "push", "assigns", "emits"])
def test_a_topic_parameter_with_the_name_of_something_else_is_refused(name: str) -> None:
    """The parameter's name would hide an attribute of every channel."""
    error = refused(Room, f"room:{{{name}:path}}")

    assert error.got == f"Channel.{name}"
    assert error.write == f'"room:{{my_{name}:path}}"'


# Parameters of handlers.


def test_a_handler_takes_no_more_than_the_payload() -> None:
    """A handler has no parameters for the topic's parameters: these are attributes."""

    class Lobby(Channel):
        @on("x")  # type: ignore[type-var]
        async def x(self, payload: dict[str, Any], room_id: int) -> None: ...

    error = refused(Lobby)

    assert error.subject.endswith('Lobby.x of "x" has too many parameters')
    assert error.got == "(self, payload, room_id)"
    assert error.where == line(Lobby.x)


def test_a_handler_says_what_its_payload_is() -> None:
    """A payload without an annotation is refused."""

    class Lobby(Channel):
        @on("x")
        async def x(self, payload) -> None: ...  # type: ignore[no-untyped-def]

    error = refused(Lobby)

    assert error.subject.endswith("does not say what its payload is")
    assert error.write == "payload: dict[str, Any]"
    assert error.where == line(Lobby.x)


def test_a_payload_that_json_can_not_become_is_refused() -> None:
    """The error has the place of the handler. A join is checked as other handlers are."""

    class Lobby(Channel):
        async def join(self, payload: list[Tick]) -> None: ...

    error = refused(Lobby)

    assert "Lobby.join has a payload that JSON can't become" in error.subject
    assert error.where == line(Lobby.join)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"after_join": lambda self, payload: None}, "(self)"),
        ({"handle_in": lambda self, event: None}, "(self, event, payload)"),
        ({"terminate": lambda self: None}, "(self, reason)"),
        ({"x": on_out("x")(lambda self: None)}, "(self, payload)"),  # type: ignore[type-var]
        ({"x": on_info(Tick)(lambda self, tick, more: None)}, "(self, message)"),  # type: ignore[arg-type, misc]
    ],
)
def test_a_method_with_the_wrong_parameters_is_refused(
    attributes: dict[str, Any], expected: str
) -> None:
    """A method that Bennu could not call is refused."""
    error = refused(type("Lobby", (Channel,), attributes))

    assert error.subject.endswith("has the wrong parameters")
    assert error.expected == expected
    assert error.write.endswith(expected)


@pytest.mark.parametrize("value", [None, 5, functools.partial(print)])
@pytest.mark.parametrize("hook", ["join", "after_join", "handle_in", "terminate"])
def test_a_hook_that_is_no_method_is_refused(hook: str, value: Any) -> None:
    """``join = None`` does not remove the hook, and is refused."""
    error = refused(type("Lobby", (Channel,), {hook: value}))

    assert error.subject == f"Lobby.{hook} is no method"
    assert error.got == repr(value)


@pytest.mark.parametrize(
    ("mark", "what"),
    [(on("x"), 'of "x"'), (on_out("x"), 'of outgoing "x"'), (on_info(Tick), f"of {Tick!r}")],
)
def test_two_handlers_of_one_thing_are_refused(mark: Any, what: str) -> None:
    """The error has the places of both handlers."""

    async def one(self: Any, it: Any) -> None: ...
    async def two(self: Any, it: Any) -> None: ...

    error = refused(type("Lobby", (Channel,), {"one": mark(one), "two": mark(two)}))

    assert error.subject == f"the handler Lobby.two {what} is a second handler"
    assert error.got == f"{one.__qualname__} at {line(one)}"
    assert error.where == line(two)


def test_an_annotation_that_is_not_there_at_run_time_is_refused() -> None:
    """A type that is imported only for the type checker is refused. The error says what to write."""

    class Lobby(Channel):
        @on("x")
        async def x(self, payload: OnlyForTheChecker) -> None: ...

    error = refused(Lobby)

    assert error.got == "name 'OnlyForTheChecker' is not defined"
    assert "TYPE_CHECKING" in error.write
    assert error.where == line(Lobby.x)


@pytest.mark.parametrize("annotation", ["msgspec.Nothing", "Tick[int]", "a b"])
def test_an_annotation_that_means_nothing_is_refused(annotation: str) -> None:
    """An invalid annotation is refused, for any exception that Python raises."""

    async def x(self: Any, payload: Any) -> None: ...

    x.__annotations__["payload"] = annotation

    error = refused(type("Lobby", (Channel,), {"x": on("x")(x)}))

    assert error.subject == f"an annotation of {x.__qualname__} can't be resolved"


def test_an_annotation_of_the_class_that_is_not_there_is_refused() -> None:
    """Only the annotations of the topic's parameters are resolved."""

    class Lobby(Channel):
        room_id: OnlyForTheChecker
        other: int

    error = refused(Lobby, "room:{room_id}")

    assert "OnlyForTheChecker" in error.got
    assert error.where is None
    define(Lobby, Pattern("room:{other}"))


# Assigns.


@dataclass(frozen=True)
class User:
    """The assigns that connect returns."""

    name: str
    room: int | None = None
    away: bool = False


@pytest.mark.conformance("SK008", "SK009", "SK010", "SK011", "SK012")
def test_assigns_are_changed_for_one_channel_by_binding_others() -> None:
    """``replace`` changes assigns with their types, where Phoenix merges maps: one field, several, or computed."""

    class Lobby(Channel[User]): ...

    connected = User("ann")
    lobby, other = Lobby(), Lobby()
    lobby.assigns = other.assigns = connected

    lobby.assigns = replace(lobby.assigns, room=7)
    assert lobby.assigns == User("ann", 7)
    lobby.assigns = replace(lobby.assigns, name="bob", away=True)
    assert lobby.assigns == User("bob", 7, away=True)
    lobby.assigns = replace(lobby.assigns, away=not lobby.assigns.away)
    assert lobby.assigns == User("bob", 7)
    assert other.assigns is connected


def test_a_method_that_overrides_a_handler_handles_its_event() -> None:
    """A method that overrides a handler needs no second ``@on``: the event is the same."""

    class Base(Channel):
        @on("new_msg")
        async def new_msg(self) -> str:
            return "base"

    class Derived(Base):
        async def new_msg(self) -> str:
            return "derived"

    definition = define(Derived, Pattern("room:*"))
    assert definition.events["new_msg"].function is Derived.new_msg


def test_a_handler_that_is_set_to_none_is_gone() -> None:
    """A subclass can remove an event by setting its handler to None."""

    class Base(Channel):
        @on("new_msg")
        async def new_msg(self) -> None: ...

    class Derived(Base):
        new_msg = None  # type: ignore[assignment]

    assert "new_msg" not in define(Derived, Pattern("room:*")).events


def test_an_overflow_that_is_no_policy_is_refused() -> None:
    """An invalid ``overflow`` is refused at start-up."""

    class Room(Channel):
        overflow = "drop"  # type: ignore[assignment]

    with pytest.raises(DefinitionError, match="drop_oldest"):
        define(Room, Pattern("room:*"))
