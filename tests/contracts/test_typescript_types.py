"""JSON Schemas as types of TypeScript."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.contracts.schemas import BINARY
from bennu.contracts.typescript_types import comment, declaration, type_of

A = {"$ref": "#/components/schemas/a.A"}
TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({}, "unknown"),
        (True, "unknown"),
        (False, "never"),
        (A, "AA"),
        (TEXT, "string"),
        ({"type": "integer"}, "number"),
        ({"type": "what"}, "unknown"),
        ({"const": "a"}, '"a"'),
        ({"enum": ["a", 1, None]}, '"a" | 1 | null'),
        (BINARY, "ArrayBuffer"),
        ({"anyOf": [TEXT, {"type": "null"}]}, "string | null"),
        ({"oneOf": [TEXT, TEXT]}, "string"),
        ({"anyOf": [TEXT, {}]}, "unknown"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"allOf": [A, {"anyOf": [TEXT, A]}]}, "AA & (string | AA)"),
        ({"type": "array", "items": TEXT}, "string[]"),
        ({"type": "array"}, "unknown[]"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, '("a" | "b")[]'),
        ({"type": "array", "items": {"type": "object"}}, "Record<string, unknown>[]"),
        ({"type": "array", "items": [TEXT, A], "additionalItems": False}, "[string, AA]"),
        ({"type": "array", "items": [TEXT], "additionalItems": A}, "[string, ...AA[]]"),
        ({"type": "object"}, "Record<string, unknown>"),
        ({"type": "object", "properties": {}}, "Record<string, never>"),
        ({"type": "object", "additionalProperties": TEXT}, "Record<string, string>"),
        (
            {
                "properties": {"a-b": TEXT, "c": True},
                "required": ["c"],
                "additionalProperties": TEXT,
            },
            '{\n  "a-b"?: string;\n  c: unknown;\n  [key: string]: unknown;\n}',
        ),
        (
            {"properties": {"a": {"type": "string", "description": "One.\n\nTwo."}}},
            "{\n  /**\n   * One.\n   *\n   * Two.\n   */\n  a?: string;\n}",
        ),
    ],
)
def test_types(schema: Any, text: str) -> None:
    assert type_of(schema, {"a.A": "AA"}) == text


def test_declarations() -> None:
    """An object with fields is an interface, anything else a type."""
    schema = {"type": "object", "properties": {"a": TEXT}, "description": "It."}
    assert declaration("X", schema, {}) == "/** It. */\nexport interface X {\n  a?: string;\n}\n"
    assert declaration("Y", {"enum": ["a"]}, {}) == 'export type Y = "a"\n'


def test_comments() -> None:
    assert comment("") == ""
    assert comment("Ends */ here.") == "/** Ends *\\/ here. */\n"
