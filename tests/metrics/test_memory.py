"""The memory in which an endpoint counts."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from bennu.metrics import memory as module
from bennu.metrics.board import Board
from bennu.metrics.memory import MetricsMemory, Sharing, inherit
from bennu.metrics.rows import ROW
from bennu.metrics.schema import Family, MetricKind, Schema

SCHEMA = Schema([Family("joins", MetricKind.COUNTER, "Joins.")])


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    """A board, of which this process has a row as worker 2."""
    monkeypatch.setattr(module, "INHERITANCE", type(module.INHERITANCE)())
    board = Board()
    inherit(board.fd, board.take(), 2)
    yield board
    board.close()


def joins(memory: MetricsMemory) -> float:
    [(_, values)] = memory.read()
    return values[()][0]


def test_a_process_without_a_supervisor_counts_for_itself() -> None:
    memory, other = MetricsMemory(SCHEMA), MetricsMemory(SCHEMA)
    memory.block.counts[0] = 3
    assert memory.sharing is Sharing.ALONE
    assert (joins(memory), joins(other)) == (3, 0)


def test_the_first_endpoint_of_a_worker_has_its_row(board: Board) -> None:
    memory, second = MetricsMemory(SCHEMA), MetricsMemory(SCHEMA)
    assert (memory.sharing, second.sharing) == (Sharing.SHARED, Sharing.SECOND)
    memory.block.counts[0] = 3
    second.block.counts[0] = 4
    assert (joins(memory), joins(second)) == (3, 4)
    assert not os.get_inheritable(board.fd)


@pytest.mark.usefixtures("board")
def test_a_schema_that_is_too_large_is_not_shared() -> None:
    large = Schema([Family("joins", MetricKind.COUNTER, "Joins." * ROW)])
    assert MetricsMemory(large).sharing is Sharing.TOO_LARGE
    assert MetricsMemory(SCHEMA).sharing is Sharing.SHARED


@pytest.mark.usefixtures("board")
def test_a_fork_has_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert MetricsMemory(SCHEMA).sharing is Sharing.ALONE
