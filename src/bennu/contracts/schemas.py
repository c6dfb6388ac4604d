"""The JSON Schemas of a contract's types. msgspec makes them for what it checks, and pydantic for what pydantic checks.

A class becomes a schema with a name in the ``components`` of the document, so that a type of the user stands there once.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec

from ..user_code.types import is_model, read_type
from .draft7 import PREFIX, Schema, hoisted, to_draft7
from .model import EMPTY, NOTHING, Contract, ReplyContract

__all__ = ["BINARY", "Direction", "Schemas", "is_binary", "schemas_of"]

TEMPLATE: Final = PREFIX + "{name}"
OF_MODELS: Final = PREFIX + "{model}"

BINARY: Final[Schema] = {
    "type": "string",
    "contentEncoding": "binary",
    "description": "A binary frame.",
}
ANY: Final[Schema] = {}
NAME: Final = re.compile(r"[^A-Za-z0-9_.-]")
OPEN: Final = ("PresenceMeta", "PresentKey")
"""The names of Bennu's own types to which an application adds fields."""

Direction = Literal["in", "out"]
"""Whether clients send a value, or get it. A pydantic model can have two schemas."""


class Schemas:
    """The schemas of some types.

    Args:
        types: The types, and the direction of each.

    Attributes:
        components: The schemas with a name, in the order of their names.
        without: The types that no schema describes, as they are written in Python.
    """

    def __init__(self, types: Iterable[tuple[Any, Direction]]) -> None:
        self.components: dict[str, Schema] = {}
        self.without: list[str] = []
        self._found: dict[tuple[str, Direction], Schema] = {}
        self._kept: list[Any] = []
        native: list[Any] = []
        for annotation, direction in types:
            key = self._key(annotation, direction)
            if key in self._found:
                continue
            plain = _plain(annotation)
            if plain is not None:
                self._found[key] = plain
            elif _is_of_pydantic(annotation):
                self._found[key] = self._of_pydantic(annotation, direction)
            elif _has_schema(annotation):
                native.append((key, _without_bytes(annotation), annotation))
            else:
                self.without.append(str(annotation))
                self._found[key] = {"description": f"A value of {annotation}, which has no schema."}
        self._add_native(native)
        self.components = dict(sorted(self.components.items()))

    def schema(self, annotation: Any, direction: Direction) -> Schema:
        """Return the schema of one of the types: often a ``$ref`` into ``components``.

        Args:
            annotation: The type.
            direction: Its direction.
        """
        return self._found[self._key(annotation, direction)]

    def _key(self, annotation: Any, direction: Direction) -> tuple[str, Direction]:
        self._kept.append(annotation)  # so that no id is used twice
        names = f"{annotation!r} {[id(one) for one in _classes(annotation)]}"
        return names, direction

    def _of_pydantic(self, annotation: Any, direction: Direction) -> Schema:
        pydantic: Any = importlib.import_module("pydantic")
        mode = "validation" if direction == "in" else "serialization"
        adapter = pydantic.TypeAdapter(annotation)
        schema = adapter.json_schema(ref_template=OF_MODELS, mode=mode, by_alias=True)
        return self._entered(
            schema, name=getattr(annotation, "__name__", None) if is_model(annotation) else None
        )

    def _entered(self, schema: Schema, *, name: str | None) -> Schema:
        """Enter what a schema defines into the components, under names of their own; return the rest."""
        defined = hoisted(schema)
        if name is not None and "$ref" not in schema:
            defined[name] = schema
            schema = {"$ref": TEMPLATE.format(name=name)}
        names = {one: self._free_name(one, to_draft7(of)) for one, of in defined.items()}
        for one, of in defined.items():
            self.components[names[one]] = _renamed(to_draft7(of), names)
        renamed: Schema = _renamed(to_draft7(schema), names)
        return renamed

    def _free_name(self, wanted: str, schema: Schema) -> str:
        name = NAME.sub("_", wanted)
        known = self.components.get(name)
        return name if known is None or known == schema else self._free_name(f"{name}_", schema)

    def _add_native(self, native: list[tuple[tuple[str, Direction], Any, Any]]) -> None:
        found, components = msgspec.json.schema_components(
            [kind for _, kind, _ in native], schema_hook=self._of_model, ref_template=TEMPLATE
        )
        names = {one: self._free_name(one, to_draft7(of)) for one, of in components.items()}
        for one, of in components.items():
            self.components |= {name: to_draft7(inner) for name, inner in hoisted(of).items()}
            self.components[names[one]] = _renamed(to_draft7(of), names)
            if one in OPEN:
                self.components[names[one]]["additionalProperties"] = ANY
        for schema, (key, _, annotation) in zip(found, native, strict=True):
            self.components |= {name: to_draft7(inner) for name, inner in hoisted(schema).items()}
            written: Schema = _renamed(to_draft7(schema), names)
            if is_binary(annotation):
                written = {"anyOf": [BINARY, written]}
            self._found[key] = written

    def _of_model(self, kind: type[Any]) -> Schema:
        """Return the schema of a class that msgspec doesn't know: a model inside of a Struct."""
        if not is_model(kind):
            raise NotImplementedError
        pydantic: Any = importlib.import_module("pydantic")
        schema: Schema = pydantic.TypeAdapter(kind).json_schema(ref_template=OF_MODELS)
        return self._entered(schema, name=kind.__name__)


