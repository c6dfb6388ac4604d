"""The last deltas, added up, for replicas that missed some of them. Protocol document, §6.7.

A replica that missed a heartbeat does not need everything, only what is newer than what it knows. So all deltas that are
told or heard are merged into a few generations. Each generation has a bound on its size. A generation that grows beyond
its bound becomes a copy of the next smaller one, which reaches less far back.
"""

from __future__ import annotations

from collections.abc import Sequence

from .clocks import Ref
from .delta import Delta, Part, copy_delta, delta_size, merge_deltas

__all__ = ["Generations"]


class Generations:
    """Deltas of growing size.

    Args:
        max_sizes: How many entries and tombstones each generation can have, in growing order.

    Attributes:
        deltas: The generations, the smallest first.
    """

    __slots__ = ("_max_sizes", "deltas")

    def __init__(self, max_sizes: Sequence[int]) -> None:
        self._max_sizes = tuple(max_sizes)
        self.deltas: list[Delta] = [{} for _ in self._max_sizes]

    def push(self, delta: Delta) -> None:
        """Add a delta to each generation that it touches, in time proportional to the size of the delta."""
        below = delta
        for index, max_size in enumerate(self._max_sizes):
            generation = self.deltas[index]
            if merge_deltas(generation, delta) and delta_size(generation) > max_size:
                self.deltas[index] = copy_delta(below)
            below = self.deltas[index]

    def forget(self, ref: Ref) -> None:
        """Drop all that is told of a replica."""
        for generation in self.deltas:
            generation.pop(ref, None)

    def find(self, ref: Ref, start: int, end: int) -> Part | None:
        """Return a copy of the smallest part that leads from one clock of a replica to another.

        Args:
            ref: The replica.
            start: The clock up to which everything is known already.
            end: The clock up to which everything shall be known.

        Returns:
            The part, or None if no generation has all clocks between the two.
        """
        for generation in self.deltas:
            part = generation.get(ref)
            if part is not None and part.start <= start and part.end >= end:
                return part.copy()
        return None
