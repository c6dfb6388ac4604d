"""Printable text: one line of bounded length for any value, at a cost that does not grow with its size."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import given, strategies as st
from msgspec import Raw

from bennu.logs.printable import CUT, LIMIT, described, printable

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Struct(msgspec.Struct):
    a: Any
    b: Any = None


@dataclass
class Data:
    a: Any


@dataclass(slots=True)
class Slotted:
    a: Any


class Attrs:
    """An object with the attributes that attrs sets."""

    __attrs_attrs__ = (SimpleNamespace(name="a"),)

    def __init__(self, a: Any) -> None:
        self.a = a


class Model(pydantic.BaseModel):
    a: Any


class Colour(Enum):
    RED = "\n"


class Plain:
    """An object without declared fields."""

    def __repr__(self) -> str:
        raise AssertionError("it may be of any length")


class Text(str):
    """A subclass of str."""

    __slots__ = ()

    def __str__(self) -> str:
        return "something else\n"


class Rude(Exception):
    """An exception whose ``__str__`` raises."""

    def __str__(self) -> str:
        raise RuntimeError


class Ruder(Exception):
    """An exception whose ``__str__`` raises SystemExit."""

    def __str__(self) -> str:
        raise SystemExit


class Fields:
    """An object with the attributes that attrs sets, and a field that can't be read."""

    __attrs_attrs__ = (SimpleNamespace(name="a"),)
    __slots__ = ()

    @property
    def a(self) -> Any:
        raise KeyboardInterrupt


@given(st.text(alphabet=st.characters()) | st.binary() | json, st.integers(1, 300))
def test_any_value_is_one_printable_line_of_bounded_length(value: object, limit: int) -> None:
    """No line break, control character, bidirectional control or unpaired surrogate is in the text."""
    text = printable(value, limit)
    assert text.isprintable()
    assert len(text) <= limit
    text.encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("room:lobby", "room:lobby"),
        ("größe 🐦 日本", "größe 🐦 日本"),
        ("a\nb\r\x85\u2028", r"a\nb\r\x85\u2028"),
        ("\x1b[2J\x07\x9b", r"\x1b[2J\x07\x9b"),
        ("\u202e\u2066\u200f\ufeff", r"\u202e\u2066\u200f\ufeff"),
        ("\ud83d", r"\ud83d"),
        ("\xa0\t", r"\xa0\t"),
        (Text("a\nb"), r"a\nb"),
        ("x" * LIMIT, "x" * LIMIT),
        ("x" * 201, "x" * 199 + CUT),
        ("\n" * 200, r"\n" * 99 + "\\" + CUT),
        (b"a\n\xff", r"b'a\n\xff'"),
        (bytearray(b"a"), "b'a'"),
        (Raw(rb'["\ud83d", 1]'), r'["\ud83d", 1]'),
        (Raw(b'"a\n\xff' + b"x" * 300), '"a' + r"\n" + "\ufffd" + "x" * 194 + CUT),
        (memoryview(b"a"), "b'a'"),
        (None, "None"),
        (True, "True"),
        (12, "12"),
        (1.5, "1.5"),
        (1 << 300, "<int of 301 bits>"),
        (date(2026, 1, 2), "datetime.date(2026, 1, 2)"),
        (UUID(int=1), "UUID('00000000-0000-0000-0000-000000000001')"),
        (Colour.RED, "Colour.RED"),
        ({"a": [1, "\n", (2,)], 3: {4}}, r"{'a': [1, '\n', (2,)], 3: {4}}"),
        (frozenset({1}), "{1}"),
        ([Text("a\nb")], r"['a\nb']"),
        ([ValueError("a\nb"), KeyError(1)], r"[ValueError(a\nb), KeyError(1)]"),
        (Struct(1, "\n"), r"Struct(a=1, b='\n')"),
        (Data("\n"), r"Data(a='\n')"),
        (Slotted("\n"), r"Slotted(a='\n')"),
        (Attrs("\n"), r"Attrs(a='\n')"),
        (Model(a="\n"), r"Model(a='\n')"),
        (Plain(), "<Plain>"),
        (Data, "<type>"),
        (ValueError("bad\n"), r"bad\n"),
        (ValueError(), "ValueError"),
        (ValueError("a", 1), "('a', 1)"),
        (KeyError("a"), "a"),
        (UnicodeDecodeError("utf-8", b"\n", 0, 1, "a\nb"), None),
        (Rude(), "Rude"),
        (Ruder(), "Ruder"),
        ([Ruder()], "[Ruder(Ruder)]"),
        (Fields(), "<Fields>"),
    ],
)
def test_how_values_read(value: object, text: str | None) -> None:
    """Text has no quotes. Other values read as in Python, except objects without declared fields."""
    shown = printable(value)
    assert shown.isprintable()
    if text is not None:
        assert shown == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\n", r"'a\n'"),
        (ValueError("a"), "ValueError(a)"),
        (Plain(), "<Plain>"),
        (Fields(), "<Fields>"),
    ],
)
def test_what_stands_for_a_repr_says_what_it_is(value: object, text: str) -> None:
    """The text has the type of the value, and no address. It calls no code of the value."""
    assert described(value) == text
    assert described(["\n" * 300]).endswith(CUT)


def test_a_field_that_an_object_does_not_have_is_left_out() -> None:
    """A field that an ORM object has not loaded is left out, and not loaded."""
    value = Data(1)
    del value.a
    assert printable(value) == "Data()"


def test_what_is_nested_deeply_or_in_itself_is_cut() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    endless: list[Any] = []
    endless.append(endless)
    assert CUT in printable(deep)
    assert CUT in printable(endless)
    while deep:
        deep = deep[0]


def nested(size: int) -> Any:
    value: Any = "x"
    for _ in range(size):
        value = {"a": value, "b": [value]}
    return value


LARGE: dict[str, Callable[[], Any]] = {
    "text": lambda: "\x80" * 10_000_000,
    "bytes": lambda: b"\x80" * 10_000_000,
    "list": lambda: ["\n" * 1000] * 100_000,
    "dict": lambda: {str(number): number for number in range(100_000)},
    "exception": lambda: ValueError("\n" * 10_000_000),
    "KeyError": lambda: KeyError({"a": "\n" * 10_000_000}),
    "arguments": lambda: ValueError("a", "\n" * 10_000_000),
    "model": lambda: Model(a=["\n" * 10_000_000]),
    "own text": lambda: Text("\n" * 10_000_000),
    "integer": lambda: 1 << 80_000_000,
    "nested": lambda: nested(200),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_value_is_not_written_out_before_it_is_cut(kind: str) -> None:
    """The memory is that of the text that is shown, and not that of the whole value."""
    value = LARGE[kind]()
    printable(value)
    tracemalloc.start()
    try:
        shown = printable(value)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(shown) <= LIMIT
    assert peak < 50_000
