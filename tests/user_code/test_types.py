"""The parts of a type, and the library that checks all of it. A constraint that would be ignored is refused."""

from __future__ import annotations

import dataclasses
import enum
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    Required,
    TypedDict,
    TypeVar,
)
from uuid import UUID

import pydantic
import pytest
from annotated_types import Ge, Len
from fastapi import Body, Depends
from msgspec import Meta, Raw, Struct
from pydantic import BaseModel, Field, PositiveInt, field_validator
from pydantic.dataclasses import dataclass as checked_dataclass

from bennu.errors import DefinitionError
from bennu.protocol.encoding import encode_json
from bennu.user_code.converter import converter_for
from bennu.user_code.invalid_payload import InvalidPayload
from bennu.user_code.models import tidy
from bennu.user_code.outgoing import to_builtin
from bennu.user_code.payload import decoder_for
from bennu.user_code.types import is_object, read_type

T = TypeVar("T")
SECRET = "a value that nobody may see"
Positive = NewType("Positive", PositiveInt)
Id = NewType("Id", int)


@checked_dataclass
class Bid:
    amount: Annotated[int, Field(gt=0)]

    @field_validator("amount")
    @classmethod
    def even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"odd, says {object()}")
        return value


@dataclasses.dataclass
class Plain:
    amount: Annotated[int, Ge(1)]


@dataclasses.dataclass
class Defaulted:
    amount: int = Field(gt=0)


class Typed(TypedDict):
    amount: PositiveInt


class Partial(TypedDict, total=False):
    amount: Required[PositiveInt]
    more: int


class Named(NamedTuple):
    amount: PositiveInt


class Move(BaseModel):
    kind: Literal["move"] = "move"
    player_id: int = Field(alias="playerId")
    game: UUID | None = None


class Chat(BaseModel):
    kind: Literal["chat"]
    text: str


class Round(Struct):
    moves: list[Move]
    by_name: dict[str, Move] = {}
    last: Optional[Move] = None  # noqa: UP045 - as people write it


Either = Annotated[Move | Chat, Field(discriminator="kind")]


class Color(enum.Enum):
    RED = "red"


def mistakes(annotation: Any, payload: str) -> list[tuple[str, str]]:
    decode = decoder_for(annotation, subject="the handler", where=None)
    with pytest.raises(InvalidPayload) as raised:
        decode(Raw(payload.encode()))
    return [(one["path"], one["message"]) for one in raised.value.errors]


@pytest.mark.parametrize(
    "annotation",
    [Bid, Plain, Defaulted, Typed, Partial, Either | None, list[Bid], dict[str, Plain]],
    ids=str,
)
def test_what_needs_pydantic_is_checked_by_it(annotation: Any) -> None:
    """A type with a part that needs pydantic is checked by pydantic, for each kind of class."""
    payload = {
        list[Bid]: '[{"amount":-5}]',
        dict[str, Plain]: '{"x":{"amount":-5}}',
    }.get(annotation, '{"amount":-5,"kind":"move"}')

    assert mistakes(annotation, payload)


@pytest.mark.parametrize(
    ("annotation", "payload", "expected"),
    [
        (Bid, '{"amount":-5}', [("amount", "Input should be greater than 0")]),
        (Bid, '{"amount":5}', [("amount", "Value error, odd, says <object object>")]),
        (Bid, "5", [("", "Input should be an object")]),
        (Named, "[-5]", [("[0]", "Input should be greater than 0")]),
        (PositiveInt, "-5", [("", "Input should be greater than 0")]),
        (Positive, "-5", [("", "Input should be greater than 0")]),
        (
            Move | None,
            f'{{"playerId":"{SECRET}","game":"{SECRET}"}}',
            [
                ("playerId", "Input should be a valid integer"),
                ("game", "Input should be a valid UUID"),
            ],
        ),
        (
            list[Move],
            f'[{{"playerId":1}},{{"playerId":"{SECRET}"}}]',
            [("[1].playerId", "Input should be a valid integer")],
        ),
        (dict[str, Move], '{"a":{}}', [("a.playerId", "Field required")]),
        (dict[int, Move], '{"a":{"playerId":1}}', [("a", "Input should be a valid integer")]),
        (
            Round,
            f'{{"moves":[{{"playerId":1}},{{"playerId":"{SECRET}"}}]}}',
            [("moves[1].playerId", "Input should be a valid integer")],
        ),
        (Round, '{"moves":[],"last":5}', [("last", "Input should be an object")]),
        (Round, '{"moves":[],"by_name":{"x":{}}}', [("by_name[...].playerId", "Field required")]),
        (Either, '{"kind":"move"}', [("playerId", "Field required")]),
        (
            Either,
            f'{{"kind":"{SECRET}"}}',
            [("", "Input should have one of the tags 'move', 'chat'")],
        ),
        (Either, "{}", [("", "Input has no tag that says which of the types it is")]),
        (
            Move | Chat,
            '{"kind":"chat"}',
            [
                ("kind", "Input should be 'move'"),
                ("playerId", "Field required"),
                ("text", "Field required"),
            ],
        ),
        (Color, f'"{SECRET}"', [("", "Invalid enum value")]),
        (Literal["a"], f'"{SECRET} - at `$.x`"', [("", "Invalid enum value")]),
        (list[Literal["a"]], f'["{SECRET}"]', [("[0]", "Invalid enum value")]),
        (pydantic.HttpUrl, f'"{SECRET}"', [("", "Input should be a valid URL")]),
        (Move, "nothing", [("", "Invalid JSON: expected ident at line 1 column 2")]),
    ],
)
def test_a_mistake_has_a_path_to_the_field_and_tells_nothing_else(
    annotation: Any, payload: str, expected: list[tuple[str, str]]
) -> None:
    """A mistake has a path, and no values, no class names, no URLs of pydantic, and no addresses in memory."""
    assert mistakes(annotation, payload) == expected


