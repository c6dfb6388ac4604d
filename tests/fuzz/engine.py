"""The loop: make an input, feed it, see what becomes of it.

An input that ends as none before it did joins the pool that the next ones are made of. One that raises
what its target does not document is a finding; it is made as short as it will go, and told.
"""

from __future__ import annotations

import gc
import math
import random
import re
import time
import tracemalloc
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .mutate import mutated
from .targets import Target

__all__ = ["Finding", "Run", "grown_by", "replay"]

MAX_POOL: Final = 2000
MAX_FINDINGS: Final = 10
"""Of one target: then it stops, for the rest is likely the same."""

_VARIABLE: Final = re.compile(r"[0-9]+|b?['\"`].*|[^\x00-\x7f]+", re.DOTALL)
"""What in an error's words depends on the input."""


class Finding(NamedTuple):
    """An input that something is wrong with."""

    target: str
    data: bytes
    error: str


def replay(target: Target, data: bytes) -> Hashable:
    """Feed one input; return what became of it.

    Raises:
        Exception: What the target does not document: a finding.
    """
    try:
        return target.feed(data)
    except target.documented as error:
        return type(error).__name__, _VARIABLE.sub("_", str(error))[:80]


@dataclass
class Run:
    """The fuzzing of one target.

    Attributes:
        target: It.
        rng: The source of chance.
        inputs: How many were fed.
        seconds: Spent on that.
        findings: What was found.
        slowest: The longest that one input took, in seconds, and how long it was.
    """

    target: Target
    rng: random.Random
    inputs: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, 0)

    def __post_init__(self) -> None:
        self._pool: list[bytes] = []
        self._seen: set[Hashable] = set()
        self._errors: set[str] = set()
        for data in self.target.corpus():
            self._pool.append(data)
            self._feed(data)

    @property
    def behaviours(self) -> int:
        """How many different things became of inputs."""
        return len(self._seen)

    @property
    def is_over(self) -> bool:
        """Whether so much was found that more would not help."""
        return len(self.findings) >= MAX_FINDINGS

    def go_on(self, seconds: float = math.inf, *, inputs: int = 1 << 62) -> None:
        """Feed inputs for so long, or so many."""
        begun = time.monotonic()
        end, last = begun + seconds, self.inputs + inputs
        while time.monotonic() < end and self.inputs < last and not self.is_over:
            for _ in range(min(200, last - self.inputs)):
                self._feed(self.make())
        self.seconds += time.monotonic() - begun

    def make(self) -> bytes:
        """Return a new input."""
        pool = self._pool
        return mutated(self.rng, self.rng.choice(pool), pool, self.target.words)

    def _feed(self, data: bytes) -> None:
        self.inputs += 1
        begun = time.thread_time()
        try:
            outcome = replay(self.target, data)
        except Exception as error:  # noqa: BLE001 - that is what we are after
            self._found(data, error)
            return
        took = time.thread_time() - begun
        if took > self.slowest[0]:
            self.slowest = took, len(data)
        if outcome not in self._seen:
            self._seen.add(outcome)
            self._pool.append(data)
            if len(self._pool) > MAX_POOL:
                del self._pool[int(self.rng.random() * MAX_POOL)]

    def _found(self, data: bytes, error: Exception) -> None:
        kind = _describe(error)
        if kind in self._errors or self.is_over:
            return
        self._errors.add(kind)
        shortest = shortened(data, lambda less: _error_of(self.target, less) == kind)
        self.findings.append(Finding(self.target.name, shortest, f"{kind}: {error}"[:400]))


def _describe(error: Exception) -> str:
    """Return where an error comes from, which tells it from others."""
    place, traceback = "", error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        place = f"{code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return f"{type(error).__name__} at {place}"


def _error_of(target: Target, data: bytes) -> str | None:
    try:
        replay(target, data)
    except Exception as error:  # noqa: BLE001 - that is what we are after
        return _describe(error)
    return None


def shortened(data: bytes, is_still_wrong: Callable[[bytes], bool]) -> bytes:
    """Return less of an input, that something is wrong with all the same."""
    size = len(data)
    while size := size // 2:
        at = 0
        while at < len(data):
            less = data[:at] + data[at + size :]
            if is_still_wrong(less):
                data = less
            else:
                at += size
    return data


def grown_by(run: Run, inputs: int) -> tuple[int, int]:
    """Return by how many bytes and objects memory grew from the end of one batch to that of the next."""
    batches = [[run.make() for _ in range(inputs)] for _ in range(2)]

    def feed(batch: list[bytes]) -> None:
        for data in batch:
            try:
                replay(run.target, data)
            except Exception:  # noqa: BLE001, S112 - a finding is told elsewhere
                continue

    feed(batches[0])
    tracemalloc.start()
    try:
        feed(batches[0])
        gc.collect()
        before, objects = tracemalloc.get_traced_memory()[0], len(gc.get_objects())
        feed(batches[1])
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before, len(gc.get_objects()) - objects
    finally:
        tracemalloc.stop()
