"""Decodes terms into Python values."""

from __future__ import annotations

import math
import re
import struct
import zlib
from typing import Any, Final

from ...errors import DecodeError
from .terms import MAX_ATOM, MAX_DEPTH, MAX_SIZE, VERSION, Atom, Opaque, Tag

__all__ = ["decode"]

_ATOMS: Final = {
    Tag.ATOM: (2, "latin-1"),
    Tag.SMALL_ATOM: (1, "latin-1"),
    Tag.ATOM_UTF8: (2, "utf-8"),
    Tag.SMALL_ATOM_UTF8: (1, "utf-8"),
}
"""Bytes of the length of an atom, and the encoding of its name."""

_OF_NODES: Final = {
    Tag.PID: 9,
    Tag.NEW_PID: 12,
    Tag.PORT: 5,
    Tag.NEW_PORT: 8,
    Tag.V4_PORT: 12,
    Tag.REFERENCE: 5,
}
"""The number of bytes after the name of the node."""

_REFERENCES: Final = {Tag.NEW_REFERENCE: 1, Tag.NEWER_REFERENCE: 4}
"""The number of bytes after the name of the node, without the words of four bytes. Their number is before the name."""

_CONSTANTS: Final[dict[str, bool | None]] = {"nil": None, "true": True, "false": False}
_TAGS: Final = {int(tag): tag.name for tag in Tag}
_OLD_FLOAT: Final = re.compile(rb"[+-]?[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?\0*")


def decode(data: bytes, *, text: bool = True) -> Any:
    """Return the value of a term; bytes after it are ignored, as OTP does.

    Args:
        data: The term, with its version byte.
        text: Whether a binary that is UTF-8 becomes a str. With False each binary becomes bytes.

    Raises:
        DecodeError: The bytes are no term. Or the term is too big or too deep, or contains a function or another
            value that does not exist in Python.
    """
    if len(data) > MAX_SIZE:
        raise DecodeError(f"a term has at most {MAX_SIZE} bytes, got {len(data)}")
    if data[:1] != bytes((VERSION,)):
        raise DecodeError("a term begins with the byte 131")
    if data[1:2] == bytes((Tag.COMPRESSED,)):
        return _Reader(_decompress(data), 0, text=text).term(0)
    return _Reader(data, 1, text=text).term(0)


def _decompress(data: bytes) -> bytes:
    size = int.from_bytes(data[2:6], "big")
    if size > MAX_SIZE:
        raise DecodeError(f"a term has at most {MAX_SIZE} bytes, got {size}")
    decompressor = zlib.decompressobj()
    try:
        term = decompressor.decompress(
            data[6:], size + 1
        )  # one byte more shows that the size is wrong
    except zlib.error as error:
        raise DecodeError("a compressed term that does not decompress") from error
    if len(term) != size or not decompressor.eof:
        raise DecodeError("a compressed term that is not as long as it says")
    return term


class _Reader:
    """Reads the terms of some bytes, one after another."""

    __slots__ = ("_data", "_position", "_text")

    def __init__(self, data: bytes, position: int, *, text: bool) -> None:
        self._data = data
        self._position = position
        self._text = text

    def term(self, depth: int) -> Any:
        """Read a term at some depth."""
        start = self._position
        tag = self._number(1)
        if tag in _ATOMS:
            return self._atom(*_ATOMS[Tag(tag)])
        match tag:
            case Tag.SMALL_INTEGER:
                return self._number(1)
            case Tag.INTEGER:
                return int.from_bytes(self._take(4), "big", signed=True)
            case Tag.SMALL_BIG:
                return self._big(self._number(1))
            case Tag.LARGE_BIG:
                return self._big(self._number(4))
            case Tag.NEW_FLOAT:
                return _finite(struct.unpack(">d", self._take(8))[0])
            case Tag.FLOAT:
                return self._old_float()
            case Tag.BINARY:
                return self._binary()
            case Tag.STRING:
                return list(self._take(self._number(2)))
            case Tag.NIL:
                return []
            case Tag.SMALL_TUPLE | Tag.LARGE_TUPLE | Tag.LIST | Tag.MAP:
                if depth >= MAX_DEPTH:
                    raise DecodeError(f"a term is nested at most {MAX_DEPTH} deep")
                return self._container(tag, depth + 1)
            case _:
                self._skip(tag)
                return Opaque(self._data[start : self._position])

    def _take(self, size: int) -> bytes:
        start = self._position
        self._position = start + size
        if self._position > len(self._data):
            raise DecodeError("a term that is cut off")
        return self._data[start : self._position]

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def _atom(self, width: int, encoding: str) -> Atom | bool | None:
        written = self._take(self._number(width))
        try:
            name = written.decode(encoding)
        except UnicodeDecodeError as error:
            raise DecodeError("an atom that is not UTF-8") from error
        if len(name) > MAX_ATOM:
            raise DecodeError(f"an atom has at most {MAX_ATOM} characters, got {len(name)}")
        return _CONSTANTS[name] if name in _CONSTANTS else Atom(name)

    def _big(self, size: int) -> int:
        negative = self._number(1)
        magnitude = int.from_bytes(self._take(size), "little")
        return -magnitude if negative else magnitude

    def _old_float(self) -> float:
        written = self._take(31)
        if not _OLD_FLOAT.fullmatch(written):
            raise DecodeError("a float that is no number")
        return _finite(float(written.rstrip(b"\0")))

    def _binary(self) -> str | bytes:
        data = self._take(self._number(4))
        if not self._text:
            return data
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data

    def _container(self, tag: int, depth: int) -> Any:
        count = self._number(1 if tag == Tag.SMALL_TUPLE else 4)
        if tag == Tag.MAP:
            return self._map(count, depth)
        terms = [self.term(depth) for _ in range(count)]
        if tag != Tag.LIST:
            return tuple(terms)
        if self._number(1) != Tag.NIL:
            raise DecodeError("an improper list, which Python does not have")
        return terms

    def _map(self, count: int, depth: int) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for _ in range(count):
            key, value = self.term(depth), self.term(depth)
            try:
                result[key] = value
            except TypeError as error:
                raise DecodeError("a map with a key that can't be a key of a dict") from error
        if len(result) != count:
            raise DecodeError("a map with keys that are equal in Python")
        return result

    def _skip(self, tag: int) -> None:
        """Skip a term that has a meaning for Erlang only."""
        if tag == Tag.BIT_BINARY:
            size, bits = self._number(4), self._number(1)
            if not size or not 1 <= bits <= 8:
                raise DecodeError("a bitstring whose last byte has no bits, or too many")
            self._take(size)
        elif tag in _OF_NODES:
            self._skip_node()
            self._take(_OF_NODES[Tag(tag)])
        elif tag in _REFERENCES:
            words = self._number(2)
            self._skip_node()
            self._take(_REFERENCES[Tag(tag)] + 4 * words)
        else:
            raise DecodeError(f"a term that is not read: {_TAGS.get(tag, tag)}")

    def _skip_node(self) -> None:
        tag = self._number(1)
        if tag not in _ATOMS:
            raise DecodeError("a node whose name is no atom")
        self._atom(*_ATOMS[Tag(tag)])


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise DecodeError("a float that is not finite")
    return number
