"""The row of one process in the shared memory."""

from __future__ import annotations

import pytest

from bennu.metrics.rows import clear, new_block, read_row, write_row
from bennu.metrics.schema import Family, MetricKind, Schema

SCHEMA = Schema(
    [
        Family("joins", MetricKind.COUNTER, "Joins."),
        Family("memory", MetricKind.OF_WORKER, "Memory."),
    ]
)


def test_a_row_is_read_as_it_was_written() -> None:
    memory = memoryview(bytearray(4096))
    assert read_row(memory) is None
    block = write_row(memory, SCHEMA, worker=7)
    assert block is not None
    block.counts[0] += 2**60
    block.numbers[1] = 1.5
    content = read_row(memory)
    assert content is not None
    assert (content.worker, content.text) == (7, SCHEMA.text)
    assert content.block.counts[0] == 2**60
    assert content.block.numbers[1] == 1.5


def test_a_cleared_row_has_only_zeros() -> None:
    memory = memoryview(bytearray(4096))
    clear(memory)
    block = write_row(memory, SCHEMA, worker=7)
    assert block is not None
    block.counts[0] = 1
    clear(memory)
    assert read_row(memory) is None
    assert bytes(memory) == bytes(4096)


def test_a_schema_that_is_too_large_is_not_written() -> None:
    memory = memoryview(bytearray(128))
    assert write_row(memory, SCHEMA, worker=1) is None
    assert bytes(memory) == bytes(128)


@pytest.mark.parametrize("words", [0, 3])
def test_a_new_block_has_zeros(words: int) -> None:
    block = new_block(words)
    assert not any(block.counts)
    assert len(block.counts) == len(block.numbers) >= words
