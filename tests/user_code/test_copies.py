"""Copies of data share no mutable data. Objects that are no data are not copied."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from msgspec import Struct
from pydantic import BaseModel

from bennu.user_code.copies import copy_of


class Point(Struct, frozen=True):
    at: list[int]
    more: Any = None


@dataclass(frozen=True, slots=True)
class Data:
    at: list[int]


class Model(BaseModel, frozen=True, extra="allow"):
    at: list[int]


class Named(NamedTuple):
    at: list[int]


class Attrs:
    """A class as the package attrs makes it."""

    __attrs_attrs__ = (type("Attribute", (), {"name": "at"}), type("Attribute", (), {"name": "no"}))

    def __init__(self) -> None:
        self.at = [1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attrs) and other.at == self.at

    def __hash__(self) -> int:
        return 0


class Own(dict[str, Any]):
    """A subclass of dict."""


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("dict", lambda inner: {"a": inner}),
        ("list", lambda inner: [inner]),
        ("tuple", lambda inner: (inner,)),
        ("own dict", lambda inner: Own(a=inner)),
        ("ordered", lambda inner: OrderedDict(a=inner)),
        ("default", lambda inner: defaultdict(list, a=inner)),
        ("deque", lambda inner: deque([inner], 3)),
        ("Struct", Point),
        ("Struct in dict", lambda inner: Point([], {"a": [inner]})),
        ("dataclass", Data),
        ("model's extra", lambda inner: Model.model_validate({"at": [], "other": inner})),
        ("model", lambda inner: Model.model_construct(at=inner)),
        ("namedtuple", Named),
    ],
)
def test_a_copy_is_equal_and_shares_no_data(name: str, make: Any) -> None:
    """A change of one copy does not change the other."""
    del name
    inner = [1, {"x": [2]}]
    given = make(inner)

    copied = copy_of(given)

    assert copied == given
    assert type(copied) is type(given)
    inner.append(3)
    assert copied == make([1, {"x": [2]}])
    assert copied != given


def test_a_class_of_attrs_is_data() -> None:
    """An attribute that is not set stays unset in the copy."""
    given = Attrs()

    copied = copy_of(given)
    given.at.append(2)

    assert copied.at == [1]


def test_what_is_no_data_or_never_changes_stays_the_same() -> None:
    """A lock or a task that is sent to another channel stays the same object."""
    constants: list[object] = [None, 1, 1.5, True, "text", b"bytes", object(), asyncio.Event()]
    frozen: list[object] = [(1, "2"), Named((1,)), Point((1, 2)), Data(())]  # type: ignore[arg-type]
    for value in constants + frozen:
        assert copy_of(value) is value
        assert copy_of([value])[0] is value


def test_sets_and_bytearrays_are_copied() -> None:
    """A set or a bytearray is copied, because it can change. Its items can't change."""
    given: list[Any] = [{1}, frozenset({2}), bytearray(b"3")]
    copied = copy_of(given)
    given[0].add(4)
    given[2].extend(b"4")

    assert copied == [{1}, frozenset({2}), bytearray(b"3")]


def test_what_holds_itself_or_refuses_to_be_copied_stays_the_same() -> None:
    """A value that contains itself, or that can't be copied, is returned unchanged. No client can send such a value."""

    class Single(dict[str, Any]):
        def __copy__(self) -> Any:
            raise TypeError("there is one")

    endless: list[Any] = []
    endless.append(endless)
    single = Single()

    assert copy_of(single) is single
    assert isinstance(copy_of(endless), list)
