"""JSON Schemas as types of Python."""

from __future__ import annotations

from typing import Any, Final

import pytest

from bennu.contracts.python_values import (
    docstring,
    in_order,
    is_struct,
    python_type,
    struct,
    value_declaration,
)
from bennu.contracts.schemas import BINARY

TEXT: Final[dict[str, Any]] = {"type": "string"}
NULL: Final[dict[str, Any]] = {"type": "null"}


HEAD: Final = (
    'class Thing(msgspec.Struct, kw_only=True, tag_field="type", tag="thing", '
    'rename={"class_": "class", "class_2": "class_"}):'
)


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def tagged(tag: str) -> dict[str, Any]:
    return {"type": "object", "properties": {"type": {"enum": [tag]}}, "required": ["type"]}


COMPONENTS: Final[dict[str, dict[str, Any]]] = {
    "Shape": {"anyOf": [ref("Circle"), ref("Square")]},
    "Circle": tagged("circle"),
    "Square": tagged("square"),
    "Plain": {"type": "object", "properties": {"a": TEXT}},
    "Level": {"enum": ["high", "low"]},
    "Loop": {"type": "array", "items": ref("Loop")},
}
NAMES: Final = {name: f"{name}_" for name in COMPONENTS}


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({}, "Any"),
        (True, "Any"),
        (ref("Plain"), "Plain_"),
        (TEXT, "str"),
        ({"type": "integer"}, "int"),
        ({"type": "what"}, "Any"),
        (BINARY, "bytes"),
        ({"const": "a"}, 'Literal["a"]'),
        ({"enum": ["it's", 1, None]}, 'Literal["it\'s", 1] | None'),
        ({"enum": [None]}, "None"),
        ({"enum": [1.5]}, "Any"),
        ({"anyOf": [TEXT, NULL]}, "str | None"),
        ({"type": ["string", "null"]}, "str | None"),
        ({"oneOf": [ref("Circle"), ref("Square")]}, "Circle_ | Square_"),
        ({"anyOf": [ref("Circle"), ref("Plain")]}, "Circle_ | Plain_"),
        ({"anyOf": [ref("Plain"), {"type": "object"}]}, "Any"),
        ({"anyOf": [TEXT, {"const": "a"}]}, "Any"),
        ({"anyOf": [TEXT, {"const": 1}]}, "str | Literal[1]"),
        ({"anyOf": [TEXT, {}]}, "Any"),
        ({"allOf": [ref("Plain")], "default": {}}, "Plain_"),
        ({"allOf": [ref("Plain"), ref("Circle")]}, "Any"),
        ({"type": "array", "items": TEXT}, "list[str]"),
        ({"type": "array"}, "list[Any]"),
        ({"type": "array", "items": [TEXT, NULL], "additionalItems": False}, "tuple[str, None]"),
        ({"type": "array", "items": [TEXT]}, "list[Any]"),
        ({"type": "object"}, "dict[str, Any]"),
        ({"type": "object", "additionalProperties": TEXT}, "dict[str, str]"),
    ],
)
def test_types(schema: Any, text: str) -> None:
    assert python_type(schema, COMPONENTS, NAMES) == text


def test_a_struct_has_the_fields_tags_and_defaults() -> None:
    """A field whose name is no name in Python is renamed. A field without a default can be unset."""
    schema: dict[str, Any] = {
        "type": "object",
        "description": "A thing.",
        "properties": {
            "type": {"enum": ["thing"]},
            "class": TEXT,
            "class_": {"type": "string", "default": "a"},
            "maybe": {"anyOf": [TEXT, NULL], "default": None},
            "level": {**ref("Level"), "default": None},
            "many": {"type": "array", "items": TEXT, "default": []},
            "any": {},
        },
        "required": ["type", "class"],
    }
    lines = struct("Thing", schema, COMPONENTS, NAMES).splitlines()
    assert lines == [
        HEAD,
        '    """A thing."""',
        "",
        "    class_: str",
        '    class_2: str = "a"',
        "    maybe: str | None = None",
        "    level: Level_ | msgspec.UnsetType = msgspec.UNSET",
        "    many: list[str] | msgspec.UnsetType = msgspec.UNSET",
        "    any: Any = msgspec.UNSET",
    ]


def test_a_schema_that_is_no_object_is_an_alias() -> None:
    text = value_declaration("Level", "Level", COMPONENTS, NAMES)
    assert text == 'Level: TypeAlias = Literal["high", "low"]\n'
    words = {"Level": {**COMPONENTS["Level"], "description": "How much."}}
    assert value_declaration("Level", "Level", words, NAMES).endswith('\n"""How much."""\n')
    assert value_declaration("P", "Plain", COMPONENTS, NAMES).startswith("class P(")


def test_an_alias_stands_below_what_it_names() -> None:
    found = in_order(COMPONENTS)
    assert sorted(found) == sorted(COMPONENTS)
    assert found.index("Shape") > found.index("Square")
    one, other = {"anyOf": [ref("B")]}, {"anyOf": [ref("A")]}
    assert in_order({"A": one, "B": other}) == ["A", "B"]
    assert is_struct(COMPONENTS["Plain"])
    assert not is_struct({"type": "object"})


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("One.", "One."),
        ("One.\n\n    Two.", "One.\n\n  Two.\n  "),
        ('Say """hi"""', "Say '''hi'''"),
        ('Say "hi"', 'Say "hi'),
        ("\\d", "\\\\d"),
        ("", ""),
    ],
)
def test_docstrings(text: str, written: str) -> None:
    assert docstring(text, "  ") == written
