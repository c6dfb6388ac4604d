"""JSON Schemas as types of Python: Structs of msgspec for objects, which the Python client encodes and decodes. Pure.

A Struct keeps what a client needs: names, types, defaults, tags. It keeps no constraint, because the server checks them. Where
msgspec can't tell the parts of a union apart, the type is ``Any``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import cleandoc
from typing import Any, Final, cast

from .draft7 import PREFIX, Schema, references
from .names import identifier, snake, unique_names

__all__ = [
    "Names",
    "docstring",
    "in_order",
    "is_struct",
    "python_type",
    "struct",
    "value_declaration",
]

SIMPLE: Final = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
}
INDENT: Final = "    "

Names = Mapping[str, str]
"""The Python name of each schema in the components."""


def value_declaration(name: str, key: str, components: Mapping[str, Schema], names: Names) -> str:
    """Return the declaration of a named schema: a Struct for an object, else an alias.

    Args:
        name: Its name in Python.
        key: Its name in the components.
        components: All schemas.
        names: The Python names of all schemas.
    """
    schema = components[key]
    if is_struct(schema):
        return struct(name, schema, components, names)
    text = schema.get("description", "")
    words = f'\n"""{docstring(text)}"""' if text else ""
    return f"{name}: TypeAlias = {python_type(schema, components, names)}{words}\n"


def in_order(components: Mapping[str, Schema]) -> list[str]:
    """Return the names of schemas in the order of their declarations: an alias stands below what it names.

    A Struct can name what stands below it, because its annotations are read when it is used.

    Args:
        components: The schemas.
    """
    found = [name for name, schema in components.items() if is_struct(schema)]
    waiting = [name for name in components if name not in found]
    while waiting:
        ready = [one for one in waiting if references(components[one]) <= {*found, one}]
        found += ready or waiting
        waiting = [one for one in waiting if one not in found]
    return found


def is_struct(schema: Schema) -> bool:
    """Return whether a schema becomes a Struct: it is an object with fields."""
    return schema.get("type") == "object" and bool(schema.get("properties"))


def struct(name: str, schema: Schema, components: Mapping[str, Schema], names: Names) -> str:
    """Return a Struct with the fields of an object.

    Args:
        name: Its name.
        schema: The schema.
        components: All schemas.
        names: The Python names of all schemas.
    """
    fields: dict[str, Schema] = dict(schema["properties"])
    required: Sequence[str] = schema.get("required", ())
    tag = _tag_of(fields, required)
    if tag is not None:
        del fields[tag[0]]
    given = dict(zip(fields, unique_names(snake(identifier(one)) for one in fields), strict=True))
    renamed = {own: one for one, own in given.items() if own != one}
    options = ["kw_only=True"]
    if tag is not None:
        options += [f"tag_field={tag[0]!r}", f"tag={tag[1]!r}"]
    if renamed:
        options.append(f"rename={renamed!r}")
    lines = [f"class {name}(msgspec.Struct, {', '.join(options)}):".replace("'", '"')]
    text = docstring(schema.get("description", ""), INDENT) or f"A value of {name}."
    lines.append(f'{INDENT}"""{text}"""\n')
    for one, own in given.items():
        kind = python_type(fields[one], components, names)
        lines.append(
            f"{INDENT}{own}: {_with_default(kind, fields[one], is_required=one in required)}"
        )
    return "\n".join(lines) + "\n"


def _tag_of(fields: Mapping[str, Schema], required: Sequence[str]) -> tuple[str, str | int] | None:
    """Return the field that always has one value, and the value; None if there is none."""
    for name, schema in fields.items():
        values = [schema["const"]] if "const" in schema else schema.get("enum", [])
        if (
            name in required
            and len(values) == 1
            and isinstance(values[0], str | int)
            and name in ("type", "kind", "tag")
        ):
            return name, values[0]
    return None


def _with_default(kind: str, schema: Schema, *, is_required: bool) -> str:
    """Return the type of a field, and its default if it can be left out."""
    if is_required:
        return kind
    default: Any = schema.get("default", _MISSING)
    if default is None or isinstance(default, str | int | float | bool):
        is_none = default is None and "None" not in kind and kind != "Any"
        if not is_none:
            return f"{kind} = {_literal(default)}"
    return f"{kind} | msgspec.UnsetType = msgspec.UNSET" if kind != "Any" else "Any = msgspec.UNSET"


_MISSING: Final = object()


def _literal(value: Any) -> str:
    text = repr(value)
    return f'"{text[1:-1]}"' if text.startswith("'") and '"' not in text else text


def python_type(schema: Any, components: Mapping[str, Schema], names: Names) -> str:
    """Return a schema as a type.

    Args:
        schema: The schema.
        components: The named schemas.
        names: Their Python names.

    Example:
        >>> python_type({"type": "array", "items": {"enum": ["a", "b"]}}, {}, {})
        'list[Literal["a", "b"]]'
    """
    if not isinstance(schema, dict) or not schema:
        return "Any"
    given = cast("Schema", schema)
    if "$ref" in given:
        return names[given["$ref"].removeprefix(PREFIX)]
    values = [given["const"]] if "const" in given else given.get("enum")
    if values is not None:
        return _values(values)
    for kind in ("anyOf", "oneOf"):
        if kind in given:
            return _union(given[kind], components, names)
    parts: list[Any] = given.get("allOf", [])
    if parts:
        return python_type(parts[0], components, names) if len(parts) == 1 else "Any"
    types: Any = given.get("type")
    if isinstance(types, list):
        each = [{**given, "type": one} for one in cast("list[str]", types)]
        return _union(each, components, names)
    return _of_type(types, given, components, names)


def _of_type(kind: Any, schema: Schema, components: Mapping[str, Schema], names: Names) -> str:
    if schema.get("contentEncoding") == "binary":
        return "bytes"
    if kind == "array":
        items: Any = schema.get("items", {})
        if not isinstance(items, list):
            return f"list[{python_type(items, components, names)}]"
        inner = [python_type(one, components, names) for one in cast("list[Any]", items)]
        return (
            f"tuple[{', '.join(inner)}]" if schema.get("additionalItems") is False else "list[Any]"
        )
    if kind == "object":
        more: Any = schema.get("additionalProperties")
        return f"dict[str, {python_type(more, components, names)}]"
    return SIMPLE.get(str(kind), "Any")


def _values(values: Sequence[Any]) -> str:
    """Return the type of some values."""
    if not all(isinstance(one, str | int | None) for one in values):
        return "Any"
    known = [one for one in values if one is not None]
    literal = f"Literal[{', '.join(map(_literal, known))}]"
    return " | ".join([literal] * bool(known) + ["None"] * (len(known) < len(values)))


def _union(parts: Sequence[Schema], components: Mapping[str, Schema], names: Names) -> str:
    """Return the type of a union; ``Any`` if msgspec can't decode it, because two of its parts look the same."""
    kinds = list(dict.fromkeys(python_type(one, components, names) for one in parts))
    looks = [_look(one, components) for one in parts]
    structs = [one for one in looks if one == "object"]
    is_clear = len(looks) == len(set(looks)) and "any" not in looks
    return "Any" if structs * (not is_clear) or not is_clear else " | ".join(kinds)


def _look(schema: Schema, components: Mapping[str, Schema]) -> str:
    """Return how a part of a union looks in JSON: its type, or its tag."""
    while "$ref" in schema:
        schema = components[schema["$ref"].removeprefix(PREFIX)]
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    if values:
        return type(values[0]).__name__.replace("str", "string").replace("int", "integer")
    if is_struct(schema):
        tag = _tag_of(schema["properties"], schema.get("required", ()))
        return "object" if tag is None else f"object {tag}"
    return str(schema.get("type", "any"))


def docstring(text: str, indent: str = "") -> str:
    """Return a text for a docstring, whose further lines are indented.

    Args:
        text: The text.
        indent: Before each further line. Default: nothing.
    """
    clean = cleandoc(text).replace("\\", "\\\\").replace('"""', "'''").rstrip('"')
    lines = clean.splitlines()
    first = lines[0] if lines else ""
    rest = "".join(f"\n{indent}{line}".rstrip() if line else "\n" for line in lines[1:])
    return f"{first}{rest}\n{indent}" if rest else first
