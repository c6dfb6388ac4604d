"""What a method does, read from its source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from msgspec import Struct

import bennu
from bennu import Channel, Error, Ok, Presence, Refused
from bennu.contracts.model import EMPTY
from bennu.contracts.sources import UNKNOWN, MethodSource, Sent, read_function, read_methods


class Said(Struct):
    text: str


class Full(Refused):
    """A refusal of the application."""


EVENT: Final = "said"
WHO: Final = Presence("who")


def made() -> Said:
    return Said("made")


def unannotated():  # type: ignore[no-untyped-def]
    return Said("made")


class Room(Channel[str]):
    last: Said
    EVENT = "of the class"
    presence = WHO

    async def parameters(self, said: Said, *, other: Said | None = None) -> None:
        await self.push("a", said)
        await self.push("b", other)

    async def constructed(self) -> None:
        await self.push("a", Said("x"))
        await self.broadcast("b", payload=Said("x"))
        await self.broadcast_from("c", await self.fetch())
        await self.local_broadcast("d", made())
        await self.local_broadcast_from("e", unannotated())  # type: ignore[no-untyped-call]
        self.sync.push("f", {"a": 1})

    async def fetch(self) -> Said:
        return self.last

    async def simple(self) -> None:
        await self.push("empty")
        await self.push("none", None)
        await self.push("braces", {})
        await self.push("dict", {"a": 1})
        await self.push("bytes", b"1")
        await self.push("list", [1])
        await self.push("attribute", self.last)
        await self.push("no attribute", self.nowhere)  # type: ignore[attr-defined]

    async def variables(self) -> None:
        first = Said("1")
        second: Said | None = None
        third: Nowhere = 1  # type: ignore[name-defined] # noqa: F821 - it is what is tested
        if (fourth := made()) is not second:
            first = Said("2")
        fifth: Any = 1
        fifth = Said("5")
        for sixth in range(3):
            await self.push("6", sixth)
        await self.push("1", first)
        await self.push("2", second)
        await self.push("3", third)
        await self.push("4", fourth)
        await self.push("5", fifth)

    async def names(self, event: str) -> None:
        await self.push(EVENT, {})
        await self.push(self.EVENT, {})
        await self.push(event, {})

    async def refuses(self) -> Error | None:
        if self.topic:
            raise Refused("one", more=1)
        if self.topic:
            raise bennu.Refused("two")
        if self.topic:
            raise Full(EVENT)
        if self.topic:
            raise Refused(self.topic)
        if self.topic:
            raise ValueError("no")
        return Error(
            {
                "reason": "three",
                "by": "ann",
            }
        )

    async def presences(self) -> None:
        await WHO.track(self, "a")
        await self.presence.push_state(self)
        await self.state.presence.push_state(self)
        await WHO.track("me", "a", topic="t")

    def later(self) -> Ok:
        _ = self.start(self.answer(self.ref()))
        if self.topic:
            return Ok()
        return Ok(Said("x"))

    async def answer(self, ref: Any) -> None: ...


METHODS: Final = read_methods(Room)


def sent(name: str) -> dict[str, Any]:
    return {one.event: one.payload for one in METHODS[name].sends}


def test_the_type_of_a_parameter() -> None:
    assert METHODS["parameters"].sends == [Sent("a", Said), Sent("b", Said | None)]


def test_the_type_of_a_call_is_its_class_or_its_annotation() -> None:
    """Each method that sends counts, also of ``self.sync``."""
    assert sent("constructed") == {
        "a": Said,
        "b": Said,
        "c": Said,
        "d": Said,
        "e": UNKNOWN,
        "f": dict[str, Any],
    }


def test_the_type_of_a_literal_or_an_attribute() -> None:
    assert sent("simple") == {
        "empty": EMPTY,
        "none": EMPTY,
        "braces": EMPTY,
        "dict": dict[str, Any],
        "bytes": bytes,
        "list": UNKNOWN,
        "attribute": Said,
        "no attribute": UNKNOWN,
    }


def test_the_type_of_a_variable() -> None:
    """It is known if each assignment says the same."""
    assert sent("variables") == {
        "1": Said,
        "2": Said | None,
        "3": UNKNOWN,
        "4": Said,
        "5": UNKNOWN,
        "6": UNKNOWN,
    }


def test_the_name_of_an_event_can_be_a_constant() -> None:
    assert [*sent("names")] == ["said", "of the class"]
    assert METHODS["names"].sends_more
    assert not METHODS["simple"].sends_more


def test_reasons_of_refusals() -> None:
    """Only texts of the source, of ``Refused`` and its subclasses, and of ``Error``."""
    assert sorted(METHODS["refuses"].refusals) == ["one", "said", "three", "two"]


def test_presences_of_the_channel() -> None:
    assert METHODS["presences"].presences == [WHO, WHO, None]


def test_replies() -> None:
    later = METHODS["later"]
    assert later.answers_later
    assert sorted(map(repr, later.oks)) == sorted(map(repr, (EMPTY, Said)))
    assert {"start", "answer"} <= {*later.calls}


def test_methods_of_bennu_are_left_out() -> None:
    assert "push" not in METHODS
    assert "join" not in METHODS


def test_names_of_a_function_around_it_are_known() -> None:
    class Inner(Struct):
        a: int

    class Local(Channel):
        async def say(self) -> None:
            await self.push("inner", Inner(1))

    assert read_methods(Local)["say"].sends == [Sent("inner", Inner)]


def from_text(text: str) -> Callable[..., Any]:
    names: dict[str, Any] = {}
    exec(text, names)  # noqa: S102 - its source is in no file
    function: Callable[..., Any] = names["function"]
    return function


@pytest.mark.parametrize(
    "function", [len, from_text("def function(): raise Refused('x')"), lambda: None, object()]
)
def test_a_function_without_source_does_nothing(function: Any) -> None:
    assert read_function(function) == MethodSource()
