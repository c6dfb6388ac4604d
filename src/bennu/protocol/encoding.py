"""Encodes values of any supported type as JSON, and checks the size of incoming JSON.

Incoming JSON has bounds on its depth and on its number of values, which are checked before it is decoded. Without the
first bound the interpreter's recursion limit would stop the decoder; that limit depends on the Python version and on
the caller. Without the second bound a message of 10 MB could become 450 MB of empty lists.

Both checks take a fixed number of passes, each linear in the length of the text.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Final

import msgspec

from ..errors import DecodeError, EncodeError
from ..logs.printable import printable
from ..user_code.outgoing import to_builtin

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
"""Levels of nested arrays and objects that one message can have, including its envelope."""

SHALLOW: Final = 2 * MAX_NESTING
"""Bytes of valid JSON that can't nest too deep: each level takes two bytes."""

_NOT_MARKS: Final = bytes(set(range(256)) - set(b'[]{},"'))
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # as signed bytes: 1 and -1


encode: Final = msgspec.json.Encoder(enc_hook=to_builtin).encode
"""Returns a value as compact JSON. The caller passes an exception to :func:`unencodable`."""


def encode_json(value: Any) -> bytes:
    """Return a value as compact JSON.

    Raises:
        EncodeError: The value has no JSON form.
    """
    try:
        return encode(value)
    except Exception as error:
        raise unencodable(error) from error


def unencodable(error: Exception) -> EncodeError:
    """Return the EncodeError for an exception of :data:`encode`. It can be any exception, because models run user code."""
    if isinstance(error, UnicodeEncodeError):
        return EncodeError(
            "the payload can't be written as JSON: a text in it ends in half a character, for example"
            f" because it was cut inside of an emoji ({error}): cut text by characters, or write"
            ' text.encode(errors="replace").decode()'
        )
    return EncodeError(f"the payload can't be written as JSON: {printable(error)}")


def encode_object(value: Any) -> bytes:
    """Return a payload as a compact JSON object.

    Raises:
        EncodeError: The payload has no JSON form, or its JSON is not an object.
    """
    encoded = encode_json(value)
    if encoded[:1] != b"{":
        raise EncodeError(
            "the payload of a push or broadcast is a JSON object (a dict, Struct, dataclass or model)"
            f" or bytes; got {type(value).__name__}: write {{'value': ...}} around it"
        )
    return encoded


def raw_object(value: Any) -> msgspec.Raw:
    """Return a payload as an encoded JSON object for an envelope; an encoded payload is returned unchanged.

    Raises:
        EncodeError: The payload has no JSON form, or its JSON is not an object.
    """
    if type(value) is msgspec.Raw and bytes(memoryview(value)[:1]) == b"{":
        return value
    return msgspec.Raw(encode_object(value))


def check_nesting(data: bytes) -> None:
    """Refuse JSON text that nests too deep, without decoding it.

    The common case costs two counts. For text shorter than SHALLOW the caller does not call this function. Text
    with more than MAX_NESTING brackets is read in detail: its strings are removed, and the depth is counted from the
    remaining brackets.

    Raises:
        DecodeError: The JSON nests deeper than MAX_NESTING.
    """
    if data.count(b"[") + data.count(b"{") <= MAX_NESTING:
        return
    steps = _outside_strings(data).translate(_STEPS, _NOT_BRACKETS)
    if max(accumulate(memoryview(steps).cast("b")), default=0) > MAX_NESTING:
        raise DecodeError(f"JSON that nests deeper than {MAX_NESTING} levels")


def check_values(data: bytes, most: int) -> None:
    """Refuse JSON text that holds too many values, without decoding it.

    Commas and opening brackets are counted. Text of ``most`` bytes or less can't have too many values, and is not
    read.

    Args:
        data: The JSON text.
        most: The number of values that the text can hold.

    Raises:
        DecodeError: The text holds more values.
    """
    if len(data) <= most:
        return
    # Each string is a value or a key, and has two quotes that are not escaped.
    quotes = data.count(b'"') - data.count(b'\\"')
    if quotes <= 4 * most and (_count(data) < most or _count(_outside_strings(data)) < most):
        return
    raise DecodeError(f"JSON of more than {most} values")


def _count(data: bytes) -> int:
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def _outside_strings(data: bytes) -> bytes:
    """Return the brackets and commas of JSON text, without those inside of strings.

    In valid JSON a backslash is always inside of a string. So each pair of backslashes is an escaped backslash, and a
    single backslash escapes the next character.
    """
    marks = data
    if b"\\" in data:
        marks = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(marks.translate(None, _NOT_MARKS).split(b'"')[::2])
