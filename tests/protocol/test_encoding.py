"""Encoding values as JSON, and the bounds of incoming JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict

import msgspec
import pydantic
import pytest
from hypothesis import given, strategies as st

from bennu.errors import DecodeError, EncodeError
from bennu.protocol.encoding import (
    MAX_NESTING,
    check_nesting,
    check_values,
    encode_json,
    encode_object,
    raw_object,
)

from ..support.properties import json_values, property_test


class Point(msgspec.Struct):
    """A payload of a user."""

    x: int
    label: str = "é"


class Pair(msgspec.Struct, array_like=True):
    """A value that is an array in JSON."""

    x: int


@dataclass
class Line:
    """Another value that is an array in JSON."""

    start: Point


class Typed(TypedDict):
    """A payload with known keys."""

    a: int


class Model(pydantic.BaseModel):
    """A pydantic model."""

    when: datetime
    point: dict[str, int] = {}


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ({"a": 1, "b": [1, 2.5, None, True, "é"]}, '{"a":1,"b":[1,2.5,null,true,"é"]}'),
        (Point(1), '{"x":1,"label":"é"}'),
        (Line(Point(1)), '{"start":{"x":1,"label":"é"}}'),
        (Typed(a=1), '{"a":1}'),
        ({1: "a"}, '{"1":"a"}'),
        (
            Model(when=datetime(2026, 1, 2, tzinfo=UTC)),
            '{"when":"2026-01-02T00:00:00Z","point":{}}',
        ),
        (
            {"inner": [Model(when=datetime(2026, 1, 2, tzinfo=UTC))]},
            '{"inner":[{"when":"2026-01-02T00:00:00Z","point":{}}]}',
        ),
        ({"big": 10**30}, '{"big":1000000000000000000000000000000}'),
        ({}, "{}"),
    ],
)
def test_a_payload_of_any_usual_type_becomes_a_compact_object(value: Any, encoded: str) -> None:
    """Structs, dataclasses, TypedDicts, dicts and pydantic models are encoded, also nested."""
    assert encode_object(value) == encoded.encode()
    assert encode_json(value) == encoded.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_json_has_no_number_for_is_null(value: float) -> None:
    """NaN and Infinity are written as null: clients can't read them."""
    assert encode_json({"a": value}) == b'{"a":null}'


class Odd:
    """A class without a JSON form."""


class Breaks(pydantic.BaseModel):
    """A model whose own code raises."""

    error: Any

    @pydantic.model_serializer
    def dump(self) -> Any:
        raise self.error


class Unsayable(Exception):
    """An object whose text can't be read."""

    def __str__(self) -> str:
        raise RuntimeError


def _endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        *[Odd(), {"a": Odd()}, {(1, 2): 3}, "\ud800", {"\ud800": 1}, _endless(), 10**5000],
        *[Breaks(error=error) for error in (Unsayable(), SystemExit(2), KeyboardInterrupt())],
    ],
    ids=[
        *["object", "object inside", "tuple as key", "surrogate", "key", "endless", "huge"],
        *["an unsayable error", "SystemExit", "KeyboardInterrupt"],
    ],
)
def test_a_value_without_a_json_form_is_an_encode_error(value: Any) -> None:
    """Each exception becomes an EncodeError with its reason."""
    with pytest.raises(EncodeError, match="the payload can't be written as JSON: "):
        encode_json(value)


@pytest.mark.conformance("SK028", "SK032")
@pytest.mark.parametrize(
    "value", [[1], "text", 5, 1.5, None, True, Pair(1), (1, 2), bytearray(b"x")]
)
def test_a_payload_that_is_no_object_is_refused_with_what_to_write(value: Any) -> None:
    """Clients expect an object in each push and broadcast. The error says what to write."""
    with pytest.raises(EncodeError, match="is a JSON object") as raised:
        encode_object(value)

    assert f"got {type(value).__name__}: write {{'value': ...}} around it" in str(raised.value)


