"""The memory that the processes of one command share."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from bennu.metrics.board import Board, BoardReader
from bennu.metrics.rows import ROW
from bennu.metrics.schema import Family, MetricKind, Schema

SCHEMA = Schema(
    [Family("joins", MetricKind.COUNTER, "Joins."), Family("open", MetricKind.GAUGE, "Open.")]
)


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board()
    yield board
    board.close()


class Process:
    """A worker on a board."""

    def __init__(self, board: Board, worker: int, schema: Schema = SCHEMA) -> None:
        self.row = board.take()
        self.reader = BoardReader(board.fd, self.row, worker)
        block = self.reader.begin(schema)
        assert block is not None
        self.block = block

    def count(self, joins: int) -> None:
        self.block.counts[0] += joins
        self.block.numbers[1] += joins

    def read(self) -> dict[str, Any]:
        return {family.name: values[()][0] for family, values in self.reader.read()}


def test_each_process_reads_the_sum(board: Board) -> None:
    one, two = Process(board, 1), Process(board, 2)
    one.count(3)
    two.count(4)
    assert one.read() == two.read() == {"joins": 7, "open": 7.0}


def test_the_counters_of_an_ended_process_stay_and_its_gauges_go(board: Board) -> None:
    one, two = Process(board, 1), Process(board, 2)
    one.count(3)
    two.count(4)
    board.retire(two.row)
    assert one.read() == {"joins": 7, "open": 3.0}
    three = Process(board, 2)
    assert three.row == two.row
    three.count(5)
    board.retire(three.row)
    board.retire(one.row)
    last = Process(board, 1)
    assert last.read() == {"joins": 12, "open": 0.0}


def test_a_process_that_has_not_counted_is_retired_too(board: Board) -> None:
    row = board.take()
    board.retire(row)
    assert board.take() == row


def test_processes_with_other_code_are_added(board: Board) -> None:
    """A process does not know the metrics of another before it reads them."""
    other = Schema([*SCHEMA.families, Family("drops", MetricKind.COUNTER, "Drops.")])
    one, two = Process(board, 1), Process(board, 2, other)
    two.count(4)
    two.block.counts[2] = 9
    assert one.read() == {"joins": 4, "open": 4.0, "drops": 9}
    board.retire(two.row)
    assert one.read() == {"joins": 4, "open": 0.0, "drops": 9}


def test_a_reader_does_not_wait_for_ever(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor that was killed in the middle of a change leaves the memory in change."""
    one = Process(board, 1)
    one.count(3)

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("bennu.metrics.board.clear", fail)
    with pytest.raises(MemoryError):
        board.retire(one.row)
    clock = count(0.0, 0.6)
    [joins, _] = one.reader.read(clock=lambda: next(clock))
    assert joins[1] == {(): [3]}


def test_a_schema_that_is_too_large_gets_no_block(board: Board) -> None:
    large = Schema([Family("joins", MetricKind.COUNTER, "Joins." * ROW)])
    assert BoardReader(board.fd, board.take(), 1).begin(large) is None


def test_without_memfd_it_is_a_file_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.memfd_create", raising=False)
    board = Board()
    one = Process(board, 1)
    one.count(3)
    assert one.read() == {"joins": 3, "open": 3.0}
    board.close()
