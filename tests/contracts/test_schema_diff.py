"""Two JSON Schemas, compared in both directions."""

from __future__ import annotations

from typing import Any, Final

import pytest

from bennu.contracts.rules import ContractRule
from bennu.contracts.schema_diff import SchemaComparison, shown

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
INTEGER: Final[Schema] = {"type": "integer"}
NULL: Final[Schema] = {"type": "null"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def fields(required: str = "", **properties: Any) -> Schema:
    return {"type": "object", "properties": properties, "required": required.split()}


def any_of(*schemas: Schema) -> Schema:
    return {"anyOf": [*schemas]}


def tagged(name: str, **properties: Any) -> Schema:
    return {**fields("type", type={"enum": [name]}, **properties), "title": name}


NAMED: Final[Schema] = {
    "Old": fields("a", a=TEXT),
    "Node": fields("", next=ref("Node")),
    "Circle": tagged("Circle", radius=INTEGER),
    "Square": tagged("Square", side=INTEGER),
}

SAME: Final[dict[str, tuple[Schema, Schema]]] = {
    "equal": (TEXT, TEXT),
    "words": ({**TEXT, "description": "a", "title": "A"}, {**TEXT, "description": "b"}),
    "defaults": ({**TEXT, "default": "a"}, {**TEXT, "default": "b"}),
    "another name": (ref("Old"), fields("a", a=TEXT)),
    "a name with a default": (ref("Old"), {"allOf": [ref("Old")], "default": {}}),
    "a recursive type": (ref("Node"), ref("Node")),
    "order": (any_of(TEXT, NULL), any_of(NULL, TEXT)),
    "several types": ({"type": ["string", "null"]}, any_of(NULL, TEXT)),
    "one of": ({"oneOf": [TEXT, NULL]}, any_of(TEXT, NULL)),
    "parts": (
        {"allOf": [fields("a", a=TEXT), fields("b", b=TEXT)]},
        fields("a b", a=TEXT, b=TEXT),
    ),
}

# Name: the old and the new schema, the rules for values that clients send, and for values that they get.
CHANGES: Final[dict[str, tuple[Schema, Schema, str, str]]] = {
    "a type": (TEXT, INTEGER, "in-narrowed in-widened", "out-narrowed out-widened"),
    "a wider number": (INTEGER, NUMBER, "in-widened", "out-widened"),
    "a narrower number": (NUMBER, INTEGER, "in-narrowed", "out-narrowed"),
    "null added": (TEXT, any_of(TEXT, NULL), "in-widened", "out-widened"),
    "null removed": (any_of(TEXT, NULL), TEXT, "in-narrowed", "out-narrowed"),
    "null added to a wider number": (
        any_of(INTEGER, NULL),
        any_of(NUMBER, NULL),
        "in-widened",
        "out-widened",
    ),
    "anything becomes a type": ({}, TEXT, "in-narrowed", "out-narrowed"),
    "a type becomes anything": (TEXT, {}, "in-widened", "out-widened"),
    "a value removed": ({"enum": ["a", "b"]}, {"enum": ["a"]}, "in-narrowed", "out-narrowed"),
    "a value added": ({"const": "a"}, {"enum": ["a", "b"]}, "in-widened", "out-widened"),
    "values become a type": ({"enum": ["a"]}, TEXT, "in-widened", "out-widened"),
    "values become another type": (
        {"enum": [1, 2.5]},
        TEXT,
        "in-narrowed in-widened",
        "out-narrowed out-widened",
    ),
    "a type becomes values": (TEXT, {"enum": ["a"]}, "in-narrowed", "out-narrowed"),
    "a type becomes other values": (
        TEXT,
        {"enum": [None, True, 1, 2.5, [], {}]},
        "in-narrowed in-widened",
        "out-narrowed out-widened",
    ),
    "anything becomes values": ({}, {"enum": ["a"]}, "in-narrowed", "out-narrowed"),
    "a longer minimum": (
        {**TEXT, "minLength": 1},
        {**TEXT, "minLength": 2},
        "in-narrowed",
        "out-narrowed",
    ),
    "a new minimum": (INTEGER, {**INTEGER, "minimum": 0}, "in-narrowed", "out-narrowed"),
    "no minimum": ({**INTEGER, "minimum": 0}, INTEGER, "in-widened", "out-widened"),
    "a lower maximum": (
        {**INTEGER, "maximum": 9},
        {**INTEGER, "maximum": 8},
        "in-narrowed",
        "out-narrowed",
    ),
    "a higher maximum": (
        {**TEXT, "maxLength": 1},
        {**TEXT, "maxLength": 2},
        "in-widened",
        "out-widened",
    ),
    "a pattern": (
        {**TEXT, "pattern": "a"},
        {**TEXT, "pattern": "b"},
        "in-narrowed in-widened",
        "out-narrowed out-widened",
    ),
    "a new format": (TEXT, {**TEXT, "format": "uuid"}, "in-narrowed", "out-narrowed"),
    "no format": ({**TEXT, "format": "uuid"}, TEXT, "in-widened", "out-widened"),
    "a field removed": (
        fields("", a=TEXT, b=TEXT),
        fields("", a=TEXT),
        "in-field-removed",
        "out-field-removed",
    ),
    "an optional field": (
        fields("", a=TEXT),
        fields("", a=TEXT, b=TEXT),
        "in-field-added",
        "out-field-added",
    ),
    "a required field": (
        fields("", a=TEXT),
        fields("b", a=TEXT, b=TEXT),
        "in-field-required",
        "out-field-added",
    ),
    "optional to required": (
        fields("", a=TEXT),
        fields("a", a=TEXT),
        "in-field-required",
        "out-field-required",
    ),
    "required to optional": (
        fields("a", a=TEXT),
        fields("", a=TEXT),
        "in-field-optional",
        "out-field-optional",
    ),
    "a forbidden field": (
        fields("", a=TEXT, b=TEXT),
        {**fields("", a=TEXT), "additionalProperties": False},
        "in-field-forbidden in-field-forbidden",
        "out-field-removed",
    ),
    "a field of a field": (
        fields("", a=fields("", b=TEXT)),
        fields("", a=fields("", b=INTEGER)),
        "in-narrowed in-widened",
        "out-narrowed out-widened",
    ),
    "no fields": (fields(""), fields("a", a=TEXT), "in-field-required", "out-field-added"),
    "items": (
        {"type": "array", "items": TEXT},
        {"type": "array", "items": any_of(TEXT, NULL)},
        "in-widened",
        "out-widened",
    ),
    "items of any type": (
        {"type": "array"},
        {"type": "array", "items": TEXT},
        "in-narrowed",
        "out-narrowed",
    ),
    "an item of a tuple": (
        {"type": "array", "items": [TEXT, INTEGER]},
        {"type": "array", "items": [TEXT, NUMBER]},
        "in-widened",
        "out-widened",
    ),
    "a tuple becomes a list": (
        {"type": "array", "items": [TEXT]},
        {"type": "array", "items": TEXT},
        "in-narrowed in-widened",
        "out-narrowed out-widened",
    ),
    "values of a dictionary": (
        {"type": "object", "additionalProperties": INTEGER},
        {"type": "object", "additionalProperties": NUMBER},
        "in-widened",
        "out-widened",
    ),
    "a value removed from a union": (
        any_of({"enum": ["a", "b"]}, NULL),
        any_of({"enum": ["a"]}, NULL),
        "in-narrowed",
        "out-narrowed",
    ),
    "a number becomes values": (
        NUMBER,
        {"enum": [1, 2.5]},
        "in-narrowed",
        "out-narrowed",
    ),
    "a kind added": (
        any_of(ref("Circle")),
        any_of(ref("Circle"), ref("Square")),
        "in-widened",
        "out-widened",
    ),
    "a kind changed": (
        any_of(ref("Circle"), ref("Square")),
        any_of(tagged("Circle", radius=NUMBER), ref("Square")),
        "in-widened",
        "out-widened",
    ),
    "parts": (
        {"allOf": [{"allOf": [fields("a", a=TEXT)]}]},
        fields("a b", a=TEXT, b=TEXT),
        "in-field-required",
        "out-field-added",
    ),
}


def rules(old: Schema, new: Schema, direction: Any) -> list[str]:
    found = SchemaComparison(NAMED, NAMED, direction).compare(old, new)
    return sorted(one.rule.text for one in found)


@pytest.mark.parametrize(("old", "new"), SAME.values(), ids=SAME)
@pytest.mark.parametrize("direction", ["in", "out"])
def test_what_is_the_same_on_the_wire_is_no_change(
    old: Schema, new: Schema, direction: str
) -> None:
    assert rules(old, new, direction) == []
    assert rules(new, old, direction) == []


@pytest.mark.parametrize(("old", "new", "of_in", "of_out"), CHANGES.values(), ids=CHANGES)
def test_changes(old: Schema, new: Schema, of_in: str, of_out: str) -> None:
    assert rules(old, new, "in") == sorted(of_in.split())
    assert rules(old, new, "out") == sorted(of_out.split())


def test_the_place_of_a_change() -> None:
    """Its path in the value, and what stood there."""
    old = fields("", rooms={"type": "array", "items": fields("", a=TEXT)})
    new = fields("", rooms={"type": "array", "items": fields("", a=any_of(TEXT, NULL))})
    [change] = SchemaComparison({}, {}, "out").compare(old, new)
    assert change == (ContractRule.OUT_WIDENED, "rooms[].a", "nothing", "null")


def test_a_recursive_type_that_changes_is_reported_once() -> None:
    old = {"Node": fields("", next=any_of(ref("Node"), NULL), a=TEXT)}
    new = {"Node": fields("", next=any_of(ref("Node"), NULL))}
    found = SchemaComparison(old, new, "out").compare(ref("Node"), ref("Node"))
    assert [(one.rule.text, one.path) for one in found] == [("out-field-removed", "a")]


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("nothing", "nothing"),
        ({}, "any"),
        (ref("A"), "A"),
        ({"title": "B"}, "B"),
        ({"enum": ["a", 1]}, '"a" | 1'),
        (any_of(TEXT, NULL), "string | null"),
        ({"type": "array", "items": TEXT}, "list of string"),
        ({"type": "array"}, "list"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"type": "object"}, "object"),
    ],
)
def test_schemas_as_short_text(schema: Any, text: str) -> None:
    assert shown(schema) == text
