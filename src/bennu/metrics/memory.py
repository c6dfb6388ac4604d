"""The memory in which an endpoint counts: its own, or a row of the memory that the workers of one command share."""

from __future__ import annotations

import os
from enum import Enum, auto
from typing import Final

from .board import BoardReader
from .rows import new_block
from .schema import Schema
from .totals import Totals

__all__ = ["INHERITANCE", "Inheritance", "MetricsMemory", "Sharing", "inherit"]

ALONE: Final = 1
"""The number of the only worker."""


class Sharing(Enum):
    """Whether the metrics of several processes are added up."""

    ALONE = auto()
    """The process has no supervisor of Bennu."""
    SHARED = auto()
    """The answer is the sum of all workers."""
    SECOND = auto()
    """Another endpoint of this process has the row of the worker."""
    TOO_LARGE = auto()
    """The schema is too large for a row."""


class Inheritance:
    """What a worker has got from its supervisor."""

    def __init__(self) -> None:
        self.reader: BoardReader | None = None
        self.pid = 0
        self.is_taken = False


INHERITANCE = Inheritance()
"""Of this process. It is empty but in a worker."""


def inherit(fd: int, row: int, worker: int) -> None:
    """Take a row of the memory that the workers share, for the first endpoint of this process that counts.

    Args:
        fd: The descriptor of the memory.
        row: The number of the row.
        worker: The number of the worker.
    """
    os.set_inheritable(fd, False)
    INHERITANCE.reader = BoardReader(fd, row, worker)
    INHERITANCE.pid = os.getpid()
    INHERITANCE.is_taken = False


class MetricsMemory:
    """The words of one endpoint.

    Args:
        schema: The schema of the endpoint.

    Attributes:
        sharing: Whether the words of other processes are added.
        block: The words.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._reader: BoardReader | None = None
        self.sharing = Sharing.ALONE
        block = None
        reader = INHERITANCE.reader
        if (
            reader is not None and INHERITANCE.pid == os.getpid()
        ):  # else a fork has no row of its own
            if INHERITANCE.is_taken:
                self.sharing = Sharing.SECOND
            else:
                block = reader.begin(schema)
                INHERITANCE.is_taken = block is not None
                self.sharing = Sharing.TOO_LARGE if block is None else Sharing.SHARED
                self._reader = None if block is None else reader
        self.block = new_block(schema.words) if block is None else block

    def read(self) -> Totals:
        """Return the values of all processes. It can wait, so call it in a worker thread."""
        if self._reader is not None:
            return self._reader.read()
        totals = Totals()
        totals.add(self._schema, self.block, worker=ALONE)
        return totals
