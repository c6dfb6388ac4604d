"""The loop: make an input, feed it, and check the outcome.

An input with a new outcome joins the pool that later inputs are made of. An input that raises an undocumented
exception is a finding. A finding is shortened as far as possible, and reported.
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
"""Findings of one target, after which the target is stopped: the others are probably the same."""

_VARIABLE: Final = re.compile(r"[0-9]+|b?['\"`].*|[^\x00-\x7f]+", re.DOTALL)
"""The part of an error's words that depends on the input."""


class Finding(NamedTuple):
    """An input whose outcome is wrong."""

    target: str
    data: bytes
    error: str


def replay(target: Target, data: bytes) -> Hashable:
    """Feed one input; return its outcome.

    Raises:
        Exception: A finding: the target does not document this exception.
    """
    try:
        return target.feed(data)
    except target.documented as error:
        return type(error).__name__, _VARIABLE.sub("_", str(error))[:80]


@dataclass
class Run:
    """The fuzzing of one target.

    Attributes:
        target: The target.
        rng: The random source.
        inputs: The number of inputs.
        seconds: The seconds of all inputs.
        findings: The findings.
        slowest: The longest time of one input in seconds, and the length of that input.
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
        """The number of different outcomes."""
        return len(self._seen)

    @property
    def is_over(self) -> bool:
        """Whether the target has so many findings that it is stopped."""
        return len(self.findings) >= MAX_FINDINGS

    def go_on(self, seconds: float = math.inf, *, inputs: int = 1 << 62) -> None:
        """Feed inputs for this time, or this number of inputs."""
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
        except Exception as error:  # noqa: BLE001 - the exceptions are the findings
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
    """Return the place of an error, which tells it from other errors."""
    place, traceback = "", error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        place = f"{code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return f"{type(error).__name__} at {place}"


def _error_of(target: Target, data: bytes) -> str | None:
    try:
        replay(target, data)
    except Exception as error:  # noqa: BLE001 - the exceptions are the findings
        return _describe(error)
    return None


def shortened(data: bytes, is_still_wrong: Callable[[bytes], bool]) -> bytes:
    """Return a shorter input with a wrong outcome."""
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
    """Return by how many bytes and objects memory grew from the end of one batch to the end of the next."""
    batches = [[run.make() for _ in range(inputs)] for _ in range(2)]

    def feed(batch: list[bytes]) -> None:
        for data in batch:
            try:
                replay(run.target, data)
            except Exception:  # noqa: BLE001, S112 - another function reports findings
                continue

    for batch in batches:  # so that caches and late imports of rare paths are no growth
        feed(batch)
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
