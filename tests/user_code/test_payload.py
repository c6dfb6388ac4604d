"""Decoding payloads to the annotated types, and the mistakes that a client is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    TypedDict,
    TypeVar,
)

import msgspec
import pydantic
import pytest
from hypothesis import given, strategies as st
from msgspec import Meta, Raw, Struct

from bennu.errors import DefinitionError
from bennu.user_code.converter import convert
from bennu.user_code.invalid_payload import InvalidPayload
from bennu.user_code.outgoing import to_builtin, to_type
from bennu.user_code.payload import anything, check_type, decoder_for

from ..support.properties import json_values, property_test

T = TypeVar("T")
UserId = NewType("UserId", int)


class NewMsg(Struct):
    """A usual payload."""

    body: Annotated[str, Meta(min_length=1, max_length=5)]
    tags: list[str] = []


@dataclass
class Point:
    """Another payload."""

    x: int
    y: int = 0


class Typed(TypedDict):
    """A payload with known keys."""

    a: int


class Pair(NamedTuple):
    """A payload that is an array in JSON."""

    x: int
    y: str


class Color(Enum):
    """A payload that is text in JSON."""

    RED = "red"


class Tree(Struct):
    """A recursive type."""

    children: list[Tree] = []


class Box(Struct, Generic[T]):
    """A generic type."""

    value: T


class Model(pydantic.BaseModel):
    """A pydantic model."""

    count: pydantic.PositiveInt
    inner: list[int] = []


class Holder(Struct):
    """A Struct with a pydantic model in it."""

    model: Model


class Custom:
    """A class that JSON can't become."""


def decode(annotation: Any, payload: Any) -> Any:
    """Decode a payload, JSON as text or bytes of a binary frame, to this type."""
    decoder = decoder_for(annotation, subject="the handler", where=None)
    return decoder(payload if isinstance(payload, bytes) else Raw(payload.encode()))


def mistakes(annotation: Any, payload: Any) -> list[tuple[str, str]]:
    """Return the paths and messages of a payload's mistakes."""
    with pytest.raises(InvalidPayload) as raised:
        decode(annotation, payload)
    return [(one["path"], one["message"]) for one in raised.value.errors]


