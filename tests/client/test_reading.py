"""Payloads of the server as the types that an application asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pydantic
import pytest
from msgspec import Raw, Struct

from bennu import DefinitionError
from bennu.client import InvalidPayload
from bennu.client.reading import reader_for

GIVEN = Raw(b'{"name":"ann","age":7}')


class Person(Struct):
    name: str
    age: int


@dataclass
class PersonData:
    name: str
    age: int


class PersonModel(pydantic.BaseModel):
    name: str
    age: int


@pytest.mark.parametrize("kind", [Person, PersonData, PersonModel])
def test_each_kind_of_type_is_made(kind: Any) -> None:
    read = reader_for(kind)
    assert read(GIVEN) == kind(name="ann", age=7)
    assert reader_for(kind) is read
    with pytest.raises(InvalidPayload) as caught:
        read(Raw(b'{"name":"ann","age":"old"}'))
    assert caught.value.errors[0]["path"] == "age"
    with pytest.raises(InvalidPayload, match="expected JSON, got a binary frame"):
        read(b"bytes")


@pytest.mark.parametrize("kind", [None, Any, object])
def test_without_a_type_json_is_builtins_and_bytes_are_bytes(kind: Any) -> None:
    assert reader_for(kind)(GIVEN) == {"name": "ann", "age": 7}
    assert reader_for(kind)(b"bytes") == b"bytes"


def test_bytes_can_be_demanded() -> None:
    assert reader_for(bytes)(b"bytes") == b"bytes"
    with pytest.raises(InvalidPayload, match="expected a binary frame, got JSON"):
        reader_for(bytes)(GIVEN)


def test_a_large_dict_of_a_server_is_read() -> None:
    """The bounds on a client's payload are not for a server's: the client has chosen the server."""
    many = b",".join(b'"%d":%d' % (n, n) for n in range(1_000))
    assert len(reader_for(dict[int, int])(Raw(b"{%b}" % many))) == 1_000


def test_a_type_that_json_cannot_become_is_a_mistake() -> None:
    with pytest.raises(DefinitionError, match="JSON can't become"):
        reader_for(type(pytest))
