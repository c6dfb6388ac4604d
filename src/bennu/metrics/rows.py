"""The row of one process in the shared memory: a head, the schema as JSON, and the words. Pure.

=======  ==========================================================================
words    content
=======  ==========================================================================
0        1 when the row can be read, else 0; the last word that is written
1        the number of the worker
2        bytes of the schema
3        words of the block
8 ...    the schema, then the block
=======  ==========================================================================

One process writes a word, and others read it. A word is 8 bytes at a multiple of 8, so a reader gets the value before a
write or after it, and no mixture. There is no lock.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .schema import WORD, Schema

__all__ = ["ROW", "Block", "RowContent", "clear", "new_block", "read_row", "write_row"]

ROW: Final = 4 * 1024 * 1024
"""Bytes of a row. Pages of it that nobody has written take no memory."""

HEAD: Final = 8
"""Words before the schema."""


class Block(NamedTuple):
    """The words of one process, in two views of the same memory.

    Attributes:
        counts: The words as whole numbers.
        numbers: The words as floating-point numbers.
    """

    counts: memoryview[int]
    numbers: memoryview[float]


class RowContent(NamedTuple):
    """What a row has.

    Attributes:
        worker: The number of the worker.
        text: The schema as JSON.
        block: The words.
    """

    worker: int
    text: bytes
    block: Block


def new_block(words: int) -> Block:
    """Return a block in the memory of this process, with zeros."""
    return _block(memoryview(bytearray(max(words, 1) * WORD)))


def write_row(memory: memoryview, schema: Schema, worker: int) -> Block | None:
    """Begin a row, and return its block; None if the schema is too large for a row.

    Args:
        memory: The bytes of the row, all zero.
        schema: The schema.
        worker: The number of the worker.
    """
    start = _start(len(schema.text))
    end = start + schema.words * WORD
    if end > len(memory):
        return None
    head = memory[: HEAD * WORD].cast("Q")
    head[1], head[2], head[3] = worker, len(schema.text), schema.words
    memory[HEAD * WORD : HEAD * WORD + len(schema.text)] = schema.text
    head[0] = 1
    return _block(memory[start:end])


def read_row(memory: memoryview) -> RowContent | None:
    """Return what a row has; None if it is empty."""
    head = memory[: HEAD * WORD].cast("Q")
    if not head[0]:
        return None
    _, worker, size, words = head[:4]
    start = _start(size)
    text = bytes(memory[HEAD * WORD : HEAD * WORD + size])
    return RowContent(worker, text, _block(memory[start : start + words * WORD]))


def clear(memory: memoryview) -> None:
    """Make a row empty."""
    content = read_row(memory)
    if content is not None:
        memory[:WORD] = bytes(WORD)  # first, so that nobody reads the rest
        end = _start(len(content.text)) + len(content.block.counts) * WORD
        memory[:end] = bytes(end)


def _start(size: int) -> int:
    """Return the first byte of the block behind a schema of some bytes."""
    return (HEAD + -(-size // WORD)) * WORD


def _block(memory: memoryview) -> Block:
    return Block(memory.cast("Q"), memory.cast("d"))