def test_what_a_client_is_told_has_a_bound() -> None:
    """The number of mistakes is bounded, and a client's own key is cut."""
    assert len(mistakes(list[Move], "[" + "5," * 999 + "5]")) == 20
    long = mistakes(Annotated[dict[str, int], Field()], '{"' + "k" * 10_000 + '":"x"}')
    assert len(long[0][0]) < 250
    assert len(tidy("x" * 10_000)) < 250


class Native(Struct):
    amount: int


class Mixed(Struct):
    amount: Annotated[int, Ge(0)]


class Around(Struct):
    bid: Bid


class WithField(Struct):
    amount: int = Field(gt=0)


@dataclasses.dataclass
class TwoLibraries:
    one: Annotated[int, Meta(ge=0)]
    other: Annotated[int, Ge(0)]


class Attrs:
    """A class as the package attrs makes it."""

    __attrs_attrs__ = ()
    amount: Annotated[int, Ge(0)]


@pytest.mark.parametrize(
    "annotation",
    [
        *(Mixed, Around, WithField, TwoLibraries, Attrs, list[Mixed], Mixed | None),
        Annotated[list[Native], Len(1)],
        dict[str, Annotated[Native, Field()]],
        tuple[Native, PositiveInt],
    ],
    ids=str,
)
def test_a_constraint_that_nobody_would_check_is_refused(annotation: Any) -> None:
    """A constraint that would be ignored is refused at start-up, with what to write."""
    for make in (decoder_for, converter_for):
        with pytest.raises(
            DefinitionError, match="with constraints that would be ignored"
        ) as raised:
            make(annotation, subject="the handler", where="app.py:7")

        assert "msgspec.Meta(ge=0)" in raised.value.write
        assert raised.value.where == "app.py:7"


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[Native, Meta(description="what it is")],
        Annotated[int, Meta(ge=0)],
        Annotated[Native, "a note"],
        Round,
        list[Native] | None,
    ],
    ids=str,
)
def test_what_msgspec_checks_stays_with_msgspec(annotation: Any) -> None:
    """A type without pydantic's parts is checked by msgspec, also with models inside of its Structs."""
    decoder_for(annotation, subject="the handler", where=None)


@pytest.mark.parametrize("asks", [Depends(dict), Body()])
def test_a_dependency_of_a_web_framework_is_refused(asks: Any) -> None:
    """A dependency of a web framework is refused, because Bennu does not resolve it."""
    with pytest.raises(DefinitionError, match="that asks for") as raised:
        decoder_for(Annotated[dict[str, Any], asks], subject="the handler", where=None)

    assert "state" in raised.value.write


def test_a_constraint_without_pydantic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """`annotated_types` can be installed without pydantic."""
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(DefinitionError, match="not installed"):
        decoder_for(Plain, subject="the handler", where=None)


def test_a_type_that_pydantic_can_not_check_is_refused() -> None:
    """The error has pydantic's reason, on one line."""
    with pytest.raises(DefinitionError, match="that pydantic can't check") as raised:
        decoder_for(dict[str, Move | ModuleType], subject="x", where=None)

    assert "\n" not in raised.value.got


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Native, True),
        (Plain, True),
        (Typed, True),
        (Move, True),
        (Either, True),
        (Attrs, True),
        (dict[str, int], True),
        (Mapping[str, int], True),
        (Any, True),
        (object, True),
        (Native | None, True),
        (NewType("New", Native), True),
        (str, False),
        (int | None, False),
        (list[str], False),
        (Positive, False),
        (Literal["a"], False),
    ],
    ids=str,
)
def test_the_types_of_objects(annotation: Any, expected: bool) -> None:
    """The parameters of a query must be a type of objects."""
    assert is_object(annotation) is expected


# Query parameters.


class Query(Struct):
    tags: list[str]
    scores: dict[str, list[int]] = {}
    points: list[Native] = []


class ModelQuery(BaseModel):
    tags: list[str]
    inner: list[Move] = []


