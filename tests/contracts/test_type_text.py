"""Types as short text."""

from __future__ import annotations

import typing
from typing import Annotated, Any, Literal, NewType, NotRequired

import pytest
from msgspec import Meta

from bennu.contracts.model import EMPTY, NOTHING
from bennu.contracts.type_text import type_text
from tests.contracts.shop import Level, Point

UserId = NewType("UserId", int)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (NOTHING, ""),
        (EMPTY, "{}"),
        (None, "None"),
        (Any, "any"),
        (object, "any"),
        (Point, "Point"),
        (Point | None, "Point | None"),
        (list[Point], "list[Point]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (typing.List[int], "list[int]"),  # noqa: UP006 - older code has it
        (Annotated[str, Meta(min_length=1)], "str"),
        (Literal["a", 1, Level.LOW], "\"a\" | 1 | 'low'"),
        (NotRequired[int], "int"),
        (UserId, "UserId"),
        (typing.TypeVar("T"), "~T"),
    ],
)
def test_type_text(annotation: Any, text: str) -> None:
    assert type_text(annotation) == text


def test_a_class_in_a_function_is_named_without_it() -> None:
    class Local: ...

    assert type_text(Local) == "Local"
