"""Patterns: what fits, and how a difference is said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec import Struct

from bennu.testing import ANY, Exactly
from bennu.testing.patterns import differences, shown


class Message(Struct):
    """A message."""

    id: int
    body: str = "Hi"


@dataclass
class Author:
    """Who writes."""

    name: str


def is_long(text: str) -> bool:
    """Return whether a text is long."""
    return len(text) > 3


FITS: list[tuple[Any, Any]] = [
    (ANY, None),
    (ANY, {"a": 1}),
    (1, 1),
    (1.5, 1.5),
    (None, None),
    (True, True),
    (b"x", b"x"),
    ("Hi", "Hi"),
    ({}, {"a": 1}),
    ({"a": 1}, {"a": 1, "b": 2}),
    ({"a": {"b": int}}, {"a": {"b": 3, "c": 4}}),
    ([1, str], [1, "x"]),
    ((1, 2), [1, 2]),
    (int, 3),
    (float, 3),
    (str, "x"),
    (dict, {}),
    (list[int], [1, 2]),
    (int | None, None),
    (bytes, b"x"),
    (Message, {"id": 1, "body": "Ho"}),
    (Message(1, "Ho"), {"id": 1, "body": "Ho", "at": 5}),
    (Author("ann"), {"name": "ann", "age": 5}),
    (re.compile("^H"), "Hi"),
    (is_long, "long"),
    (lambda value: value > 3, 4),
    (Exactly({"a": 1}), {"a": 1}),
    ({"a": Exactly([1])}, {"a": [1]}),
]

DIFFERS: list[tuple[Any, Any, list[str]]] = [
    (1, 2, ["expected 1, got 2"]),
    (1, True, ["expected 1, got True"]),
    (True, 1, ["expected True, got 1"]),
    (None, 0, ["expected None, got 0"]),
    (int, True, ["expected int, got True"]),
    (int, "3", ["expected int, got '3'"]),
    (str, b"x", ["expected str, got b'x'"]),
    (bytes, "x", ["expected bytes, got 'x'"]),
    ({"a": 1}, [], ["expected {'a': 1}, got []"]),
    ({"a": 1}, {}, ["a: expected 1, and it is missing"]),
    (
        {"a": 1, "b": {"c": str}},
        {"a": 2, "b": {"c": 3}},
        ["a: expected 1, got 2", "b.c: expected str, got 3"],
    ),
    ([1], "x", ["expected [1], got 'x'"]),
    ([1, 2], [1], ["expected 2 items, got 1: [1]"]),
    ({"a": [1, 2]}, {"a": [1, 3]}, ["a[1]: expected 2, got 3"]),
    (Message, {"id": "x"}, ["expected Message, got {'id': 'x'}"]),
    (Message(1), {"id": 1}, ["body: expected 'Hi', and it is missing"]),
    (re.compile("^H"), "ho", ["expected re.compile('^H'), got 'ho'"]),
    (re.compile("^H"), 5, ["expected re.compile('^H'), got 5"]),
    (is_long, "x", ["expected is_long(...), got 'x'"]),
    (lambda _: False, "x", ["expected what a function accepts, got 'x'"]),
    (Exactly({"a": 1}), {"a": 1, "b": 2}, ["expected exactly {'a': 1}, got {'a': 1, 'b': 2}"]),
]


@pytest.mark.parametrize(("pattern", "value"), FITS, ids=shown)
def test_what_fits(pattern: Any, value: Any) -> None:
    assert differences(pattern, value) == []


@pytest.mark.parametrize(("pattern", "value", "said"), DIFFERS, ids=shown)
def test_what_differs_is_said_with_its_place(pattern: Any, value: Any, said: list[str]) -> None:
    assert differences(pattern, value) == said


def test_patterns_are_shown_short_and_by_their_names() -> None:
    assert shown({"id": int, "who": [ANY, is_long], "exactly": Exactly(1)}) == (
        "{'id': int, 'who': [ANY, is_long(...)], 'exactly': Exactly(1)}"
    )
    assert shown("x" * 1000).endswith("… (1002 characters)")
