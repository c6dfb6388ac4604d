"""Copies data, so that no handler sees another handler's changes.

Data is copied to any depth: containers, Structs, dataclasses, attrs classes and pydantic models. Every other
object (a task, a lock, a database session) is not copied: the copy of the data holds the same object.
"""

from __future__ import annotations

import copy
import operator
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import msgspec

__all__ = ["copy_of"]

T = TypeVar("T")

_CONSTANT: Final = frozenset({str, int, float, bool, bytes, type(None)})

_CONTAINERS: Final[dict[type, Callable[[Any], Any]]] = {
    dict: lambda given: {
        key: value if type(value) in _CONSTANT else copy_of(value) for key, value in given.items()
    },
    list: lambda given: [one if type(one) in _CONSTANT else copy_of(one) for one in given],
    tuple: lambda given: _copy_of_tuple(given, tuple),
    set: set,  # a member is hashable, and so does not change
    frozenset: frozenset,
    bytearray: bytearray,
}

_FILLED: tuple[type[Any], ...] = (dict, list, deque)
"""Containers whose subclasses are copied, together with their items."""


def copy_of(value: T) -> T:
    """Return a copy of a value. The copy shares no mutable data with the value.

    Args:
        value: Data, or any other object. The value itself is returned if no part of it can change, or if it can't
            be copied. A value that nests deeper than Python's recursion limit can't be copied.
    """
    kind = cast("type[Any]", type(value))
    if kind in _CONSTANT:
        return value
    try:
        copying = _CONTAINERS.get(kind)
        copied: T = _copy_of_object(value) if copying is None else copying(value)
    except RecursionError:
        return value
    return copied


def _copy_of_object(value: Any) -> Any:
    """Return a copy of a container's subclass, or of an object that is data."""
    kind = cast("type[Any]", type(value))
    if hasattr(kind, "_make") and issubclass(kind, tuple):
        return _copy_of_tuple(value, value._make)
    fields = _fields(kind)
    if fields is None and not issubclass(kind, _FILLED):
        return value
    copies = {name: copy_of(getattr(value, name)) for name in fields or () if hasattr(value, name)}
    if _is_frozen(kind) and all(getattr(value, name) is one for name, one in copies.items()):
        return value
    try:
        twin: Any = copy.copy(value)
    except Exception:  # noqa: BLE001 - the user's own __copy__, or __reduce__
        return value
    if fields is not None:
        for name, one in copies.items():
            _set(twin, name, one)
        extra = getattr(twin, "__pydantic_extra__", None)
        if extra is not None:
            object.__setattr__(twin, "__pydantic_extra__", copy_of(extra))
    elif issubclass(kind, dict):
        mapping = cast("dict[Any, Any]", twin)
        for key, item in mapping.items():
            mapping[key] = copy_of(item)
    else:
        items = cast("list[Any]", twin)
        for position, item in enumerate(items):
            items[position] = copy_of(item)
    return twin


def _copy_of_tuple(value: tuple[Any, ...], make: Callable[[Any], Any]) -> Any:
    copies = tuple(map(copy_of, value))
    return value if all(map(operator.is_, copies, value)) else make(copies)


def _is_frozen(kind: type[Any]) -> bool:
    """Return whether no attribute of this class's objects can be set."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_config__.frozen
    parameters = getattr(kind, "__dataclass_params__", None)
    return parameters is not None and parameters.frozen


def _set(twin: Any, name: str, value: Any) -> None:
    """Set a field; this also works for a frozen object."""
    if isinstance(twin, msgspec.Struct):
        msgspec.structs.force_setattr(twin, name, value)
    else:
        object.__setattr__(twin, name, value)


def _fields(kind: type[Any]) -> tuple[str, ...] | None:
    """Return the names of a data class's fields; None for any other class."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    for mark in ("__dataclass_fields__", "__pydantic_fields__"):
        fields = getattr(kind, mark, None)
        if fields is not None:
            return tuple(fields)
    attributes = getattr(kind, "__attrs_attrs__", None)
    return None if attributes is None else tuple(one.name for one in attributes)
