"""JSON Schemas of msgspec and pydantic (2020-12) as those of AsyncAPI (draft 07, with a text as discriminator). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from inspect import cleandoc
from typing import Any, Final, cast

__all__ = ["Schema", "hoisted", "references", "to_draft7"]

Schema = dict[str, Any]

PREFIX: Final = "#/components/schemas/"


def to_draft7(schema: Any) -> Any:
    """Return a schema with the keywords of draft 07.

    ``prefixItems`` become ``items``, a ``$ref`` with other keywords beside it becomes an ``allOf``, and the discriminator of
    OpenAPI becomes the name of the property.

    Args:
        schema: A schema, or a part of one.
    """
    if isinstance(schema, list):
        return [to_draft7(one) for one in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    given = cast("Schema", schema)
    found: Schema = {}
    for name, value in given.items():
        if name in ("const", "enum", "default", "examples"):
            found[name] = json.loads(json.dumps(value))  # a default of msgspec can be a tuple
        elif name == "properties":
            found[name] = {one: to_draft7(of) for one, of in value.items()}
        elif name == "discriminator" and isinstance(value, dict):
            found[name] = value["propertyName"]
        elif name == "description" and isinstance(value, str):
            found[name] = cleandoc(value)
        elif name != "$defs":
            found[name] = to_draft7(value)
    if "prefixItems" in found:
        rest = found.pop("items", None)
        found["items"] = found.pop("prefixItems")
        if rest is not None:
            found["additionalItems"] = rest
    if "$ref" in found and len(found) > 1:
        reference = found.pop("$ref")
        found = {"allOf": [{"$ref": reference}], **found}
    return found


def hoisted(schema: Any) -> dict[str, Any]:
    """Return the definitions inside of a schema (``$defs``), by their names."""
    found: dict[str, Any] = {}
    if isinstance(schema, list):
        for one in cast("list[Any]", schema):
            found |= hoisted(one)
    elif isinstance(schema, dict):
        for name, value in cast("Schema", schema).items():
            found |= hoisted(value)
            if name == "$defs":
                found |= value
    return found


def references(schema: Any) -> set[str]:
    """Return the names of the schemas that a schema refers to directly."""
    if isinstance(schema, list):
        return {name for one in cast("list[Any]", schema) for name in references(one)}
    if not isinstance(schema, Mapping):
        return set()
    given = cast("Mapping[str, Any]", schema)
    reference = given.get("$ref")
    own = {reference.removeprefix(PREFIX)} if isinstance(reference, str) else set[str]()
    return own | {name for value in given.values() for name in references(value)}