@pytest.mark.parametrize(
    ("annotation", "payload", "value"),
    [
        (NewMsg, '{"body":"hi","more":1}', NewMsg("hi")),
        (NewMsg, '{"tags":["a"],"body":"é"}', NewMsg("é", ["a"])),
        (Point, '{"x":1}', Point(1)),
        (Typed, '{"a":1}', {"a": 1}),
        (Pair, '[1,"b"]', Pair(1, "b")),
        (Color, '"red"', Color.RED),
        (Literal["a", "b"], '"b"', "b"),
        (dict[str, int], '{"a":1}', {"a": 1}),
        (dict, '{"a":[1]}', {"a": [1]}),
        (dict[int, str], '{"1":"a"}', {1: "a"}),
        (list[Point], '[{"x":1,"y":2}]', [Point(1, 2)]),
        (int | None, "null", None),
        (UserId, "7", 7),
        (datetime, '"2026-01-02T03:04:05Z"', datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (Tree, '{"children":[{"children":[]}]}', Tree([Tree()])),
        (Box[int], '{"value":1}', Box(1)),
        (list[object], '[1,"a"]', [1, "a"]),
        (Raw, '{"a":1}', Raw(b'{"a":1}')),
        (Any, '{"a":[1,null]}', {"a": [1, None]}),
        (object, "5", 5),
        (None, "null", None),
        (Model, '{"count":1}', Model(count=1)),
        (list[Model], '[{"count":1}]', [Model(count=1)]),
        (Model | None, '{"count":1}', Model(count=1)),
        (Annotated[Model, "x"], '{"count":1}', Model(count=1)),
        (Holder, '{"model":{"count":1}}', Holder(Model(count=1))),
    ],
)
def test_json_becomes_the_annotated_type(annotation: Any, payload: str, value: Any) -> None:
    """A payload can have any type that msgspec converts, and pydantic models, also nested."""
    decoded = decode(annotation, payload)

    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize(
    ("annotation", "payload", "expected"),
    [
        (NewMsg, '{"body":""}', [("body", "Expected `str` of length >= 1")]),
        (NewMsg, '{"body":"too long"}', [("body", "Expected `str` of length <= 5")]),
        (NewMsg, '{"body":"a","tags":["b",1]}', [("tags[1]", "Expected `str`, got `int`")]),
        (NewMsg, "{}", [("", "Object missing required field `body`")]),
        (NewMsg, "[]", [("", "Expected `object`, got `array`")]),
        (NewMsg, "null", [("", "Expected `object`, got `null`")]),
        (list[Point], '[{"x":1},{"x":"1"}]', [("[1].x", "Expected `int`, got `str`")]),
        (int, '"7"', [("", "Expected `int`, got `str`")]),
        (int, "9" * 5000, [("", "Integer value out of range")]),
        (Color, '"blue"', [("", "Invalid enum value")]),
        (str, '"\\ud800"', [("", "Input data was truncated")]),
    ],
)
def test_a_payload_that_does_not_fit_says_where_and_why(
    annotation: Any, payload: str, expected: list[tuple[str, str]]
) -> None:
    """The client gets the path in the payload, and a message."""
    assert mistakes(annotation, payload) == expected


def test_every_mistake_that_pydantic_finds_is_told() -> None:
    """The client gets all of pydantic's mistakes, with paths as those of msgspec."""
    found = mistakes(Model, '{"count":0,"inner":[1,"x"]}')

    assert [path for path, _ in found] == ["count", "inner[1]"]
    assert found[0][1] == "Input should be greater than 0"


def test_a_model_inside_of_another_type_says_where_it_does_not_fit() -> None:
    """The path leads to the field in the model."""
    assert [path for path, _ in mistakes(list[Model], '[{"count":1},{"count":0}]')] == ["[1].count"]


def test_bytes_take_a_binary_frame_and_nothing_else() -> None:
    """A payload of type bytes takes only binary frames, and every other type takes only JSON."""
    assert decode(bytes, b"\0\xff") == b"\0\xff"
    assert mistakes(bytes, '"AA=="') == [("", "expected a binary frame, got JSON")]
    for annotation in (NewMsg, dict[str, Any], int, Model, list[Model]):
        assert mistakes(annotation, b"{}") == [("", "expected JSON, got a binary frame")]


@pytest.mark.parametrize("annotation", [bytes | NewMsg, NewMsg | bytes, bytes | NewMsg | None])
def test_a_union_with_bytes_takes_both(annotation: Any) -> None:
    """Bytes are passed unchanged, and JSON becomes one of the other types."""
    assert decode(annotation, b"{}") == b"{}"
    assert decode(annotation, '{"body":"hi"}') == NewMsg("hi")
    assert mistakes(annotation, '{"body":1}')[0][0] == "body"


def test_any_takes_what_comes() -> None:
    """``Any`` takes the bytes of a binary frame, and the builtins of JSON."""
    assert decode(Any, b"{}") == b"{}"
    assert decode(Any, "{}") == {}


@property_test
@given(st.text(max_size=40) | json_values.map(lambda value: msgspec.json.encode(value).decode()))
def test_no_json_raises_anything_but_an_invalid_payload(payload: str) -> None:
    """Invalid JSON raises only InvalidPayload, for each type."""
    for decoder in _DECODERS:
        with suppress(InvalidPayload):
            decoder(Raw(payload.encode()))


_DECODERS = [
    anything,
    *(
        decoder_for(annotation, subject="the handler", where=None)
        for annotation in (
            NewMsg,
            Point,
            Typed,
            Pair,
            int,
            bytes | NewMsg,
            Model,
            list[Model],
            date,
        )
    ),
]


@pytest.mark.parametrize(
    "annotation",
    [
        5,
        "NewMsg",
        Custom,
        complex,
        type,
        Iterable[int],
        Callable[[int], int],
        Custom | None,
        list[Custom],
        dict[str, tuple[int, Custom]],
        Box[Custom],
        NewMsg | Point,
        list[int] | set[int],
        Model | NewMsg,
    ],
)
def test_a_type_that_json_can_not_become_is_refused_at_start_up(annotation: Any) -> None:
    """A type that JSON can't become is refused at start-up, also if it is nested."""
    with pytest.raises(DefinitionError) as raised:
        decoder_for(annotation, subject="the handler Room.x", where="app.py:7")

    assert raised.value.subject == "the handler Room.x has a payload that JSON can't become"
    assert raised.value.got.startswith(repr(annotation))
    assert raised.value.write == "payload: dict[str, Any]"
    assert raised.value.where == "app.py:7"


def test_the_class_that_does_not_fit_is_named() -> None:
    """The error names the class, also if it is inside of another type."""
    with pytest.raises(DefinitionError) as raised:
        check_type(dict[str, list[Custom]], subject="it", where=None)

    assert raised.value.got.endswith(f"({Custom!r})")


class Unresolved(Struct):
    """A Struct with an unresolvable annotation."""

    field: Nowhere  # type: ignore[name-defined] # noqa: F821 - that is the point


def test_a_type_with_an_annotation_that_can_not_be_resolved_is_refused() -> None:
    """An unresolvable annotation in a type is a DefinitionError, which has the annotation's name."""
    with pytest.raises(DefinitionError, match="Nowhere"):
        check_type(Unresolved, subject="it", where=None)


# Query parameters.


class Params(Struct):
    """The parameters of a connect."""

    token: str
    page: int = 1
    live: bool = False
    ratio: float | None = None
    ids: list[int] = []


@pytest.mark.parametrize(
    ("params", "value"),
    [
        ({"token": "x", "vsn": "2.0.0"}, Params("x")),
        (
            {"token": "7", "page": "3", "live": "true", "ratio": "0.5", "ids": ["1", "2"]},
            Params("7", 3, True, 0.5, [1, 2]),
        ),
        ({"token": "x", "live": "0"}, Params("x", live=False)),
        ({"token": "x", "ratio": "null"}, Params("x", ratio=None)),
    ],
)
def test_query_parameters_are_converted_leniently(params: dict[str, Any], value: Params) -> None:
    """All query parameters are text, which is converted to the type."""
    assert convert(params, Params) == value


def test_query_parameters_become_a_model_or_a_typed_dict_as_well() -> None:
    """Query parameters can have each type that a payload can have."""
    assert convert({"count": "3"}, Model) == Model(count=3)
    assert convert({"model": {"count": "3"}}, Holder) == Holder(Model(count=3))
    assert convert({"a": "1"}, Typed) == {"a": 1}
    assert convert({"a": "1"}, dict[str, Any]) == {"a": "1"}


@pytest.mark.parametrize(
    ("params", "annotation", "path"),
    [
        ({}, Params, ""),
        ({"token": "x", "page": "many"}, Params, "page"),
        ({"token": {"a": "1"}}, Params, "token"),
        ({"count": "0"}, Model, "count"),
    ],
)
def test_query_parameters_that_do_not_fit_say_where(
    params: dict[str, Any], annotation: Any, path: str
) -> None:
    """The refusal has the path and the message, as for a payload."""
    with pytest.raises(InvalidPayload) as raised:
        convert(params, annotation)

    assert [one["path"] for one in raised.value.errors] == [path]


# Outgoing payloads.


@dataclass
class Wide:
    """A superset of Point."""

    x: int
    y: int
    z: int = 0
    more: list[Any] = field(default_factory=list)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (NewMsg("hi"), NewMsg),
        ({"body": "hi"}, NewMsg),
        ({"a": 1}, Typed),
        ({"a": 1}, dict[str, int]),
        ({"a": Point(1)}, dict[str, Any]),
        ({"a": Model(count=1)}, dict[str, Any]),
        (Wide(1, 2), Point),
        (Model(count=1), Model),
        ({"count": 1}, Model),
        (Model(count=1), dict[str, Any]),
        ({"model": {"count": 1}}, Holder),
        (b"x", bytes),
        (b"x", bytes | NewMsg),
        (NewMsg("hi"), bytes | NewMsg),
        ({"body": "hi"}, bytes | NewMsg),
        ({"anything": 1}, Any),
        ({"when": datetime(2026, 1, 2, tzinfo=UTC)}, dict[str, datetime]),
    ],
)
def test_a_value_that_fits_what_was_declared_may_go_out(value: Any, annotation: Any) -> None:
    """A payload fits by its class, or by its shape."""
    to_type(value, annotation)


