"""JSON Schemas as types of TypeScript. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from .draft7 import PREFIX, Schema

__all__ = ["comment", "declaration", "literal", "type_of"]

NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")

SIMPLE: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}

Names = Mapping[str, str]
"""The TypeScript name of each schema in the components."""


def declaration(name: str, schema: Schema, names: Names) -> str:
    """Return the declaration of a named schema: an interface for an object, else a type.

    Args:
        name: Its name in TypeScript.
        schema: The schema.
        names: The names of all schemas.
    """
    text = comment(schema.get("description", ""))
    if schema.get("type") == "object" and schema.get("properties"):
        return f"{text}export interface {name} {_object(schema, names)}\n"
    return f"{text}export type {name} = {type_of(schema, names)}\n"


def type_of(schema: Any, names: Names) -> str:
    """Return a schema as a type.

    Args:
        schema: The schema.
        names: The names of the schemas that it can refer to.

    Example:
        >>> type_of({"type": "array", "items": {"enum": ["a", "b"]}}, {})
        '("a" | "b")[]'
    """
    if not isinstance(schema, dict) or not schema:
        return "never" if schema is False else "unknown"
    given = cast("Schema", schema)
    if "$ref" in given:
        return names[given["$ref"].removeprefix(PREFIX)]
    if "const" in given:
        return literal(given["const"])
    if "enum" in given:
        return _union([literal(one) for one in given["enum"]])
    for kind in ("anyOf", "oneOf"):
        if kind in given:
            return _union([type_of(one, names) for one in given[kind]])
    if "allOf" in given:
        return " & ".join(_inside(type_of(one, names)) for one in given["allOf"])
    types: Any = given.get("type")
    if isinstance(types, list):
        return _union([type_of({**given, "type": one}, names) for one in cast("list[str]", types)])
    return _of_type(types, given, names)


def _of_type(kind: Any, schema: Schema, names: Names) -> str:
    if schema.get("contentEncoding") == "binary":
        return "ArrayBuffer"
    if kind == "array":
        return _array(schema, names)
    if kind == "object" or "properties" in schema:
        return _object(schema, names)
    return SIMPLE.get(str(kind), "unknown")


def _array(schema: Schema, names: Names) -> str:
    items: Any = schema.get("items", {})
    if isinstance(items, list):
        inner = [type_of(one, names) for one in cast("list[Any]", items)]
        rest: Any = schema.get("additionalItems", True)
        if isinstance(rest, dict):
            inner.append(f"...{_inside(type_of(rest, names))}[]")
        return f"[{', '.join(inner)}]"
    return f"{_inside(type_of(items, names))}[]"


def _object(schema: Schema, names: Names) -> str:
    fields: Mapping[str, Any] | None = schema.get("properties")
    more: Any = schema.get("additionalProperties")
    if not fields:
        if isinstance(more, dict):
            return f"Record<string, {type_of(more, names)}>"
        return "Record<string, unknown>" if fields is None else "Record<string, never>"
    required: Sequence[str] = schema.get("required", ())
    lines: list[str] = []
    for name, inner in fields.items():
        known = cast("Schema", inner) if isinstance(inner, dict) else {}
        words: str = known.get("description", "")
        mark = "" if name in required else "?"
        lines.append(f"{comment(words)}{_key(name)}{mark}: {type_of(inner, names)};\n")
    if isinstance(more, dict):
        lines.append("[key: string]: unknown;\n")
    body = "".join(lines)
    return "{\n" + "".join(f"  {line}\n" for line in body.splitlines()) + "}"


def _key(name: str) -> str:
    return name if NAME.fullmatch(name) else json.dumps(name)


def literal(value: Any) -> str:
    """Return a value of JSON as a literal of TypeScript.

    Example:
        >>> literal("a\\"b"), literal(None), literal(True)
        ('"a\\\\"b"', 'null', 'true')
    """
    return json.dumps(value)


def _union(parts: Sequence[str]) -> str:
    unique = list(dict.fromkeys(parts))
    return "unknown" if "unknown" in unique else " | ".join(unique)


def _inside(text: str) -> str:
    """Return a type in brackets if something that follows would bind to a part of it."""
    is_whole = text.startswith("{") or " " not in text or re.fullmatch(r"\w+<[^|&]*>", text)
    return text if is_whole else f"({text})"


def comment(text: str) -> str:
    """Return a text as a comment that editors show; ``""`` if there is none.

    Args:
        text: A docstring.
    """
    lines = text.replace("*/", "*\\/").strip().splitlines()
    if not lines:
        return ""
    if len(lines) == 1:
        return f"/** {lines[0]} */\n"
    return "/**\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"
