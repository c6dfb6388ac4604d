"""The memory that the processes of one command share, and the row of each process in it.

Theory of operation
-------------------
The supervisor makes one file without a name (``memfd``), and each worker inherits it. Row 0 belongs to the supervisor. It has the
counters of all workers that have ended. Each worker writes its own row (:mod:`.rows`), and reads all rows for an answer. When a
worker has ended, the supervisor adds its counters to row 0, and empties its row for the next worker. Meanwhile a *sequence
number* at the begin of the memory is odd. A reader that finds it odd, or finds another number at its end, reads again. The memory
ends with the last process of the command.

The file is sparse: a row takes as much memory as was written to it.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from .rows import ROW, Block, clear, read_row, write_row
from .schema import WORD, Schema
from .totals import Totals

__all__ = ["Board", "BoardReader"]

HEAD: Final = 65_536
"""Bytes before the first row: a multiple of the pages of any system."""

RETIRED: Final = 0
"""The number of the row of the workers that have ended."""

PATIENCE: Final = 1.0
"""Seconds after which a reader takes what it has read: a supervisor that was killed in the middle leaves an odd number."""


class BoardReader:
    """Reads the rows of all processes.

    Args:
        fd: The descriptor of the memory.
        row: The number of the row of this process.
        worker: The number of this worker.
    """

    def __init__(self, fd: int, row: int, worker: int) -> None:
        self._fd = fd
        self._row = row
        self._worker = worker
        self._sequence = memoryview(mmap.mmap(fd, WORD, prot=mmap.PROT_READ)).cast("Q")
        self._schemas: dict[bytes, Schema] = {}

    def begin(self, schema: Schema) -> Block | None:
        """Begin the row of this process, and return its block; None if the schema is too large for a row."""
        return write_row(_mapped(self._fd, self._row), schema, self._worker)

    def read(self, clock: Callable[[], float] = time.monotonic) -> Totals:
        """Return the sum of all rows. It can wait for some milliseconds, so call it in a worker thread.

        Args:
            clock: Returns a time in seconds.
        """
        until = clock() + PATIENCE
        while True:
            before = self._sequence[0]
            totals = self._read_once()
            is_whole = before % 2 == 0 and self._sequence[0] == before
            if is_whole or clock() > until:
                return totals
            time.sleep(0.001)

    def _read_once(self) -> Totals:
        totals, known = Totals(), self._schemas
        self._schemas = {}
        count = (os.fstat(self._fd).st_size - HEAD) // ROW
        for number in range(count):
            content = read_row(_mapped(self._fd, number))
            if content is None:
                continue
            text = content.text
            schema = known.get(text) or self._schemas.get(text) or Schema.read(text)
            self._schemas[text] = schema
            is_alive = number != RETIRED
            totals.add(schema, content.block, worker=content.worker, is_alive=is_alive)
        return totals


class Board:
    """The memory, for the supervisor.

    Attributes:
        fd: Its descriptor, which each worker inherits.
    """

    def __init__(self) -> None:
        self.fd = _open()
        os.ftruncate(self.fd, HEAD + ROW)
        self._sequence = memoryview(mmap.mmap(self.fd, WORD)).cast("Q")
        self._rows = 1
        self._free: list[int] = []

    def take(self) -> int:
        """Return the number of an empty row, for a new worker.

        Raises:
            OSError: The system refuses more memory.
        """
        if self._free:
            return self._free.pop()
        os.ftruncate(self.fd, HEAD + ROW * (self._rows + 1))
        self._rows += 1
        return self._rows - 1

    def retire(self, row: int) -> None:
        """Keep the counters of a worker that has ended, and empty its row.

        Args:
            row: The number of its row.
        """
        ended, retired = _mapped(self.fd, row), _mapped(self.fd, RETIRED)
        if (content := read_row(ended)) is not None:
            totals = Totals()
            if (before := read_row(retired)) is not None:
                totals.add(Schema.read(before.text), before.block, is_alive=False)
            totals.add(Schema.read(content.text), content.block, is_alive=False)
            schema, block = totals.packed()
            self._sequence[0] += 1
            clear(retired)
            kept = write_row(retired, schema, RETIRED)
            if kept is not None:
                kept.counts[: schema.words] = block.counts[: schema.words]
            clear(ended)
            self._sequence[0] += 1
        self._free.append(row)

    def close(self) -> None:
        """Close the memory in this process."""
        os.close(self.fd)


def _open() -> int:
    """Return a descriptor of memory without a name."""
    with suppress(AttributeError, OSError):
        return os.memfd_create("bennu-metrics")
    with tempfile.TemporaryFile() as file:  # macOS: a file without a name
        return os.dup(file.fileno())


def _mapped(fd: int, number: int) -> memoryview:
    """Return the bytes of a row. They are unmapped when nobody has a view of them any more."""
    return memoryview(mmap.mmap(fd, ROW, offset=HEAD + ROW * number))
