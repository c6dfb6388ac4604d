"""A seeded random explorer of the gate: it looks for repeats, holes, wrong order, and answers in vain.

    python -m tests.history.explorer --steps 1000000 --seed 1 [--gaps] [--mutate NAME|all]

One topic, three nodes with the real :class:`~bennu.history.gate.Gate`, eight clients (six positioned, two plain), one store,
one bus. The bus loses, repeats and reorders. The store trims, refuses reads, cuts pages, loses everything, and loses its newest
entries in a failover. Clients are cut, time out, join twice, read slowly, reload, forge positions, and join again on any node.
The bounds of tails and of waiting entries are small. With ``--gaps`` offsets rise by 1 to 3, as in JetStream.

It compares with a record of all commits that the algorithm can't see. At every step: a client sees each entry once and in
order; ``recovered: true`` leaves no hole; ``recovered: false`` and a kick have a reason; a listener and plain members get all
entries in order; a gate keeps nothing that nobody needs. At the end of a run: everything has come to rest, and every client has
everything up to the newest entry. A mutation removes one rule; the explorer must find it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from contextlib import ExitStack
from typing import Final, NamedTuple
from unittest.mock import patch

from bennu.history import gate, pending, run

from .explorer_mutations import MUTATIONS, NONE, Mutation
from .explorer_store import Fault
from .explorer_world import World

__all__ = ["Explored", "explore"]

RUNS: Final = (500, 1_000, 1_000, 3_000)
"""Steps of a run, by its seed: a short run comes to rest soon, and in a long one members have much to catch up."""

BOUNDS: Final = (
    (pending, "MAX_PENDING", 6),
    (pending, "MAX_PENDING_BYTES", 40),
    (gate, "MIN_PAGE", 2),
    (gate, "MIN_PAGE_BYTES", 20),
    (run, "MAX_TAIL", 5),
    (run, "MAX_TAIL_BYTES", 40),
)
"""Small bounds, which are met often."""


class Explored(NamedTuple):
    """The result of an exploration."""

    steps: int
    fault: str | None
    """What was found first, and with which seed; None if nothing was found."""
    stats: Counter[str]


def explore(
    steps: int, seed: int = 1, mutation: Mutation = NONE, *, gaps: bool = False
) -> Explored:
    """Explore runs of some steps each, until a fault is found or all steps are done.

    Args:
        steps: All steps.
        seed: The seed of the first run; each later run has the next one.
        mutation: The rule to remove.
        gaps: Whether offsets have gaps.
    """
    stats: Counter[str] = Counter()
    done = 0
    with ExitStack() as stack:
        for target, name, value in (*BOUNDS, *mutation.patches):
            stack.enter_context(patch.object(target, name, value))
        while done < steps:
            world = World(
                seed,
                mutation.name,
                stats,
                gaps=gaps,
                gate_type=mutation.gate,
                weights=mutation.weights,
            )
            try:
                for _ in range(RUNS[seed % len(RUNS)]):
                    done += 1
                    world.step()
                world.settle()
            except Fault as fault:
                return Explored(done, f"seed {seed}: {fault}", stats)
            except Exception as error:
                error.add_note(f"seed {seed}, mutation {mutation.name!r}")
                raise
            seed += 1
    return Explored(done, None, stats)


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.history.explorer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first run")
    parser.add_argument("--gaps", action="store_true", help="offsets have gaps")
    parser.add_argument("--mutate", choices=[*MUTATIONS, "all"], help="remove a rule")
    options = parser.parse_args()
    if options.mutate is None:
        done, fault, stats = explore(options.steps, options.seed, gaps=options.gaps)
        tell(f"{done} steps: {fault or 'nothing found'}; {dict(sorted(stats.items()))}")
        return int(fault is not None)
    missed = 0
    for name in MUTATIONS if options.mutate == "all" else [options.mutate]:
        mutation = MUTATIONS[name]
        done, fault, _ = explore(options.steps, options.seed, mutation, gaps=options.gaps)
        found = "NOT FOUND" if fault is None else "found"
        tell(f"{name}: {found} after {done} steps ({mutation.text}): {fault}")
        missed += fault is None
    return missed


def tell(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
