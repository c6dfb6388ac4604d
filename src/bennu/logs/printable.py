"""Returns any value as one line of printable text, for logs.

A client's data reaches a log only through :func:`printable`. So a topic with a line break can't forge a line, and an
escape sequence can't reach the terminal. A payload of ten megabytes costs as little as two hundred characters: text
is cut before it is escaped, and a container is walked only until its text is long enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time, timedelta
from enum import Enum
from typing import Any, Final, cast
from uuid import UUID

from msgspec import Raw

__all__ = ["CUT", "LIMIT", "MAX_DEPTH", "described", "fields_of", "printable"]

LIMIT: Final = 200
"""Characters of a value in a log, by default."""

MAX_DEPTH: Final = 20
"""Levels of nested containers that are shown."""

MAX_BITS: Final = 256
"""Bits of an integer that is shown: the time to write an integer grows with the square of its size."""

CUT: Final = "…"
"""Replaces the part that was cut."""

_SHORT = (bool, type(None), complex, date, time, timedelta, UUID)
"""Types whose text is short for every value."""


def printable(value: object, limit: int = LIMIT) -> str:
    """Return a value as one line of printable text.

    Text has no quotes. Each unprintable character is escaped as in a string literal: control characters, line
    breaks, bidirectional controls, unpaired surrogates, unusual spaces. Bytes and containers are shown as Python
    writes them, and an exception by its message. An object is shown by its class and its declared fields; without
    declared fields, only by its class.

    Args:
        value: Any value.
        limit: The most characters of the result; default 200. A longer text is cut, and ends in ``…``.

    Example:
        >>> printable("room:1\\nJOINED room:2")
        'room:1\\\\nJOINED room:2'
    """
    if isinstance(value, str):
        if type(value) is not str or len(value) > limit:
            value = str.__getitem__(value, slice(limit + 1))  # a plain str, also from a subclass
        return _cut(value if value.isprintable() else repr(value)[1:-1], limit)
    if isinstance(value, BaseException):
        return _joined(_message(value, limit), value, limit)
    return _joined(_show(value, limit, 0), value, limit)


def described(value: object, limit: int = LIMIT) -> str:
    """Return a value as one line of printable text that shows its type, in place of ``repr``.

    Text is in quotes, and an exception is shown with its class. This raises nothing, also if the value's own
    ``__repr__`` raises. The result holds no memory address.

    Args:
        value: Any value.
        limit: The most characters of the result; default 200.
    """
    return _joined(_show(value, limit, 0), value, limit)


def _joined(pieces: Iterator[str], value: object, limit: int) -> str:
    """Return the pieces of a value's text as one text, cut to the limit."""
    shown: list[str] = []
    room = limit
    try:
        for piece in pieces:
            shown.append(piece)
            room -= len(piece)
            if room < 0:
                break
    except BaseException:  # noqa: BLE001 - the user's code is broken, or raises SystemExit; a log line must not fail
        return f"<{type(value).__name__}>"
    return _cut("".join(shown), limit)


def fields_of(value: object) -> dict[str, Any] | None:
    """Return the declared fields of a Struct, dataclass, attrs object or pydantic model; None for other objects."""
    kind = cast("type[Any]", type(value))
    if hasattr(kind, "__struct_fields__"):
        return {name: getattr(value, name, None) for name in kind.__struct_fields__}
    names: Any = None
    for mark in ("__dataclass_fields__", "__pydantic_fields__"):
        names = names or getattr(kind, mark, None)
    if hasattr(kind, "__attrs_attrs__"):
        names = [attribute.name for attribute in kind.__attrs_attrs__]
    if names is None:
        return None
    # This avoids getattr if possible: an attribute of an ORM object can query a database.
    state = getattr(value, "__dict__", None)
    if state is None:
        return {name: getattr(value, name, None) for name in names}
    return {name: state[name] for name in names if name in state}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + CUT


def _message(error: BaseException, limit: int) -> Iterator[str]:
    """Yield the message of an exception; a large value in its arguments is not turned into text first."""
    kind = type(error)
    if kind.__str__ in (BaseException.__str__, KeyError.__str__):
        if len(error.args) == 1:
            yield printable(error.args[0], limit)
        elif error.args:
            yield from _show(error.args, limit, 0)
        else:
            yield kind.__name__
        return
    try:
        yield printable(str(error), limit)
    except BaseException:  # noqa: BLE001 - the user's __str__ is broken, or raises SystemExit; a log line must not fail
        yield kind.__name__


def _show(value: object, limit: int, depth: int) -> Iterator[str]:
    """Yield the text of a value in pieces, so that the caller can stop. No piece is much longer than the limit."""
    if isinstance(value, str):
        yield _cut(repr(str.__getitem__(value, slice(limit + 1))), limit)
    elif isinstance(value, bytes | bytearray | memoryview):
        data = memoryview(cast("bytes | bytearray | memoryview[int]", value)).cast("B")
        yield _cut(repr(bytes(data[: limit + 1])), limit)
    elif isinstance(value, Raw):  # undecoded JSON
        text = bytes(memoryview(value)[: limit + 1]).decode(errors="replace")
        yield printable(text, limit)
    elif isinstance(value, Enum):
        yield f"{type(value).__name__}.{value.name}"
    elif isinstance(value, _SHORT):
        yield repr(value)
    elif isinstance(value, int):
        bits = int.bit_length(value)
        yield int.__repr__(value) if bits <= MAX_BITS else f"<int of {bits} bits>"
    elif isinstance(value, float):
        yield float.__repr__(value)
    elif isinstance(value, BaseException):
        yield type(value).__name__
        yield "("
        yield from _message(value, limit)
        yield ")"
    elif depth >= MAX_DEPTH:
        yield CUT
    else:
        yield from _show_inside(value, limit, depth + 1)


def _show_inside(value: object, limit: int, depth: int) -> Iterator[str]:
    if isinstance(value, dict):
        entries = cast("dict[object, object]", value)
        yield "{"
        for position, (key, inner) in enumerate(dict[object, object].items(entries)):
            yield ", " if position else ""
            yield from _show(key, limit, depth)
            yield ": "
            yield from _show(inner, limit, depth)
        yield "}"
    elif isinstance(value, list | tuple | set | frozenset):
        start, end = "[]" if isinstance(value, list) else "()" if isinstance(value, tuple) else "{}"
        yield start
        for position, inner in enumerate(cast("list[object]", value)):
            yield ", " if position else ""
            yield from _show(inner, limit, depth)
        yield (
            ",)"
            if isinstance(value, tuple) and len(cast("tuple[object, ...]", value)) == 1
            else end
        )
    else:
        yield from _show_object(value, limit, depth)


def _show_object(value: object, limit: int, depth: int) -> Iterator[str]:
    fields = fields_of(value)
    name = type(value).__name__
    if fields is None:
        yield f"<{name}>"
        return
    yield f"{name}("
    for position, (field, inner) in enumerate(fields.items()):
        yield f", {field}=" if position else f"{field}="
        yield from _show(inner, limit, depth)
    yield ")"
