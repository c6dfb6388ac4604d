"""The JSON Schemas of types: what msgspec checks, what pydantic checks, and both in one."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest
from msgspec import Struct

from bennu.contracts import contract_of
from bennu.contracts.draft7 import references
from bennu.contracts.model import EMPTY, NOTHING
from bennu.contracts.schemas import BINARY, Direction, Schemas, is_binary, schemas_of
from tests.contracts.shop import Circle, Item, Level, Order, Place, Point, Square, endpoint


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


class Computed(pydantic.BaseModel):
    a: int

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return 2 * self.a


def schema_of(kind: Any, direction: Direction = "in") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of one type, and the named schemas."""
    schemas = Schemas([(kind, direction)])
    return schemas.schema(kind, direction), schemas.components


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (NOTHING, {}),
        (Any, {}),
        (object, {}),
        (EMPTY, {"type": "object", "properties": {}}),
        (bytes, BINARY),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (bytes | int, {"anyOf": [BINARY, {"type": "integer"}]}),
        (list[Point], {"type": "array", "items": ref("Point")}),
        (Circle | Square, {"anyOf": [ref("Circle"), ref("Square")], "discriminator": "type"}),
        (list[Item], {"type": "array", "items": ref("Item")}),
        (Item, ref("Item")),
    ],
)
def test_schemas(kind: Any, schema: dict[str, Any]) -> None:
    assert schema_of(kind)[0] == schema


def test_named_schemas() -> None:
    """A class, and the classes in its fields, with their docstrings, defaults and constraints."""
    _, components = schema_of(Order)
    assert components.keys() == {"Item", "Order"}
    assert components["Order"]["properties"]["item"] == ref("Item")
    assert components["Order"]["properties"]["note"] == {
        "type": "string",
        "maxLength": 100,
        "default": "",
    }
    assert components["Order"]["properties"]["pair"]["items"] == [
        {"type": "integer"},
        {"type": "string"},
    ]
    assert components["Item"]["properties"].keys() == {"itemName", "size"}
    assert schema_of(Point)[1]["Point"]["description"].startswith("A point.\n\nAttributes:\n    x:")
    assert schema_of(Place)[1]["Place"].get("required", []) == []
    assert schema_of(Square)[1]["Level"]["enum"] == ["high", "low"]


def test_a_model_has_another_schema_in_each_direction() -> None:
    schemas = Schemas([(Computed, "in"), (Computed, "out")])
    first, second = schemas.schema(Computed, "in"), schemas.schema(Computed, "out")
    assert first != second
    assert schemas.components.keys() == {"Computed", "Computed_"}
    assert "double" in schemas.components["Computed_"]["properties"]


def test_two_classes_of_one_name_have_two_names() -> None:
    first, second = (
        type("Same", (Struct,), {"__annotations__": {"a": kind}, "__module__": f"m{kind.__name__}"})
        for kind in (int, str)
    )
    other = type("Same", (pydantic.BaseModel,), {"__annotations__": {"b": int}, "__module__": "m"})
    schemas = Schemas([(first, "in"), (second, "in"), (other, "in")])
    names = {schemas.schema(one, "in")["$ref"] for one in (first, second, other)}
    assert len(names) == len(schemas.components) == 3


def test_a_type_without_a_schema_is_noted() -> None:
    """The type of a reply is not checked at start-up."""

    class Plain: ...

    class Inner(Struct):
        a: Plain

    schemas = Schemas([(Plain, "out"), (Inner, "out")])
    assert len(schemas.without) == 2
    assert "has no schema" in schemas.schema(Plain, "out")["description"]


def test_all_references_of_a_contract_lead_somewhere() -> None:
    schemas = schemas_of(contract_of(endpoint))
    named = {name for one in schemas.components.values() for name in references(one)}
    assert named <= schemas.components.keys()
    assert not schemas.without
    assert [*schemas.components] == sorted(schemas.components)
    assert schemas.components["PresenceMeta"]["additionalProperties"] == {}


def test_binary() -> None:
    assert is_binary(bytes)
    assert is_binary(bytes | None)
    assert not is_binary(int | None)
    assert Level.HIGH.value == "high"
