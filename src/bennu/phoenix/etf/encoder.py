"""Encodes Python values as terms."""

from __future__ import annotations

import math
import struct
from typing import Any, Final, cast

from ...errors import EncodeError
from .terms import MAX_ATOM, MAX_DEPTH, MAX_SIZE, VERSION, Atom, Opaque, Tag

__all__ = ["encode"]

_MAX_STRING: Final = 65535


def encode(value: Any) -> bytes:
    """Return a value as a term.

    Raises:
        EncodeError: The value contains a value that is no term, is nested too deep, or is too big.

    Example:
        >>> encode((1, "a", None)).hex(" ")
        '83 68 03 61 01 6d 00 00 00 01 61 77 03 6e 69 6c'
    """
    out = bytearray((VERSION,))
    _write(out, value, 0)
    if len(out) > MAX_SIZE:
        raise EncodeError(f"a term has at most {MAX_SIZE} bytes, got {len(out)}")
    return bytes(out)


def _write(out: bytearray, value: Any, depth: int) -> None:
    if value is None or isinstance(value, (bool, Atom)):
        out += _atom(value)
    elif isinstance(value, int):
        out += _integer(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise EncodeError(f"Erlang has no {value!r}")
        out += struct.pack(">Bd", Tag.NEW_FLOAT, value)
    elif isinstance(value, str):
        out += _binary(_utf8(value))
    elif isinstance(value, (bytes, bytearray)):
        out += _binary(value)
    elif isinstance(value, Opaque):
        out += value.external
    elif depth >= MAX_DEPTH:
        raise EncodeError(f"a term is nested at most {MAX_DEPTH} deep")
    elif isinstance(value, list):
        _write_list(out, cast("list[Any]", value), depth + 1)
    elif isinstance(value, tuple):
        _write_tuple(out, cast("tuple[Any, ...]", value), depth + 1)
    elif isinstance(value, dict):
        _write_map(out, cast("dict[Any, Any]", value), depth + 1)
    else:
        raise EncodeError(
            f"{type(value).__name__} is no Erlang term: write None, bool, int, float, str, bytes, "
            "list, tuple or dict"
        )


def _atom(value: Atom | bool | None) -> bytes:
    name = _name(value)
    text = _utf8(name)
    if len(name) > MAX_ATOM:
        raise EncodeError(f"an atom has at most {MAX_ATOM} characters, got {len(name)}")
    if len(text) > 255:
        return struct.pack(">BH", Tag.ATOM_UTF8, len(text)) + text
    return bytes((Tag.SMALL_ATOM_UTF8, len(text))) + text


def _name(value: Atom | bool | None) -> str:
    if isinstance(value, Atom):
        return value.name
    return "nil" if value is None else "true" if value else "false"


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise EncodeError(f"text that UTF-8 can't carry: {text[:80]!r}") from error


def _integer(value: int) -> bytes:
    if 0 <= value <= 255:
        return bytes((Tag.SMALL_INTEGER, value))
    if -(2**31) <= value < 2**31:
        return struct.pack(">Bi", Tag.INTEGER, value)
    size = (value.bit_length() + 7) // 8
    layout, tag = (">BBB", Tag.SMALL_BIG) if size <= 255 else (">BIB", Tag.LARGE_BIG)
    return struct.pack(layout, tag, size, value < 0) + abs(value).to_bytes(size, "little")


def _binary(value: bytes | bytearray) -> bytes:
    return struct.pack(">BI", Tag.BINARY, len(value)) + value


def _write_list(out: bytearray, value: list[Any], depth: int) -> None:
    if 0 < len(value) <= _MAX_STRING and all(_is_byte(one) for one in value):
        out += struct.pack(">BH", Tag.STRING, len(value)) + bytes(value)
        return
    if value:
        out += struct.pack(">BI", Tag.LIST, len(value))
        for one in value:
            _write(out, one, depth)
    out.append(Tag.NIL)


def _is_byte(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


def _write_tuple(out: bytearray, value: tuple[Any, ...], depth: int) -> None:
    if len(value) <= 255:
        out += bytes((Tag.SMALL_TUPLE, len(value)))
    else:
        out += struct.pack(">BI", Tag.LARGE_TUPLE, len(value))
    for one in value:
        _write(out, one, depth)


def _write_map(out: bytearray, value: dict[Any, Any], depth: int) -> None:
    keys: dict[bytes, Any] = {}
    for key in value:
        written = bytearray()
        _write(written, key, depth)
        keys[bytes(written)] = key
    if len(keys) < len(value):
        raise EncodeError("two keys of a dict are one in Erlang, as 'a' and b'a' are")
    out += struct.pack(">BI", Tag.MAP, len(value))
    for written_key, key in sorted(keys.items(), key=lambda item: _order(item[1])):
        out += written_key
        _write(out, value[key], depth)


def _order(key: Any) -> tuple[Any, ...]:
    """Return the sort key of a key: OTP sorts integers before floats."""
    if key is None or isinstance(key, (bool, Atom)):
        return 2, _name(key)
    if isinstance(key, int):
        return 0, key
    if isinstance(key, float):
        return 1, key
    if isinstance(key, Opaque):
        return 3, key.external
    if isinstance(key, tuple):
        elements = cast("tuple[Any, ...]", key)
        return 4, len(elements), [_order(one) for one in elements]
    return 5, key.encode() if isinstance(key, str) else key
