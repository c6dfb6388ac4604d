"""The parts of terms, and their limits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

__all__ = ["MAX_ATOM", "MAX_DEPTH", "MAX_SIZE", "VERSION", "Atom", "Opaque", "Tag"]

MAX_SIZE: Final = 1_000_000
"""Bytes of the largest term, decompressed."""

MAX_DEPTH: Final = 64
"""The most levels of nested containers."""

MAX_ATOM: Final = 255
"""Characters of the longest atom."""

VERSION: Final = 131


class Tag(IntEnum):
    """The first bytes of terms, with OTP's names."""

    BIT_BINARY = 77
    COMPRESSED = 80
    NEW_FLOAT = 70
    NEW_PID = 88
    NEW_PORT = 89
    NEWER_REFERENCE = 90
    SMALL_INTEGER = 97
    INTEGER = 98
    FLOAT = 99
    ATOM = 100
    REFERENCE = 101
    PORT = 102
    PID = 103
    SMALL_TUPLE = 104
    LARGE_TUPLE = 105
    NIL = 106
    STRING = 107
    LIST = 108
    BINARY = 109
    SMALL_BIG = 110
    LARGE_BIG = 111
    NEW_FUN = 112
    EXPORT = 113
    NEW_REFERENCE = 114
    SMALL_ATOM = 115
    MAP = 116
    FUN = 117
    ATOM_UTF8 = 118
    SMALL_ATOM_UTF8 = 119
    V4_PORT = 120
    LOCAL = 121


@dataclass(frozen=True, slots=True)
class Atom:
    """An Erlang atom other than ``nil``, ``true`` and ``false``, which are None, True and False.

    An atom is equal to no text, as in Erlang: ``:admin`` differs from ``"admin"``.
    """

    name: str

    def __repr__(self) -> str:
        return f"Atom({self.name!r})"


@dataclass(frozen=True, slots=True)
class Opaque:
    """A term that only Erlang understands: a pid, port, reference or bitstring.

    Attributes:
        external: The bytes of the term. :func:`encode` writes them unchanged.
    """

    external: bytes
