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
    """Return whether ``clocks`` have every replica of ``others``, each at least as far.

    Example:
        >>> dominates({("a", 1): 3, ("b", 1): 0}, {("a", 1): 2})
        True
    """
    return all(ref in clocks and clocks[ref] >= clock for ref, clock in others.items())


def upper_bound(clocks: Clocks, others: Clocks) -> Clocks:
    """Return the later clock of each replica that either knows."""
    return {ref: max(clocks.get(ref, 0), others.get(ref, 0)) for ref in clocks | others}


def restrict(clocks: Clocks, refs: Collection[Ref]) -> Clocks:
    """Return the clocks of these replicas alone."""
    return {ref: clock for ref, clock in clocks.items() if ref in refs}


def append_clocks(
    dominant: list[tuple[Ref, Clocks]], owner: Ref, clocks: Clocks
) -> list[tuple[Ref, Clocks]]:
    """Return the fewest clocks that together know all that the given ones know.

    Args:
        dominant: The fewest so far, each with its owner.
        owner: Whose clocks are added.
        clocks: What is added. Clocks that add nothing are left out. Clocks that they make needless are removed.
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
