"""Converts the parameters of a query to the type of ``connect``'s params.

The values of a query are text, so numbers and booleans are converted leniently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec

from .invalid_payload import InvalidPayload, explain, steps_of
from .models import ModelError, mistake
from .payload import adapter_of, check_keys, from_builtin
from .types import read_type

__all__ = ["Converter", "convert", "converter_for"]

Converter = Callable[[Any], Any]

MAX_LISTS: Final = 32
"""Lists of one query, at most."""


def converter_for(annotation: Any, *, subject: str, where: str | None) -> Converter:
    """Return the function that converts query parameters (builtins with text as scalars) to a type, leniently.

    The function raises InvalidPayload for parameters that don't fit. The stock client writes a list as an object with
    the keys ``"0"``, ``"1"`` and so on. If the type has a list there, this object is converted to a list.

    Args:
        annotation: The type.
        subject: What the type belongs to, for the error.
        where: The ``file:line`` of the function with this type, for the error; None if it is unknown.

    Raises:
        DefinitionError: Query parameters can't become this type.
    """
    facts = read_type(annotation)
    adapter = adapter_of(annotation, facts, subject=subject, where=where)

    def convert_once(value: Any) -> Any:
        if adapter is not None:
            return adapter.from_builtins(value)
        return msgspec.convert(value, annotation, strict=False, dec_hook=from_builtin)

    def convert(value: Any) -> Any:
        if facts.integers is not None or facts.hashed is not None:
            check_keys(msgspec.json.encode(value), facts)
        for _ in range(MAX_LISTS):
            try:
                return convert_once(value)
            except (ModelError, msgspec.ValidationError) as error:
                listed = _with_list(value, steps_of(error))
                if listed is None:
                    raise explain(error, value) from error
                value = listed
        raise InvalidPayload([mistake("", f"expected at most {MAX_LISTS} lists")])

    return convert


def convert(value: Any, annotation: Any) -> Any:
    """Convert query parameters to a type, once: see :func:`converter_for`.

    Raises:
        InvalidPayload: The parameters don't fit the type.
        DefinitionError: Query parameters can't become this type.
    """
    return converter_for(annotation, subject="a value", where=None)(value)


def _with_list(value: Any, steps: list[Any]) -> Any:
    """Return a copy of a value with the object at the end of these steps as a list; None if that is impossible."""
    if not steps:
        return _as_list(value)
    step, *others = steps
    if step is ...:
        return _with_lists_inside(value, others)
    if isinstance(value, Mapping) and step in value:
        mapping = cast("Mapping[Any, Any]", value)
        inner = _with_list(mapping[step], others)
        return None if inner is None else {**mapping, step: inner}
    if isinstance(value, list) and isinstance(step, int) and step < len(cast("list[Any]", value)):
        items = list(cast("list[Any]", value))
        inner = _with_list(items[step], others)
        return None if inner is None else [*items[:step], inner, *items[step + 1 :]]
    return None


def _with_lists_inside(value: Any, steps: list[Any]) -> Any:
    """Do the same for each value of an object, because msgspec's error does not name the key."""
    if not isinstance(value, dict):
        return None
    given = cast("dict[str, Any]", value)
    listed = {key: _with_list(inner, steps) for key, inner in given.items()}
    if all(inner is None for inner in listed.values()):
        return None
    return {key: given[key] if inner is None else inner for key, inner in listed.items()}


def _as_list(value: Any) -> Any:
    if not isinstance(value, dict) or not value:
        return None
    given = cast("dict[str, Any]", value)
    numbers = [str(number) for number in range(len(given))]
    return [given[number] for number in numbers] if given.keys() == set(numbers) else None