def schemas_of(contract: Contract) -> Schemas:
    """Return the schemas of all types of a contract."""
    return Schemas(_types_of(contract))


def _types_of(contract: Contract) -> Iterable[tuple[Any, Direction]]:
    for socket in contract.sockets:
        yield socket.params, "in"
        for channel in socket.channels:
            for event in (channel.join, *channel.events):
                yield event.payload, "in"
                yield from _replies(event.reply)
            for one in channel.sends:
                yield one.payload, "out"
            for parameter in channel.parameters:
                yield parameter.type, "in"
            if channel.takes_any is not None:
                yield from _replies(channel.takes_any)


def _replies(reply: ReplyContract) -> Iterable[tuple[Any, Direction]]:
    for kind in (reply.ok, reply.error, reply.other):
        yield kind, "out"


def is_binary(annotation: Any) -> bool:
    """Return whether values of a type can be binary frames."""
    return annotation is bytes or (_is_union(annotation) and bytes in get_args(annotation))


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def _without_bytes(annotation: Any) -> Any:
    """Return a union without its bytes, which are no JSON."""
    if not is_binary(annotation):
        return annotation
    rest = tuple(one for one in get_args(annotation) if one is not bytes)
    return Union[rest]  # noqa: UP007 - of as many types as there are


def _plain(annotation: Any) -> Schema | None:
    """Return the schema of a type that no library need describe; None for any other type."""
    if annotation in (NOTHING, Any, object):
        return ANY
    if annotation == EMPTY:
        return {"type": "object", "properties": {}}
    if annotation is bytes:
        return BINARY
    return None


def _is_of_pydantic(annotation: Any) -> bool:
    facts = read_type(annotation)
    return facts.pydantic is not None and facts.native is None


def _has_schema(annotation: Any) -> bool:
    """Return whether msgspec can describe a type. The types of replies are not checked at start-up."""
    try:
        msgspec.json.schema_components([_without_bytes(annotation)], schema_hook=_accept_models)
    except Exception:  # noqa: BLE001 - whatever a user's class raises, it has no schema
        return False
    return True


def _accept_models(kind: type[Any]) -> Schema:
    if not is_model(kind):
        raise NotImplementedError
    return {"type": "object"}


def _classes(annotation: Any) -> Iterable[Any]:
    """Yield the classes in a type."""
    if isinstance(annotation, type):
        yield annotation
    for one in get_args(annotation):
        yield from _classes(one)


def _renamed(schema: Any, names: dict[str, str]) -> Any:
    """Return a schema whose references have the names under which the components were entered."""
    if isinstance(schema, list):
        return [_renamed(one, names) for one in schema]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(schema, dict):
        return schema
    found: Schema = {}
    for name, value in schema.items():  # pyright: ignore[reportUnknownVariableType]
        if name == "$ref" and isinstance(value, str):
            wanted = value.removeprefix(PREFIX)
            found[name] = TEMPLATE.format(name=names.get(wanted, wanted))
        else:
            found[str(name)] = _renamed(value, names)  # pyright: ignore[reportUnknownArgumentType]
    return found
