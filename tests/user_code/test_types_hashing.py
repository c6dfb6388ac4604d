"""Types whose values a client can make the members of a set or the keys of a dict."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
)
from uuid import UUID

import pytest
from msgspec import Meta, Raw, Struct
from pydantic import BaseModel, Field

from bennu.user_code.converter import converter_for
from bennu.user_code.invalid_payload import InvalidPayload
from bennu.user_code.payload import MAX_KEYS, decoder_for
from bennu.user_code.types import read_type

from ..support.linear import assert_linear

Id = NewType("Id", int)
PRIME = 2**61 - 1
"""Two integers have the same hash if they differ by a multiple of this number."""


class Color(enum.Enum):
    RED = "red"


class Keys(Struct):
    chosen: set[int]


class KeysInModel(BaseModel):
    chosen: dict[int, str]


@dataclasses.dataclass(frozen=True)
class Point:
    x: int


@pytest.mark.parametrize(
    ("annotation", "integers", "hashed"),
    [
        (set[int], True, False),
        (frozenset[int], True, False),
        (dict[int, str], True, False),
        (Mapping[Annotated[int, Meta(ge=0)], str], True, False),
        (set[int | str], True, False),
        (set[Any], True, False),
        (set, True, False),
        (list[dict[Id, str]], True, False),
        (Keys, True, False),
        (KeysInModel, True, False),
        (Annotated[set[int], Field()], True, False),
        (set[UUID], False, True),
        (dict[Decimal, int], False, True),
        (set[tuple[int, int]], False, True),
        (set[Point], False, True),
        (set[str], False, False),
        (set[Literal[1, 2]], False, False),
        (set[Color], False, False),
        (set[bool], False, False),
        (dict[datetime, int], False, False),
        (dict[str, int], False, False),
        (dict, False, False),
        (list[int], False, False),
    ],
    ids=str,
)
def test_what_a_client_could_give_one_hash_is_known(
    annotation: Any, integers: bool, hashed: bool
) -> None:
    """Integers of any length, and types made of integers, are found."""
    facts = read_type(annotation)

    assert (facts.integers is not None, facts.hashed is not None) == (integers, hashed)


def _colliding(n: int) -> str:
    return "[" + ",".join(str(k * PRIME) for k in range(n)) + "]"


def _refused(annotation: Any, payload: str) -> None:
    with pytest.raises(InvalidPayload):
        decoder_for(annotation, subject="it", where=None)(Raw(payload.encode()))


@pytest.mark.parametrize(
    "annotation", [set[int], frozenset[int | str], Annotated[set[int], Field()]]
)
def test_integers_of_one_hash_take_linear_time(annotation: Any) -> None:
    """Few integers of 64 bits have the same hash. Longer integers are refused in types with many of them."""
    assert_linear(lambda n: partial(_refused, annotation, _colliding(n)), 20_000)


def test_keys_of_one_hash_take_linear_time() -> None:
    """Keys with the same hash take linear time, also in an object, a UUID and a query."""

    def keys(n: int) -> str:
        return "{" + ",".join(f'"{k * PRIME}":1' for k in range(n)) + "}"

    def uuids(n: int) -> str:
        return "[" + ",".join(f'"{UUID(int=k * PRIME)}"' for k in range(n)) + "]"

    def query(n: int) -> Callable[[], object]:
        convert = converter_for(Keys, subject="it", where=None)
        params = {"chosen": [str(k * PRIME) for k in range(n)]}

        def run() -> None:
            with pytest.raises(InvalidPayload):
                convert(params)

        return run

    assert_linear(lambda n: partial(_refused, dict[int, int], keys(n)), 20_000)
    assert_linear(lambda n: partial(_refused, set[UUID], uuids(n)), 20_000)
    assert_linear(query, 20_000)


def test_many_keys_are_taken_where_their_hashes_can_not_be_chosen() -> None:
    """Many integers of 64 bits, much text, and a few keys of any kind are accepted."""
    many = "[" + ",".join(str(2**63 - n) for n in range(2000)) + "]"
    few = "[" + ",".join(str(k * PRIME) for k in range(MAX_KEYS)) + "]"

    decode = decoder_for(set[int], subject="it", where=None)
    assert len(decode(Raw(many.encode()))) == 2000
    assert len(decode(Raw(few.encode()))) == MAX_KEYS
    uuids = "[" + f'"{UUID(int=1)}",' * MAX_KEYS + f'"{UUID(int=1)}"]'
    with pytest.raises(InvalidPayload) as raised:
        decoder_for(set[UUID], subject="it", where=None)(Raw(uuids.encode()))
    assert raised.value.errors == [{"path": "", "message": f"expected at most {MAX_KEYS} values"}]


def test_a_root_literal_takes_linear_time() -> None:
    """The message with the client's value is cut before it is searched by a pattern."""
    for text in (" - at `$", "`", "x` - at `$."):
        assert_linear(
            lambda n, text=text: partial(  # type: ignore[misc]
                _refused, Literal["a", "b"], '"' + text * (n // len(text)) + '"'
            ),
            1_000_000,
        )
