"""JSON Schemas of 2020-12 become those of draft 07."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.contracts.draft7 import hoisted, references, to_draft7


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (
            {"prefixItems": [{"type": "string"}], "items": False},
            {"items": [{"type": "string"}], "additionalItems": False},
        ),
        ({"prefixItems": [{}]}, {"items": [{}]}),
        ({"$ref": "#/a", "default": 1}, {"allOf": [{"$ref": "#/a"}], "default": 1}),
        ({"$ref": "#/a"}, {"$ref": "#/a"}),
        ({"discriminator": {"propertyName": "type", "mapping": {}}}, {"discriminator": "type"}),
        ({"discriminator": "type"}, {"discriminator": "type"}),
        ({"default": (1, "a")}, {"default": [1, "a"]}),
        ({"enum": ["prefixItems"]}, {"enum": ["prefixItems"]}),
        (
            {"properties": {"prefixItems": {"prefixItems": []}}},
            {"properties": {"prefixItems": {"items": []}}},
        ),
        ({"$defs": {"A": {}}, "type": "object"}, {"type": "object"}),
        ({"description": "One.\n\n    Two."}, {"description": "One.\n\nTwo."}),
        ({"description": None}, {"description": None}),
    ],
)
def test_keywords(given: Any, found: Any) -> None:
    assert to_draft7(given) == found


def test_definitions_inside_are_found() -> None:
    inner = {"$defs": {"B": {"type": "string"}}, "$ref": "#/$defs/B"}
    assert hoisted({"items": [inner], "$defs": {"A": inner}}) == {
        "A": inner,
        "B": {"type": "string"},
    }


def test_references_are_found() -> None:
    schema = {
        "anyOf": [{"$ref": "#/components/schemas/A"}],
        "items": {"$ref": "#/components/schemas/B"},
    }
    assert references(schema) == {"A", "B"}
    assert references({"$ref": 1}) == set()
