"""Reads the parts of a type once, when the endpoint is made, to choose the library that checks the type.

msgspec and pydantic each ignore constraints of the other library: msgspec ignores ``annotated_types`` in a dataclass,
and pydantic ignores ``msgspec.Meta``. If a constraint is ignored, clients can send values that its author has
excluded. So this module walks a type, and notes each part that needs one of the two libraries.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import Enum
from typing import Any, Final, Literal, NewType, TypeVar, Union, cast, get_args, get_origin

import msgspec

__all__ = ["Facts", "is_attrs", "is_model", "is_object", "is_validated_dataclass", "read_type"]

_OF_PYDANTIC: Final = frozenset(
    {"annotated_types", "pydantic", "pydantic_core", "pydantic_extra_types"}
)
_OF_FRAMEWORKS: Final = frozenset({"fastapi", "starlette", "litestar", "strawberry"})

_UNIQUE: Final = (str, bytes, bool, int, float, Enum, datetime, date, time, type(None))
"""Types of which a client can't choose many values with the same hash: they have few values, or their hash is
secret. This is true of integers up to 64 bits; longer integers are searched for in each payload."""


@dataclass(slots=True)
class Facts:
    """The parts of a type. Each attribute holds the first part of its kind, or None.

    Attributes:
        model: A class that pydantic validates: a model, or a class with a schema for pydantic.
        validated: A dataclass of pydantic.
        constraint: A constraint or validator for pydantic, outside of a model.
        native: A part that only msgspec understands: a Struct, a class of attrs, ``msgspec.Meta``.
        foreign: A part that a web framework would resolve. Bennu does not.
        integers: The type of integers in a set, or of integer keys of a dict.
        hashed: Another type in a set, or of keys, for which a client can choose many values with the same hash.
        seen: ``id()`` of each class that has been walked.
    """

    model: Any = None
    validated: Any = None
    constraint: Any = None
    native: Any = None
    foreign: Any = None
    integers: Any = None
    hashed: Any = None
    seen: set[int] = field(default_factory=set[int])

    @property
    def pydantic(self) -> Any:
        """The first part that needs pydantic; None if there is none."""
        return next(
            (one for one in (self.model, self.validated, self.constraint) if one is not None), None
        )

    def note(self, name: str, value: Any) -> None:
        """Keep a part, if it is the first of its kind."""
        if getattr(self, name) is None:
            setattr(self, name, value)


def read_type(annotation: Any) -> Facts:
    """Return the parts of a type. An unresolvable part is skipped: the decoder raises an error for that part."""
    facts = Facts()
    _walk(annotation, facts, in_model=False)
    return facts


def is_model(kind: Any) -> bool:
    """Return whether a type is a pydantic model. This does not import pydantic."""
    pydantic = sys.modules.get("pydantic")
    base: Any = getattr(pydantic, "BaseModel", None)
    return base is not None and isinstance(kind, type) and issubclass(kind, base)


def is_validated_dataclass(kind: Any) -> bool:
    """Return whether a type is a dataclass of pydantic."""
    return dataclasses.is_dataclass(kind) and hasattr(kind, "__pydantic_validator__")


def is_attrs(kind: Any) -> bool:
    """Return whether a type is a class of attrs."""
    return isinstance(kind, type) and hasattr(kind, "__attrs_attrs__")


def _walk(annotation: Any, facts: Facts, *, in_model: bool) -> None:
    if isinstance(annotation, NewType):
        annotation = annotation.__supertype__
    annotation = getattr(annotation, "__value__", annotation)  # a `type X = ...` statement
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        kind, *metadata = arguments
        for one in metadata:
            _note_metadata(one, facts, in_model=in_model)
        _walk(kind, facts, in_model=in_model)
    elif origin is Literal:
        return
    elif origin in (Union, types.UnionType, typing.Required, typing.NotRequired):
        for one in arguments:
            _walk(one, facts, in_model=in_model)
    elif isinstance(annotation, type) or isinstance(origin, type):
        kind = annotation if origin is None else origin
        _note_keys(kind, arguments, facts)
        for one in arguments:
            _walk(one, facts, in_model=in_model)
        if id(kind) not in facts.seen and kind.__module__ != "builtins":
            facts.seen.add(id(kind))
            _walk_class(kind, facts, in_model=in_model)


def _note_metadata(given: Any, facts: Facts, *, in_model: bool) -> None:
    if isinstance(given, msgspec.Meta):
        if _constrains(given):
            facts.note("native", given)
        return
    root = type(given).__module__.partition(".")[0]
    if root in _OF_FRAMEWORKS:
        facts.note("foreign", given)
    elif not in_model and (root in _OF_PYDANTIC or hasattr(given, "__get_pydantic_core_schema__")):
        facts.note("constraint", given)


def _constrains(meta: msgspec.Meta) -> bool:
    """Return whether a Meta holds a constraint, and not only documentation."""
    names = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz")
    return any(getattr(meta, name) is not None for name in names)


def _note_keys(kind: type[Any], arguments: tuple[Any, ...], facts: Facts) -> None:
    """Note the type that decoding hashes, if a client can choose many values with the same hash."""
    name = kind.__name__
    if name not in ("set", "frozenset", "Set", "MutableSet", "dict", "Mapping", "MutableMapping",
                    "defaultdict", "OrderedDict", "Counter"):  # fmt: skip
        return
    is_set = "set" in name.lower()
    if arguments:
        _note_hashed(arguments[0], facts)
    elif is_set:
        facts.note("integers", kind)


def _note_hashed(annotation: Any, facts: Facts) -> None:
    if isinstance(annotation, NewType):
        annotation = annotation.__supertype__
    annotation = getattr(annotation, "__value__", annotation)
    origin = get_origin(annotation)
    if origin is Literal:
        return
    if origin is typing.Annotated:
        _note_hashed(get_args(annotation)[0], facts)
    elif origin in (Union, types.UnionType):
        for one in get_args(annotation):
            _note_hashed(one, facts)
    elif annotation in (Any, object) or isinstance(annotation, TypeVar):
        facts.note(
            "integers", annotation
        )  # of all JSON values, only integers can be hashed without a secret and be long
    elif isinstance(annotation, type) and issubclass(annotation, _UNIQUE):
        if issubclass(annotation, int) and not issubclass(annotation, bool | Enum):
            facts.note("integers", annotation)
    elif annotation is not None:
        facts.note("hashed", annotation)


def _walk_class(kind: type[Any], facts: Facts, *, in_model: bool) -> None:
    """Note the kind of a class, and walk its fields."""
    if is_model(kind):
        facts.note("model", kind)
        for one in cast("Any", kind).model_fields.values():
            _walk(one.annotation, facts, in_model=True)
        return
    if is_validated_dataclass(kind):
        facts.note("validated", kind)
        in_model = True
    elif hasattr(kind, "__get_pydantic_core_schema__"):
        facts.note("model", kind)
        return
    elif issubclass(kind, msgspec.Struct) or is_attrs(kind):
        facts.note("native", kind)
    elif not (dataclasses.is_dataclass(kind) or _has_keys(kind)):
        return
    for default in _defaults(kind):
        if type(default).__module__.partition(".")[0] == "pydantic" and not in_model:
            facts.note("constraint", default)
    for one in _hints(kind).values():
        _walk(one, facts, in_model=in_model)


def _has_keys(kind: type[Any]) -> bool:
    """Return whether a type is a TypedDict or a NamedTuple."""
    return hasattr(kind, "__total__") or (hasattr(kind, "_fields") and issubclass(kind, tuple))


def _defaults(kind: type[Any]) -> Iterable[Any]:
    if dataclasses.is_dataclass(kind):
        return [one.default for one in dataclasses.fields(kind)]
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_defaults__
    return ()


def _hints(kind: type[Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except Exception:  # noqa: BLE001 - the decoder raises a better error
        return {}


def is_object(annotation: Any) -> bool:
    """Return whether values of a type are JSON objects, or can be any value."""
    if isinstance(annotation, NewType):
        annotation = annotation.__supertype__
    annotation = getattr(annotation, "__value__", annotation)
    origin = get_origin(annotation)
    if origin is typing.Annotated:
        return is_object(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return all(is_object(one) for one in get_args(annotation) if one is not type(None))
    given: Any = annotation if origin is None else origin
    if given in (Any, object) or not isinstance(given, type):
        return given in (Any, object)
    kind = cast("type[Any]", given)
    return (
        issubclass(kind, Mapping | msgspec.Struct)
        or dataclasses.is_dataclass(kind)
        or hasattr(kind, "__total__")
        or is_attrs(kind)
        or hasattr(kind, "__get_pydantic_core_schema__")
    )
