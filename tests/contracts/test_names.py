"""Names for the parts of a contract."""

from __future__ import annotations

import pytest

from bennu.contracts.names import (
    address_of,
    identifier,
    module_names,
    pascal,
    shape_of,
    slug,
    snake,
    type_name,
    unique_names,
)


def test_names_are_unique() -> None:
    assert unique_names(["A", "A", "B", "A"]) == ["A", "A2", "B", "A3"]


def test_names_of_a_module_are_unique_across_its_groups() -> None:
    assert module_names(["Any"], ["Any", "Room"], [], ["Room"]) == [["Any2", "Room"], [], ["Room2"]]


def test_the_name_of_a_schema_is_the_name_of_a_type() -> None:
    assert [*map(type_name, ("Room", "rooms.list-of", "class"))] == [
        "Room",
        "RoomsListOf",
        "class_",
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [("room:created", "room_created"), ("class", "class_"), ("2fa", "_2fa"), ("é", "_"), ("", "_")],
)
def test_identifiers(text: str, name: str) -> None:
    assert identifier(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [("/admin/socket", "AdminSocket"), ("newMsg", "NewMsg"), ("7", "_7"), ("/", "_")],
)
def test_class_names(text: str, name: str) -> None:
    assert pascal(text) == name


def test_slugs() -> None:
    assert slug("ws/{tenant}") == "ws_tenant"
    assert slug("///") == "_"


def test_addresses() -> None:
    assert address_of("a:{x}:{y:path}") == "a:{x}:{y}"
    assert address_of("a:*") == "a:{rest}"
    assert address_of("lobby") == "lobby"
    assert shape_of("a:{x}:{y}") == "a:{}:{}"


def test_fields() -> None:
    assert [snake(one) for one in ("itemName", "userID2", "_id", "x")] == [
        "item_name",
        "user_id2",
        "_id",
        "x",
    ]
