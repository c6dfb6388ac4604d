"""Mistakes in a channel class that are found when the class is made. Each error says what to write."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from bennu import Channel, on, on_info, on_out
from bennu.errors import DefinitionError


def make(**attributes: Any) -> type[Channel[Any, Any]]:
    """Return a channel class with these attributes."""
    return type("Room", (Channel,), attributes)


async def a_handler(self: Any) -> None:
    """A method for the tests."""


@pytest.mark.parametrize(
    "name", ["push", "broadcast", "topic", "state", "ref", "sync", "start", "assigns"]
)
def test_a_method_that_hides_one_of_every_channel_is_refused(name: str) -> None:
    """A method with the name of Bennu's own method, as ``push``, would be called instead of Bennu's."""

    async def method(self: Any) -> None:
        """A method for the test."""

    with pytest.raises(DefinitionError) as raised:
        make(**{name: method})

    assert raised.value.subject == f"Room.{name} hides Channel.{name}"
    assert raised.value.write == f"{name}_ = ..."
    assert raised.value.where == f"{__file__}:{method.__code__.co_firstlineno}"


def test_an_attribute_that_hides_one_of_every_channel_is_refused() -> None:
    """The error has the place of the class."""
    with pytest.raises(DefinitionError) as raised:

        class Lobby(Channel):
            topic = "lobby"

    assert raised.value.subject.endswith("Lobby.topic hides Channel.topic")
    assert (raised.value.where or "").startswith(f"{__file__}:")


@pytest.mark.parametrize("name", ["join", "terminate", "handle_in", "after_join", "push", "emits"])
@pytest.mark.parametrize(
    "mark", [on("greet"), on_out("greet"), on_info(int)], ids=["on", "out", "info"]
)
def test_a_handler_with_the_name_of_something_else_is_refused(name: str, mark: Any) -> None:
    """A handler with the name of a base class's method would also be called as that method."""

    async def method(self: Any) -> None:
        """A method for the test."""

    with pytest.raises(DefinitionError) as raised:
        make(**{name: mark(method)})

    assert raised.value.subject == f"Room.{name} hides Channel.{name}"


def test_what_to_write_instead_keeps_the_event_and_changes_the_name() -> None:
    """``@on("push")`` is allowed, and ``def push`` is not."""
    with pytest.raises(DefinitionError) as raised:

        class Lobby(Channel):
            @on("shove")
            async def push(self) -> None:  # type: ignore[override]
                """Hide the channel's own method."""

    assert raised.value.write == '@on("shove")  async def on_push(self, ...): ...'


@pytest.mark.parametrize("value", [[], {}, set(), bytearray(), [1], {"a": 1}])
def test_a_default_that_can_change_is_refused(value: Any) -> None:
    """All clients would share a mutable default. The error says to set it in join."""
    with pytest.raises(DefinitionError) as raised:
        make(members=value)

    assert raised.value.subject == f"Room.members is one {type(value).__name__} for all clients"
    assert raised.value.write == f"self.members = {value!r}  # in async def join(self)"


def test_names_with_two_underscores_are_pythons_own() -> None:
    """Names with two underscores are Python's own: ``__slots__`` can be a list."""
    make(__slots__=["x"], __notes__=["a"])


def test_what_a_user_may_override_and_set_is_accepted() -> None:
    """Hooks, options, immutable defaults, and any method of the user's own are accepted."""

    class Room(Channel):
        emits: ClassVar[dict[str, Any]] = {"new": dict}
        max_inbox = 8
        max_mailbox = 9
        overflow = "drop_oldest"
        terminate_timeout = 1.5
        count = 0
        names: tuple[str, ...] = ()
        allowed = frozenset({"a"})
        members: set[str]

        async def join(self) -> None: ...
        async def after_join(self) -> None: ...
        async def handle_in(self, event: str, payload: Any) -> None: ...
        async def terminate(self, reason: str | Exception) -> None: ...

        @on("greet")
        async def greet(self) -> None: ...

        def helper(self) -> None: ...

    assert issubclass(Room, Channel)


def test_a_class_without_source_is_refused_without_a_place() -> None:
    """The error for code without a file has no place."""
    scope: dict[str, Any] = {"Channel": Channel, "__name__": "typed.in"}

    with pytest.raises(DefinitionError) as raised:
        exec("class Lobby(Channel):\n    members = []", scope)  # noqa: S102 - as an interpreter does

    assert raised.value.where is None


def test_the_mistakes_of_a_subclass_are_found_as_well() -> None:
    """Each class of the user is checked when it is made."""
    room = make(count=0)

    with pytest.raises(DefinitionError, match="hides"):
        type("Sub", (room,), {"push": a_handler})


# The marks.


@pytest.mark.parametrize(
    ("decorator", "name", "expected", "write"),
    [
        (on, "on", "the name of an event", '@on("event")'),
        (on_out, "on_out", "the name of an event", '@on_out("event")'),
        (on_info, "on_info", "a class", "@on_info(Tick)"),
    ],
)
def test_a_mark_without_its_argument_is_refused(
    decorator: Any, name: str, expected: str, write: str
) -> None:
    """``@on`` without an event would make a handler that is never called."""
    with pytest.raises(DefinitionError) as raised:
        decorator(a_handler)

    assert raised.value.subject == f"@{name}(...)"
    assert (raised.value.expected, raised.value.write) == (expected, write)
    assert raised.value.where == f"{__file__}:{a_handler.__code__.co_firstlineno}"


@pytest.mark.parametrize(("decorator", "argument"), [(on, 5), (on_out, None), (on_info, "Tick")])
def test_a_mark_with_an_argument_of_another_kind_is_refused(decorator: Any, argument: Any) -> None:
    """An event is text, and a message has a class."""
    with pytest.raises(DefinitionError) as raised:
        decorator(argument)

    assert raised.value.got == repr(argument)
    assert raised.value.where is None


@pytest.mark.parametrize("second", [on("b"), on_out("b"), on_info(int)], ids=["on", "out", "info"])
@pytest.mark.parametrize("first", [on("a"), on_out("a"), on_info(str)], ids=["on", "out", "info"])
def test_a_method_that_is_marked_twice_is_refused(first: Any, second: Any) -> None:
    """A method with two marks is refused."""

    async def method(self: Any) -> None:
        """A method for the test."""

    first(method)
    with pytest.raises(DefinitionError, match="marked as a handler twice"):
        second(method)
