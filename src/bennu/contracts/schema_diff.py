"""Compares two JSON Schemas: which values does the new one take that the old one did not, and the other way round. Pure.

Theory of operation
-------------------
A change of a schema makes it *narrower* (some old values do not fit any more), *wider* (some new values fit), or both. What a
client sends must still fit, so a narrower schema breaks it. What a client gets must not surprise it, so a wider schema
breaks it. The fields of objects have rules of their own, because clients ignore unknown fields, and the server ignores them
unless a type forbids them.

Two schemas are walked side by side. ``$ref`` leads into the components of each document. A pair of references that is being
compared already is not compared again, so recursive types end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

from .draft7 import PREFIX, Schema
from .rules import ContractRule
from .schemas import Direction

__all__ = ["SchemaChange", "SchemaComparison"]

LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
EXACT: Final = ("pattern", "format", "multipleOf", "contentEncoding", "not")
"""Constraints of which nobody can say whether another value is narrower: a change counts as both."""
NUMBERS: Final = {"integer", "number"}


class SchemaChange(NamedTuple):
    """One difference.

    Attributes:
        rule: Its kind.
        path: Where it is in the value: ``items[].body``; ``""`` is the value itself.
        old: What stood there.
        new: What stands there now.
    """

    rule: ContractRule
    path: str
    old: str
    new: str


class SchemaComparison:
    """Compares schemas of two documents.

    Args:
        old: The named schemas of the old document.
        new: The named schemas of the new document.
        direction: Whether clients send the values, or get them.
    """

    def __init__(
        self, old: Mapping[str, Schema], new: Mapping[str, Schema], direction: Direction
    ) -> None:
        self._old = old
        self._new = new
        self._is_in = direction == "in"
        self._under_way: set[tuple[str, str]] = set()

    def compare(self, old: Any, new: Any, path: str = "") -> Iterator[SchemaChange]:
        """Yield the differences between two schemas.

        Args:
            old: A schema of the old document.
            new: A schema of the new document.
            path: Where the value is. Default: at the top.
        """
        pair = (_reference(old), _reference(new))
        if "" not in pair:
            if pair in self._under_way:
                return
            self._under_way.add(pair)
        yield from self._compare(_resolved(old, self._old), _resolved(new, self._new), path)
        self._under_way.discard(pair)

    def _compare(self, old: Schema, new: Schema, path: str) -> Iterator[SchemaChange]:
        if _plain(old) == _plain(new) and not (_has_references(old) or _has_references(new)):
            return
        olds, news = _alternatives(old), _alternatives(new)
        if len(olds) > 1 or len(news) > 1:
            yield from self._alternatives(olds, news, path)
            return
        old, new = _resolved(olds[0], self._old), _resolved(news[0], self._new)
        narrower, wider = _values_differ(old, new)
        if narrower:
            yield self._narrowed(path, old, new)
        if wider:
            yield self._widened(path, old, new)
        if narrower or wider:
            return
        yield from self._constraints(old, new, path)
        if "properties" in old or "properties" in new:
            yield from self._properties(old, new, path)
        for name, step in (("items", "[]"), ("additionalProperties", "{}")):
            yield from self._inner(old.get(name), new.get(name), path + step)

    def _inner(self, old: Any, new: Any, path: str) -> Iterator[SchemaChange]:
        """Compare the schemas of items, or of the values of a dictionary."""
        if isinstance(old, list) and isinstance(new, list):
            olds, news = cast("list[Any]", old), cast("list[Any]", new)
            for number, (one, other) in enumerate(zip(olds, news, strict=False)):
                yield from self.compare(one, other, f"{path[:-2]}[{number}]")
        elif isinstance(old, list) or isinstance(new, list):
            yield self._narrowed(path, old, new)
            yield self._widened(path, old, new)
        elif isinstance(old, dict) or isinstance(new, dict):
            yield from self.compare(_schema(old), _schema(new), path)

    # Alternatives.

    def _alternatives(
        self, olds: list[Schema], news: list[Schema], path: str
    ) -> Iterator[SchemaChange]:
        """Compare unions: an alternative of one is looked for among the alternatives of the other."""
        left = [*news]
        gone: list[Schema] = []
        for old in olds:
            same = next((new for new in left if self._is_same(old, new)), None)
            if same is None:
                gone.append(old)
            else:
                left.remove(same)
        for old in [*gone]:
            # An alternative that has changed: the one with the same name, tag or type.
            changed = next((new for new in left if _label(old) == _label(new)), None)
            if changed is not None:
                left.remove(changed)
                gone.remove(old)
                yield from self.compare(old, changed, path)
        for old in gone:
            yield self._narrowed(path, old, "nothing")
        for new in left:
            yield self._widened(path, "nothing", new)

    def _is_same(self, old: Schema, new: Schema) -> bool:
        inner = SchemaComparison(self._old, self._new, "in" if self._is_in else "out")
        inner._under_way = {*self._under_way}
        return _label(old) == _label(new) and not any(inner.compare(old, new))

    # Objects.

    def _properties(self, old: Schema, new: Schema, path: str) -> Iterator[SchemaChange]:
        olds, news = _fields(old), _fields(new)
        was, now = set(old.get("required", ())), set(new.get("required", ()))
        forbids = new.get("additionalProperties") is False
        for name in olds.keys() - news.keys():
            yield self._field_gone(_join(path, name), olds[name], is_forbidden=forbids)
        for name in news.keys() - olds.keys():
            yield self._field_came(_join(path, name), news[name], is_required=name in now)
        for name in (one for one in olds if one in news):
            inner = _join(path, name)
            if (name in was) != (name in now):
                yield self._field_requirement(inner, is_required=name in now)
            yield from self.compare(olds[name], news[name], inner)
        if self._is_in and forbids and old.get("additionalProperties") is not False:
            yield SchemaChange(
                ContractRule.IN_FIELD_FORBIDDEN, _join(path, "*"), "ignored", "forbidden"
            )

    def _field_gone(self, path: str, old: Schema, *, is_forbidden: bool) -> SchemaChange:
        if not self._is_in:
            return SchemaChange(ContractRule.OUT_FIELD_REMOVED, path, shown(old), "nothing")
        rule = ContractRule.IN_FIELD_FORBIDDEN if is_forbidden else ContractRule.IN_FIELD_REMOVED
        return SchemaChange(rule, path, shown(old), "nothing")

    def _field_came(self, path: str, new: Schema, *, is_required: bool) -> SchemaChange:
        if not self._is_in:
            return SchemaChange(ContractRule.OUT_FIELD_ADDED, path, "nothing", shown(new))
        rule = ContractRule.IN_FIELD_REQUIRED if is_required else ContractRule.IN_FIELD_ADDED
        return SchemaChange(rule, path, "nothing", shown(new))

    def _field_requirement(self, path: str, *, is_required: bool) -> SchemaChange:
        words = ("optional", "required")
        old, new = words if is_required else words[::-1]
        if self._is_in:
            rule = ContractRule.IN_FIELD_REQUIRED if is_required else ContractRule.IN_FIELD_OPTIONAL
        else:
            rule = (
                ContractRule.OUT_FIELD_REQUIRED if is_required else ContractRule.OUT_FIELD_OPTIONAL
            )
        return SchemaChange(rule, path, old, new)

    # Constraints.

    def _constraints(self, old: Schema, new: Schema, path: str) -> Iterator[SchemaChange]:
        for name in (*LOWER, *UPPER):
            was, now = old.get(name), new.get(name)
            if was == now:
                continue
            is_lower = name in LOWER
            is_tighter = was is None or (now is not None and (now > was if is_lower else now < was))
            make = self._narrowed if is_tighter else self._widened
            yield make(path, _named(name, was), _named(name, now))
        for name in EXACT:
            was, now = old.get(name), new.get(name)
            if was == now:
                continue
            if now is not None:
                yield self._narrowed(path, _named(name, was), _named(name, now))
            if was is not None:
                yield self._widened(path, _named(name, was), _named(name, now))

    def _narrowed(self, path: str, old: Any, new: Any) -> SchemaChange:
        rule = ContractRule.IN_NARROWED if self._is_in else ContractRule.OUT_NARROWED
        return SchemaChange(rule, path, shown(old), shown(new))

    def _widened(self, path: str, old: Any, new: Any) -> SchemaChange:
        rule = ContractRule.IN_WIDENED if self._is_in else ContractRule.OUT_WIDENED
        return SchemaChange(rule, path, shown(old), shown(new))


# What a schema allows.


def _values_differ(old: Schema, new: Schema) -> tuple[bool, bool]:
    """Return whether the types or the listed values of two schemas make the new one narrower, and wider."""
    old_values, new_values = _values(old), _values(new)
    if old_values is not None or new_values is not None:
        if old_values is None:
            return True, not _takes_all(old, new_values or [])
        if new_values is None:
            return not _takes_all(new, old_values), True
        return bool(_less(old_values, new_values)), bool(_less(new_values, old_values))
    was, now = _types(old), _types(new)
    if was is None or now is None:
        return was is None and now is not None, now is None and was is not None
    return bool(was - now), bool(now - was)


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    found: list[Any] | None = schema.get("enum")
    return found


def _less(one: list[Any], other: list[Any]) -> list[Any]:
    return [value for value in one if value not in other]


def _takes_all(schema: Schema, values: list[Any]) -> bool:
    """Return whether a schema without listed values takes values, by their types."""
    types = _types(schema)
    return types is None or all(TYPES[type(value)] & types for value in values)


TYPES: Final[dict[type, set[str]]] = {
    type(None): {"null"},
    bool: {"boolean"},
    int: NUMBERS,
    float: {"number"},
    str: {"string"},
    list: {"array"},
    dict: {"object"},
}
"""The types of JSON Schema that a value has."""


def _types(schema: Schema) -> set[str] | None:
    """Return the types of a schema; None if it takes all."""
    given: Any = schema.get("type")
    if given is None:
        return {"object"} if "properties" in schema else None
    types = {given} if isinstance(given, str) else set(cast("list[str]", given))
    return types | NUMBERS if "number" in types else types


def _alternatives(schema: Schema) -> list[Schema]:
    """Return the alternatives of a union; the schema itself if it is none."""
    for name in ("anyOf", "oneOf"):
        if name in schema:
            found: list[Schema] = schema[name]
            return [inner for one in found for inner in _alternatives(one)]
    types: Any = schema.get("type")
    if isinstance(types, list):
        return [{**schema, "type": one} for one in cast("list[str]", types)]
    return [schema]


def _label(schema: Schema) -> str:
    """Return what an alternative is known by: its name, that it lists values, or its type."""
    reference = _reference(schema)
    if reference:
        return reference
    if _values(schema) is not None:
        return "values"
    kind = schema.get("title") or schema.get("type") or "any"
    return "number" if kind == "integer" else str(kind)


def _reference(schema: Any) -> str:
    """Return the name that a schema refers to; ``""`` if it is no reference."""
    given = _schema(schema)
    parts: list[Any] = given.get("allOf", [])
    if len(parts) == 1:
        return _reference(parts[0])
    reference: str = given.get("$ref", "")
    return reference.removeprefix(PREFIX)


def _resolved(schema: Any, components: Mapping[str, Schema]) -> Schema:
    """Return a schema without ``$ref`` and ``allOf`` at its top."""
    seen: set[str] = set()
    found = _schema(schema)
    while "$ref" in found and (name := _reference(found)) not in seen:
        seen.add(name)
        found = components.get(name, {})
    if "allOf" not in found:
        return found
    whole = {name: value for name, value in found.items() if name != "allOf"}
    for part in found["allOf"]:
        whole = _merged(_resolved(part, components), whole)
    return whole


def _merged(one: Schema, other: Schema) -> Schema:
    both = {**one, **other}
    if "properties" in one and "properties" in other:
        both["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        both["required"] = sorted({*one["required"], *other["required"]})
    return both


def _schema(given: Any) -> Schema:
    return cast("Schema", given) if isinstance(given, dict) else {}


def _fields(schema: Schema) -> dict[str, Schema]:
    found: dict[str, Schema] = schema.get("properties", {})
    return found


WORDS: Final = frozenset(
    {"title", "description", "examples", "default", "x-bennu", "discriminator"}
)


def _plain(schema: Any) -> Any:
    """Return a schema without what only people read."""
    if isinstance(schema, list):
        return [_plain(one) for one in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    given = cast("Schema", schema)
    return {name: _plain(value) for name, value in given.items() if name not in WORDS}


def _has_references(schema: Any) -> bool:
    return PREFIX in json.dumps(schema)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _named(name: str, value: Any) -> str:
    return "any" if value is None else f"{name} {value}"


def shown(schema: Any) -> str:
    """Return a schema as short text."""
    if isinstance(schema, str):
        return schema
    if not isinstance(schema, dict) or not schema:
        return "any"
    given = cast("Schema", schema)
    name = _reference(given) or given.get("title")
    if name:
        return str(name)
    values = _values(given)
    if values is not None:
        return " | ".join(json.dumps(one) for one in values)
    for kind in ("anyOf", "oneOf"):
        if kind in given:
            return " | ".join(shown(one) for one in given[kind])
    types: Any = given.get("type", "any")
    if types == "array":
        items = given.get("items")
        return f"list of {shown(items)}" if isinstance(items, dict) else "list"
    return " | ".join(cast("list[str]", types)) if isinstance(types, list) else str(types)