@pytest.mark.parametrize(
    ("annotation", "params", "value"),
    [
        (Query, {"tags": {"0": "a", "1": "b"}}, Query(["a", "b"])),
        (Query, {"tags": {"1": "b", "0": "a"}}, Query(["a", "b"])),
        (Query, {"tags": ["a"]}, Query(["a"])),
        (Query, {"tags": [], "scores": {"x": {"0": "3"}}}, Query([], {"x": [3]})),
        (
            Query,
            {"tags": [], "points": {"0": {"amount": "1"}, "1": {"amount": "2"}}},
            Query([], points=[Native(1), Native(2)]),
        ),
        (
            ModelQuery,
            {"tags": {"0": "a"}, "inner": {"0": {"playerId": "1"}}},
            ModelQuery(tags=["a"], inner=[Move(playerId=1)]),
        ),
        (dict[str, Any], {"tags": {"0": "a"}}, {"tags": {"0": "a"}}),
    ],
)
def test_a_list_of_the_stock_client_becomes_a_list(
    annotation: Any, params: dict[str, Any], value: Any
) -> None:
    """The stock client writes tags[0]=a&tags[1]=b, which is an object unless the type is a list."""
    assert converter_for(annotation, subject="it", where=None)(params) == value


@pytest.mark.parametrize(
    "params",
    [
        {"tags": {}},
        {"tags": {"0": "a", "2": "b"}},
        {"tags": {"x": "a"}},
        {"tags": "a"},
        {"tags": [], "points": [{"amount": {"0": "1"}}]},
        {"tags": [], "scores": {"x": {"a": "1"}}},
        {"tags": [], "scores": {"x": "1"}},
        {"tags": [], "points": {"0": {"amount": "x"}}},
    ],
    ids=str,
)
def test_what_is_no_list_is_refused(params: dict[str, Any]) -> None:
    """An object that is no list is refused, with its mistake."""
    with pytest.raises(InvalidPayload):
        converter_for(Query, subject="it", where=None)(params)


def test_the_lists_of_one_query_have_a_bound() -> None:
    """The number of lists in a query is bounded: each list costs one more pass over the query."""

    class Many(Struct):
        lists: dict[str, list[int]] = {}
        points: list[list[list[int]]] = []

    convert = converter_for(Many, subject="it", where=None)
    assert convert({"points": {"0": {"0": {"0": "1"}}}}).points == [[[1]]]
    with pytest.raises(InvalidPayload) as raised:
        convert({"points": [{"0": ["1"]} for _ in range(100)]})

    assert raised.value.errors == [{"path": "", "message": "expected at most 32 lists"}]


# Outgoing payloads.


class Markup(str):
    """A subclass of str, as that of markupsafe, or Django's SafeString."""

    __slots__ = ()


class Meters(float):
    """A subclass of float, as numpy.float64."""


class Count(int):
    """A subclass of int."""


class Blob(bytes):
    """A subclass of bytes."""


class Level(enum.IntEnum):
    LOW = 1


class Name(enum.StrEnum):
    ANN = "ann"


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (Markup("<b>"), b'"<b>"'),
        (Meters(1.5), b"1.5"),
        (Count(7), b"7"),
        (Blob(b"x"), b'"eA=="'),
        (Level.LOW, b"1"),
        (Name.ANN, b'"ann"'),
        (True, b"true"),
        ({Markup("k"): [Meters(1.5), {Name.ANN: Count(2)}]}, b'{"k":[1.5,{"ann":2}]}'),
        (Move(playerId=7), b'{"kind":"move","playerId":7,"game":null}'),
        ({"move": Move(playerId=7)}, b'{"move":{"kind":"move","playerId":7,"game":null}}'),
        (Round([Move(playerId=7)]), b'{"moves":[{"kind":"move","playerId":7,"game":null}],"by_name":{},"last":null}'),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_derived_from_a_scalar_is_written_as_its_base_and_a_model_by_its_aliases(
    value: Any, encoded: bytes
) -> None:
    """Payloads are written as json.dumps and FastAPI write them."""
    assert encode_json(value) == encoded


def test_a_scalar_of_numpy_is_written_as_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scalar of numpy is written if numpy is installed. Bennu does not import numpy."""

    class Generic:
        def item(self) -> int:
            return 3

    with pytest.raises(TypeError):
        to_builtin(Generic())
    numpy = ModuleType("numpy")
    numpy.generic = Generic  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "numpy", numpy)

    assert encode_json({"n": Generic()}) == b'{"n":3}'


def test_a_serialization_alias_is_written() -> None:
    """The alias of a pydantic field is written, and so is msgspec's rename."""

    class Out(BaseModel):
        body: str = Field(serialization_alias="text")

    class Renamed(Struct, rename="camel"):
        room_id: int

    assert encode_json(Out(body="x")) == b'{"text":"x"}'
    assert encode_json(Renamed(1)) == b'{"roomId":1}'


def test_a_generic_type_is_read_through_its_arguments() -> None:
    """The fields of a generic type have only the type variables."""

    class Box(Struct, Generic[T]):
        value: T

    assert read_type(Box[set[int]]).integers is int
    assert read_type(Box[Bid]).validated is Bid
