"""Fields of payloads: at start-up by the type, and in a payload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, NewType, NotRequired, TypedDict, TypeVar

import attrs
import pytest
from msgspec import Meta, Struct
from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType

from bennu.user_code.fields import MISSING, field_type, plain_type, value_of

T = TypeVar("T")
Key = NewType("Key", str)
Long = Annotated[Key, Meta(min_length=16)]


class AsStruct(Struct):
    """A Struct, whose field has another name on the wire."""

    shared: ClassVar[int] = 1
    key: Long
    number: int = 0


class AsModel(BaseModel):
    """A model of pydantic, whose field has another name on the wire."""

    key: str = Field(alias="Key")


@dataclass
class AsDataclass:
    """A dataclass."""

    key: str


@attrs.define
class AsAttrs:
    """A class of attrs."""

    key: str


class AsTypedDict(TypedDict):
    """A dict with known keys."""

    key: NotRequired[str]


class AsGeneric(Struct, Generic[T]):
    """A generic Struct."""

    key: T


class NoData:
    """A class without fields."""

    key: str


Named = TypeAliasType("Named", AsStruct)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (AsStruct, Long),
        (AsModel, str),
        (AsDataclass, str),
        (AsAttrs, str),
        (AsTypedDict, NotRequired[str]),
        (AsGeneric[str], Any),
        (Named, Long),
        (Annotated[AsStruct, Meta(title="x")], Long),
        (AsStruct | None, Long),
        (AsDataclass | AsStruct, str | Long),
        (dict[str, int], int),
        (Mapping[str, str], str),
        (dict, Any),
        (Any, Any),
        (object, Any),
        (AsStruct | list[str], MISSING),
        (list[str], MISSING),
        (str, MISSING),
        (bytes, MISSING),
        (None, MISSING),
        (NoData, MISSING),
    ],
)
def test_the_type_of_a_field(annotation: Any, expected: Any) -> None:
    assert field_type(annotation, "key") == expected


def test_a_field_that_is_not_there() -> None:
    for kind in (AsStruct, AsModel, AsDataclass, AsAttrs, AsTypedDict):
        assert field_type(kind, "other") is MISSING
    assert field_type(AsStruct, "shared") is MISSING  # it is no field
    assert field_type(AsModel, "Key") is MISSING  # fields have their names in Python


def test_a_type_without_name_and_metadata() -> None:
    assert plain_type(Long) is str
    assert plain_type(NotRequired[Long]) is str
    assert plain_type(list[str]) == list[str]


def test_the_value_of_a_field() -> None:
    for payload in (
        AsStruct(Key("k")),
        AsModel(Key="k"),
        AsDataclass("k"),
        AsAttrs("k"),
        {"key": "k"},
    ):
        assert value_of(payload, "key") == "k"
        assert value_of(payload, "other") is MISSING
    for other in (None, [1], "text", 7):
        assert value_of(other, "key") is MISSING
