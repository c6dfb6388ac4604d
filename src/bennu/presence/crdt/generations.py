"""The last deltas, merged, for replicas that missed some of them. Protocol document, §6.7.

A replica that missed a heartbeat needs only the changes that are newer than its knowledge. So all deltas that are sent
or received are merged into a few generations. Each generation has a bound on its size. A generation that grows beyond
its bound becomes a copy of the next smaller generation, which begins later.
"""

from __future__ import annotations

from collections.abc import Sequence

from .clocks import Ref
from .delta import Delta, Part, copy_delta, delta_size, merge_deltas

__all__ = ["Generations"]


class Generations:
    """Deltas of growing size.

    Args:
        max_sizes: The most entries and tombstones of each generation, in growing order.

    Attributes:
        deltas: The generations, the smallest first.
    """

    __slots__ = ("_max_sizes", "_sizes", "deltas")

    def __init__(self, max_sizes: Sequence[int]) -> None:
        self._max_sizes = tuple(max_sizes)
        self.deltas: list[Delta] = [{} for _ in self._max_sizes]
        self._sizes = [0 for _ in self._max_sizes]

    def push(self, delta: Delta) -> None:
        """Add a delta to each generation that it touches, in time proportional to the size of the delta."""
        below, size_below = delta, delta_size(delta)
        for index, max_size in enumerate(self._max_sizes):
            generation = self.deltas[index]
            before = _size_of(generation, delta)
            if merge_deltas(generation, delta):
                self._sizes[index] += _size_of(generation, delta) - before
                if self._sizes[index] > max_size:
                    self.deltas[index], self._sizes[index] = copy_delta(below), size_below
            below, size_below = self.deltas[index], self._sizes[index]

    def forget(self, ref: Ref) -> None:
        """Remove the parts of a replica from all generations."""
        for index, generation in enumerate(self.deltas):
            part = generation.pop(ref, None)
            if part is not None:
                self._sizes[index] -= part.size

    def find(self, ref: Ref, start: int, end: int) -> Part | None:
        """Return a copy of the smallest part that leads from one clock of a replica to another.

        Args:
            ref: The replica.
            start: The clock up to which the receiver knows everything already.
            end: The clock up to which the receiver must know everything after the merge.

        Returns:
            The part, or None if no generation has all clocks between the two.
        """
        for generation in self.deltas:
            part = generation.get(ref)
            if part is not None and part.start <= start and part.end >= end:
                return part.copy()
        return None


def _size_of(generation: Delta, delta: Delta) -> int:
    """Return the size of those parts of a generation whose replicas are in a delta."""
    return sum(generation[ref].size for ref in delta if ref in generation)
