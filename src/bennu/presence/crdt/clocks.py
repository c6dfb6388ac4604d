"""Vector clocks, as plain dicts: up to which clock a replica knows each replica. Protocol document, §6.7 and §6.8."""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce

__all__ = ["Clocks", "Ref", "append_clocks", "dominates", "restrict", "upper_bound"]

Ref = tuple[str, int]
"""A replica: the name of its node, and its vsn, which differs at each start."""

Clocks = dict[Ref, int]
"""For each replica, the clock up to which everything of it is known."""


def dominates(clocks: Clocks, others: Clocks) -> bool:
    """Return whether ``clocks`` have every replica of ``others``, each with an equal or later clock.

    Example:
        >>> dominates({("a", 1): 3, ("b", 1): 0}, {("a", 1): 2})
        True
    """
    return all(ref in clocks and clocks[ref] >= clock for ref, clock in others.items())


def upper_bound(clocks: Clocks, others: Clocks) -> Clocks:
    """Return, for each replica in either argument, the later of its clocks."""
    return {ref: max(clocks.get(ref, 0), others.get(ref, 0)) for ref in clocks | others}


def restrict(clocks: Clocks, refs: Collection[Ref]) -> Clocks:
    """Return the clocks of the given replicas only."""
    return {ref: clock for ref, clock in clocks.items() if ref in refs}


def append_clocks(
    dominant: list[tuple[Ref, Clocks]], owner: Ref, clocks: Clocks
) -> list[tuple[Ref, Clocks]]:
    """Add vector clocks to the fewest vector clocks that together know as much as all that were added.

    Args:
        dominant: The fewest vector clocks so far, each with its owner.
        owner: The replica whose vector clocks are added.
        clocks: The vector clocks to add. They are left out if they add nothing. Vector clocks that they make needless
            are removed.
    """
    together = reduce(upper_bound, (known for _, known in dominant), Clocks())
    if not clocks:
        return dominant
    if dominates(clocks, together):
        return [(owner, clocks)]
    if dominates(together, clocks):
        return dominant
    kept = [(other, known) for other, known in dominant if not dominates(clocks, known)]
    return [*kept, (owner, clocks)]