@property_test
@given(json_values)
def test_encoded_json_is_read_back_by_anyones_parser(value: Any) -> None:
    """The JSON has no white space outside of texts."""
    encoded = encode_json(value)

    assert json.loads(encoded) == value
    assert not re.search(rb"\s", re.sub(rb'"(?:[^"\\]|\\.)*"', b"", encoded))


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    """Return JSON of this depth."""
    return (opening * depth + closing * depth).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"5",
        nested(MAX_NESTING),
        b"[" + b"[]," * 1000 + b"[]]",
        b'{"a":' * MAX_NESTING + b"1" + b"}" * MAX_NESTING,
        b'["' + b"[" * 1000 + b'"]',
        b'["' + b'\\"[' * 1000 + b'"]',
        b'["' + b"\\\\" * 1000 + b'",' + b"[]," * 1000 + b"[]]",
        b"]" * 1000,
        b'"' + b"[" * 1000 + b'"',
        b"[" + b'{"[":"{"},' * 200 + b"1]",
        nested(MAX_NESTING) * 3,
    ],
)
def test_json_within_the_bound_passes(data: bytes) -> None:
    """JSON within the bound passes, with any number of brackets, and any text."""
    check_nesting(data)


@pytest.mark.parametrize(
    "data",
    [
        nested(MAX_NESTING + 1),
        nested(10_000),
        nested(1_000_000),
        b'{"a":' * (MAX_NESTING + 1) + b"1" + b"}" * (MAX_NESTING + 1),
        b'[{"a":' * 65 + b"1" + b"}]" * 65,
        b"[" * 1000,
        b"[]" * 500 + nested(MAX_NESTING + 1),
        b'["]]]]",' * (MAX_NESTING + 1) + b"1" + b"]" * (MAX_NESTING + 1),
        b'["\\"]",' * (MAX_NESTING + 1) + b"1" + b"]" * (MAX_NESTING + 1),
    ],
)
def test_json_beyond_the_bound_is_refused_unread(data: bytes) -> None:
    """One level above the bound is refused. Arrays and objects count alike."""
    with pytest.raises(DecodeError, match="deeper than 128 levels"):
        check_nesting(data)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


_TRICKY = st.recursive(
    st.text(st.sampled_from('[]{}"\\,:a'), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[]{}"\\a'), inner),
    max_leaves=8,
)


@property_test
@given(_TRICKY, st.integers(MAX_NESTING - 8, MAX_NESTING + 2), st.booleans())
def test_the_bound_is_exact_whatever_stands_in_texts(value: Any, around: int, arrays: bool) -> None:
    """Brackets, quotes and backslashes in texts do not count as nesting."""
    for _ in range(around):
        value = [value] if arrays else {"[": value}
    data = json.dumps(value).encode()

    if _depth(value) <= MAX_NESTING:
        check_nesting(data)
    else:
        with pytest.raises(DecodeError):
            check_nesting(data)


def _weight(value: Any) -> int:
    """Count values as the check does: each array and object, and a comma for each value but the first."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return 0
    return 1 + max(0, len(value) - 1) + sum(map(_weight, value))


@property_test
@given(_TRICKY, st.integers(0, 12))
def test_the_number_of_values_is_exact_whatever_stands_in_texts(value: Any, more: int) -> None:
    """Commas, brackets, quotes and backslashes in texts do not count as values."""
    value = [value, *([0] * more)]
    data = json.dumps(value).encode()
    weight = _weight(value)

    check_values(data, weight + 1)
    if len(data) > weight:
        with pytest.raises(DecodeError, match=f"more than {weight} values"):
            check_values(data, weight)


@pytest.mark.parametrize(
    "data",
    [b"[" + b"[]," * 2000 + b"[]]", b'"' * 10_000, b'["' + b'","' * 4000 + b'"]'],
    ids=["arrays", "quotes", "texts"],
)
def test_more_values_than_may_be_are_refused_unread(data: bytes) -> None:
    """The text is refused also if it is no JSON."""
    with pytest.raises(DecodeError, match="more than 1000 values"):
        check_values(data, 1000)


def test_a_long_text_is_one_value() -> None:
    """A long text counts as one value, for any content."""
    check_values(json.dumps('[1, "a"],\\' * 2000).encode(), 1000)


def test_an_object_that_is_encoded_already_is_taken_as_it_is() -> None:
    """An encoded object is not copied. Any other value is encoded, and must be an object."""
    raw = msgspec.Raw(b'{"a": 1}')
    assert raw_object(raw) is raw
    assert bytes(raw_object({"a": 1})) == b'{"a":1}'
    for value in (msgspec.Raw(b"[1]"), msgspec.Raw(b""), [1]):
        with pytest.raises(EncodeError, match="JSON object"):
            raw_object(value)


def test_text_that_is_shorter_than_the_number_of_values_is_not_looked_at() -> None:
    """Text can't hold more values than bytes, so a short text is not checked."""
    check_values(b"[" * 1000, 1000)
    with pytest.raises(DecodeError, match="more than 999 values"):
        check_values(b"[" * 1000, 999)
