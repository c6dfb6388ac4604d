"""Types as short text for people: ``list[Message] | None``. Pure."""

from __future__ import annotations

import types
import typing
from enum import Enum
from typing import Any, Literal, NewType, Union, get_args, get_origin

from .model import EMPTY, NOTHING

__all__ = ["type_text"]


def type_text(annotation: Any) -> str:
    """Return a type as short text, without modules and constraints.

    Args:
        annotation: The type, resolved.

    Example:
        >>> type_text(dict[str, list[int] | None])
        'dict[str, list[int] | None]'
    """
    if annotation is NOTHING:
        return ""
    if annotation == EMPTY:
        return "{}"
    if annotation in (None, type(None)):
        return "None"
    if annotation in (Any, object):
        return "any"
    if annotation is Ellipsis:
        return "..."
    if isinstance(annotation, NewType):
        return annotation.__name__
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        return type_text(arguments[0])
    if origin is Literal:
        return " | ".join(_literal(one) for one in arguments)
    if origin in (Union, types.UnionType):
        return " | ".join(type_text(one) for one in arguments)
    if origin in (typing.Required, typing.NotRequired):
        return type_text(arguments[0])
    name = getattr(annotation if origin is None else origin, "__qualname__", None)
    text = str(annotation) if name is None else str(name).rpartition("<locals>.")[2]
    if not arguments or name is None:
        return text
    return f"{text}[{', '.join(type_text(one) for one in arguments)}]"


def _literal(value: Any) -> str:
    return (
        repr(value.value)
        if isinstance(value, Enum)
        else f'"{value}"'
        if isinstance(value, str)
        else repr(value)
    )
