"""Finds a field of a payload's type at start-up, and its value in a payload. Pure."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Final, NewType, TypeVar, Union, cast, get_args, get_origin

import msgspec

from .types import is_attrs, is_model

__all__ = ["MISSING", "field_type", "plain_type", "value_of"]

MISSING: Final = object()
"""Stands for a field that a type or a payload does not have."""


def plain_type(annotation: Any) -> Any:
    """Return a type without its name and its metadata: ``int`` for ``Annotated[int, ...]``."""
    while True:
        if isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif get_origin(annotation) in (typing.Annotated, typing.Required, typing.NotRequired):
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__value__"):  # a `type X = ...` statement
            annotation = annotation.__value__
        else:
            return annotation


def field_type(annotation: Any, name: str) -> Any:
    """Return the type of a field of a payload: ``Any`` if nobody knows it, ``MISSING`` if there can't be such a field.

    Args:
        annotation: The type of the payload.
        name: The name of the field in Python: of an attribute, or of the key of a dict.
    """
    annotation = plain_type(annotation)
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        found = [field_type(one, name) for one in get_args(annotation) if one is not type(None)]
        if MISSING in found:
            return MISSING
        return found[0] if len(found) == 1 else Union[tuple(found)]  # noqa: UP007 - the types are known at run time
    kind: Any = annotation if origin is None else origin
    if kind in (Any, object):
        return Any
    if not isinstance(kind, type):
        return MISSING
    is_typed = hasattr(kind, "__total__")  # a TypedDict
    if not is_typed and issubclass(kind, Mapping):
        arguments = get_args(annotation)
        return arguments[1] if len(arguments) == 2 else Any
    found = _fields_of(cast("type[Any]", kind)).get(name, MISSING)
    return Any if isinstance(found, TypeVar) else found


def _fields_of(kind: type[Any]) -> dict[str, Any]:
    """Return the fields of a class, and their types."""
    if is_model(kind):
        return {name: one.annotation for name, one in cast("Any", kind).model_fields.items()}
    has_fields = (
        issubclass(kind, msgspec.Struct)
        or dataclasses.is_dataclass(kind)
        or is_attrs(kind)
        or hasattr(kind, "__total__")
    )
    if not has_fields:
        return {}
    hints = typing.get_type_hints(kind, include_extras=True)
    return {name: hint for name, hint in hints.items() if get_origin(hint) is not typing.ClassVar}


def value_of(payload: Any, name: str) -> Any:
    """Return the value of a field of a payload; ``MISSING`` if it has no such field."""
    if isinstance(payload, Mapping):
        return cast("Mapping[Any, Any]", payload).get(name, MISSING)
    return getattr(payload, name, MISSING)
