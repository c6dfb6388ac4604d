"""Makes inputs of inputs: bytes are changed, removed, doubled, spliced, or nested deeply."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["MAX_SIZE", "mutated"]

MAX_SIZE: Final = 4096
"""Bytes of an input; a longer input is cut."""

TOKENS: Final = (
    *(bytes((value,)) for value in (0, 1, 0x7F, 0x80, 0xFF)),
    b"\xc3",  # half of a character
    b"\xed\xa0\x80",  # a lone surrogate
    b"\xf4\x90\x80\x80",  # beyond Unicode
    b"\xe2\x80\xae",
    b"\x00\x00\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\\u0000",
    b"\\ud800",
    b"1e999",
    b"-0",
    b"9" * 30,
    *(bytes((value,)) for value in b'[]{}",:;=.%&+-\\ \n'),
)
"""Bytes with which parsers of any kind have trouble."""

Operation = Callable[[random.Random, bytearray, int, Sequence[bytes], Sequence[bytes]], None]


def mutated(
    rng: random.Random, data: bytes, pool: Sequence[bytes], words: Sequence[bytes]
) -> bytes:
    """Return an input with some of its bytes changed.

    Args:
        rng: The random source.
        data: The input.
        pool: Other inputs, to take pieces from.
        words: Bytes with a meaning for the target.
    """
    changed = bytearray(data)
    for _ in range(1 + int(rng.random() * rng.random() * 8)):
        at = int(rng.random() * (len(changed) + 1))
        rng.choice(OPERATIONS)(rng, changed, at, pool, words)
    return bytes(changed[:MAX_SIZE])


def _flip(rng: random.Random, data: bytearray, at: int, *_: Sequence[bytes]) -> None:
    if at < len(data):
        data[at] ^= 1 << int(rng.random() * 8)


def _set(rng: random.Random, data: bytearray, at: int, *_: Sequence[bytes]) -> None:
    if at < len(data):
        data[at] = int(rng.random() * 256)


def _count(rng: random.Random, data: bytearray, at: int, *_: Sequence[bytes]) -> None:
    """Change a number that can be a length by a little."""
    if at < len(data):
        data[at] = (data[at] + int(rng.random() * 9) - 4) % 256


def _insert(rng: random.Random, data: bytearray, at: int, *_: Sequence[bytes]) -> None:
    data[at:at] = rng.randbytes(1 + int(rng.random() * 8))


def _drop(rng: random.Random, data: bytearray, at: int, *_: Sequence[bytes]) -> None:
    del data[at : at + 1 + int(rng.random() * 8)]


def _cut(_rng: random.Random, data: bytearray, at: int, *_: Sequence[bytes]) -> None:
    del data[at:]


def _double(rng: random.Random, data: bytearray, at: int, *_: Sequence[bytes]) -> None:
    data[at:at] = data[at : at + 1 + int(rng.random() * 32)]


def _word(
    rng: random.Random, data: bytearray, at: int, _pool: Sequence[bytes], words: Sequence[bytes]
) -> None:
    data[at:at] = rng.choice(words or TOKENS)


def _token(rng: random.Random, data: bytearray, at: int, *_: Sequence[bytes]) -> None:
    token = rng.choice(TOKENS)
    data[at : at + len(token)] = token


def _nest(
    rng: random.Random, data: bytearray, at: int, _pool: Sequence[bytes], words: Sequence[bytes]
) -> None:
    token = rng.choice(words) if words and rng.random() < 0.5 else rng.choice(TOKENS)
    data[at:at] = token * int(rng.random() * 300)


def _splice(
    rng: random.Random, data: bytearray, at: int, pool: Sequence[bytes], _words: Sequence[bytes]
) -> None:
    other = rng.choice(pool)
    begin = int(rng.random() * (len(other) + 1))
    data[at:] = other[begin:]


def _lend(
    rng: random.Random, data: bytearray, at: int, pool: Sequence[bytes], _words: Sequence[bytes]
) -> None:
    other = rng.choice(pool)
    begin = int(rng.random() * (len(other) + 1))
    data[at:at] = other[begin : begin + 1 + int(rng.random() * 32)]


OPERATIONS: Final[tuple[Operation, ...]] = (
    *(_flip, _set, _count, _insert, _drop, _cut, _double),
    *(_word, _word, _token, _nest, _splice, _lend),
)
