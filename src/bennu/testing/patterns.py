"""What a payload is compared with: values, types, predicates. Dicts are compared partially.

| pattern | a payload fits if |
|---|---|
| `ANY` | it is there |
| a dict | each key of the pattern fits; other keys do not matter |
| a list or tuple | it is a list of the same length, and each item fits |
| a Struct, dataclass or model | the dict of its fields fits |
| a class (`int`, `str`, `NewMsg`, `list[int]`) | it is a value of this type. A bool is no int |
| `re.compile(...)` | it is text, and the pattern is found in it |
| a function | the function returns a true value |
| `Exactly(value)` | it equals the value: no other key |
| any other value | it equals the value |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import BuiltinFunctionType, FunctionType, GenericAlias, MethodType, UnionType
from typing import Any, Final, cast, get_origin

import msgspec

__all__ = ["ANY", "Exactly", "differences", "shown"]

MOST: Final = 400
"""Characters of a value that a message of failure shows."""


class _Anything:
    def __repr__(self) -> str:
        return "ANY"


ANY: Final[Any] = _Anything()
"""Fits every value."""


class Exactly:
    """Fits what equals a value: a dict with these keys and no others.

    Args:
        value: The value.

    Example:
        >>> differences(Exactly({"id": 1}), {"id": 1, "body": "Hi"})
        ["expected exactly {'id': 1}, got {'id': 1, 'body': 'Hi'}"]
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Exactly({self.value!r})"


_FUNCTIONS: Final = (FunctionType, MethodType, BuiltinFunctionType)
_TYPES: Final = (type, GenericAlias, UnionType)


def differences(pattern: Any, value: Any, path: str = "") -> list[str]:
    """Return in words how a value differs from a pattern; an empty list if it fits.

    Args:
        pattern: The pattern.
        value: The value: JSON as Python has it, or bytes.
        path: Where in the payload the value is.

    Example:
        >>> differences({"id": int, "body": "Hi"}, {"id": 1, "body": "Ho", "at": 5})
        ["body: expected 'Hi', got 'Ho'"]
    """
    if isinstance(pattern, Exactly):
        fits = value == pattern.value
        return [] if fits else [_said(path, f"exactly {shown(pattern.value)}", value)]
    if isinstance(pattern, Mapping):
        return _of_mapping(cast("Mapping[Any, Any]", pattern), value, path)
    if isinstance(pattern, list | tuple):
        return _of_list(cast("Sequence[Any]", pattern), value, path)
    if pattern is not ANY and _is_record(pattern):
        return differences(msgspec.to_builtins(pattern), value, path)
    return [] if _fits(pattern, value) else [_said(path, shown(pattern), value)]


def _fits(pattern: Any, value: Any) -> bool:
    if pattern is ANY:
        return True
    if isinstance(pattern, _TYPES) or get_origin(pattern) is not None:
        return _is_of(pattern, value)
    if isinstance(pattern, re.Pattern):
        found = cast("re.Pattern[str]", pattern).search
        return isinstance(value, str) and found(value) is not None
    if isinstance(pattern, _FUNCTIONS):
        return bool(cast("Callable[[Any], object]", pattern)(value))
    if isinstance(pattern, bool) or isinstance(value, bool):
        return pattern is value
    return bool(pattern == value)


def _is_of(kind: Any, value: Any) -> bool:
    if kind is bytes or isinstance(value, bytes):
        return kind is bytes and isinstance(value, bytes)
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, TypeError):
        return isinstance(kind, type) and kind is not int and isinstance(value, kind)
    return True


def _is_record(pattern: Any) -> bool:
    """Return whether a pattern is an object with fields: no class, and no plain value."""
    is_object = isinstance(pattern, msgspec.Struct) or hasattr(pattern, "__dataclass_fields__")
    return is_object and not isinstance(pattern, type)


def _of_mapping(pattern: Mapping[Any, Any], value: Any, path: str) -> list[str]:
    if not isinstance(value, Mapping):
        return [_said(path, shown(pattern), value)]
    given = cast("Mapping[Any, Any]", value)
    found: list[str] = []
    for key, wanted in pattern.items():
        place = f"{path}.{key}" if path else str(key)
        if key not in given:
            found.append(f"{place}: expected {shown(wanted)}, and it is missing")
        else:
            found += differences(wanted, given[key], place)
    return found


def _of_list(pattern: Sequence[Any], value: Any, path: str) -> list[str]:
    if not isinstance(value, list | tuple):
        return [_said(path, shown(pattern), value)]
    given = cast("Sequence[Any]", value)
    found: list[str] = []
    for number, (wanted, item) in enumerate(zip(pattern, given, strict=False)):
        found += differences(wanted, item, f"{path}[{number}]")
    if len(pattern) != len(given):
        found.append(_said(path, f"{len(pattern)} items", given, f"{len(given)}: "))
    return found


def _said(path: str, wanted: str, value: Any, before: str = "") -> str:
    return f"{path}{': ' if path else ''}expected {wanted}, got {before}{shown(value)}"


def shown(value: Any) -> str:
    """Return a pattern or value as a message of failure shows it: short, and a class or function by its name."""
    if isinstance(value, type):
        text = value.__name__
    elif isinstance(value, FunctionType) and value.__name__ != "<lambda>":
        text = f"{value.__name__}(...)"
    elif isinstance(value, _FUNCTIONS):
        text = "what a function accepts"
    elif isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value).items()
        text = "{" + ", ".join(f"{key!r}: {shown(item)}" for key, item in pairs) + "}"
    elif isinstance(value, list):
        text = "[" + ", ".join(shown(item) for item in cast("list[Any]", value)) + "]"
    else:
        text = repr(value)
    return text if len(text) <= MOST else f"{text[:MOST]}… ({len(text)} characters)"