@pytest.mark.parametrize(
    ("value", "annotation", "path"),
    [
        ({"body": 1}, NewMsg, "body"),
        ({"a": "1"}, Typed, "a"),
        ({"a": "1"}, dict[str, int], "[...]"),
        (Point(1), NewMsg, ""),
        ({"count": 0}, Model, "count"),
        (NewMsg("hi"), Model, "count"),
        (b"x", NewMsg, ""),
        ({"a": Custom()}, dict[str, Any], ""),
        ("text", dict[str, Any], ""),
    ],
)
def test_a_value_that_does_not_fit_says_where(value: Any, annotation: Any, path: str) -> None:
    """The error has the path and the message, as for an incoming payload."""
    with pytest.raises(InvalidPayload) as raised:
        to_type(value, annotation)

    assert [one["path"] for one in raised.value.errors] == [path]


def test_what_nobody_knows_how_to_write_is_a_type_error() -> None:
    """A value without a JSON form raises a TypeError. A model is written in its JSON form."""
    assert to_builtin(Model(count=1)) == {"count": 1, "inner": []}
    with pytest.raises(TypeError, match="Custom can't be written as JSON"):
        to_builtin(Custom())


def test_pydantic_is_not_imported_for_those_who_do_not_use_it() -> None:
    """pydantic is not imported for applications that don't use it: it would cost 0.1 s and some megabytes."""
    code = (
        "import sys, msgspec\n"
        "from bennu.user_code.payload import decoder_for\n"
        "class Message(msgspec.Struct):\n    body: str\n"
        "decoder_for(Message, subject='it', where=None)(msgspec.Raw(b'{\"body\":\"\"}'))\n"
        "import bennu\n"
        "assert 'pydantic' not in sys.modules\n"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
