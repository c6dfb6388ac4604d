"""Values to JSON, whatever the value's type: Structs, dataclasses, TypedDicts, builtins, pydantic.

Incoming JSON is bounded before anything decodes it, in depth and in its number of values. Without the first
bound a decoder would be stopped by the interpreter's own limit, which differs between versions and depends on
the caller. Without the second a message of 10 MB would become 450 MB of empty lists.

Both bounds are found by a fixed number of passes, each linear in the length of the text.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Final

import msgspec

from ..errors import DecodeError, EncodeError
from ..logs.printable import printable
from ..user_code.payload import to_builtin

__all__ = [
    "MAX_NESTING",
    "SHALLOW",
    "check_nesting",
    "check_values",
    "encode",
    "encode_json",
    "encode_object",
    "raw_object",
    "unencodable",
]

MAX_NESTING: Final = 128
"""How deep arrays and objects of one message may nest, the envelope included."""

SHALLOW: Final = 2 * MAX_NESTING
"""Bytes below which valid JSON can't nest too deep: a level takes two."""

_NOT_MARKS: Final = bytes(set(range(256)) - set(b'[]{},"'))
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # as signed bytes: 1 and -1


encode: Final = msgspec.json.Encoder(enc_hook=to_builtin).encode
"""Returns a value as compact JSON; what it raises is to become :func:`unencodable`."""


def encode_json(value: Any) -> bytes:
    """Return a value as compact JSON.

    Raises:
        EncodeError: It has no JSON form.
    """
    try:
        return encode(value)
    except Exception as error:
        raise unencodable(error) from error


def unencodable(error: Exception) -> EncodeError:
    """Return what is raised for an error of :data:`encode`: of any kind, since models have code of their own."""
    if isinstance(error, UnicodeEncodeError):
        return EncodeError(
            "the payload can't be written as JSON: a text of it ends in half a character, as one does that"
            f" was cut inside of an emoji ({error}): cut it by characters, or write"
            ' text.encode(errors="replace").decode()'
        )
    return EncodeError(f"the payload can't be written as JSON: {printable(error)}")


def encode_object(value: Any) -> bytes:
    """Return a payload as a compact JSON object.

    Raises:
        EncodeError: It has no JSON form, or one that is no object.
    """
    encoded = encode_json(value)
    if encoded[:1] != b"{":
        raise EncodeError(
            "the payload of a push or broadcast is a JSON object (a dict, Struct, dataclass or model)"
            f" or bytes; got {type(value).__name__}: write {{'value': ...}} around it"
        )
    return encoded


def raw_object(value: Any) -> msgspec.Raw:
    """Return a payload as a JSON object to be put into an envelope; one that is encoded stays as it is.

    Raises:
        EncodeError: It has no JSON form, or one that is no object.
    """
    if type(value) is msgspec.Raw and bytes(memoryview(value)[:1]) == b"{":
        return value
    return msgspec.Raw(encode_object(value))


def check_nesting(data: bytes) -> None:
    """Refuse JSON text that nests too deep, without decoding it.

    The common case costs two counts (and none at all for text shorter than SHALLOW). Only text with more
    brackets than may nest is looked at closely: its strings are cut out, and what is left are steps down and up.

    Raises:
        DecodeError: It nests deeper than MAX_NESTING.
    """
    if data.count(b"[") + data.count(b"{") <= MAX_NESTING:
        return
    steps = _outside_strings(data).translate(_STEPS, _NOT_BRACKETS)
    if max(accumulate(memoryview(steps).cast("b")), default=0) > MAX_NESTING:
        raise DecodeError(f"JSON that nests deeper than {MAX_NESTING} levels")


def check_values(data: bytes, most: int) -> None:
    """Refuse JSON text that holds too many values, without decoding it.

    A value counts for its comma, and an array or object for its bracket as well. Text of ``most`` bytes or less
    can't have too many, and costs nothing.

    Args:
        data: The text.
        most: How many values it may hold.

    Raises:
        DecodeError: It holds more.
    """
    if len(data) <= most:
        return
    # A string is a value or the key of one, and has two quotes that are not escaped.
    quotes = data.count(b'"') - data.count(b'\\"')
    if quotes <= 4 * most and (_count(data) < most or _count(_outside_strings(data)) < most):
        return
    raise DecodeError(f"JSON of more than {most} values")


def _count(data: bytes) -> int:
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def _outside_strings(data: bytes) -> bytes:
    """Return the brackets and commas of JSON text that stand in no string.

    In valid JSON a backslash stands in a string only, so each pair of them is one that is escaped, and one
    that is left over escapes what follows it.
    """
    marks = data
    if b"\\" in data:
        marks = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(marks.translate(None, _NOT_MARKS).split(b'"')[::2])
