"""The gate, explored at random (``explorer.py``): the real code has no fault, and each mutation has one."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final

import pytest

from bennu.store import Draft, MemoryStore, Page, Retention

from .explorer import explore
from .explorer_mutations import MUTATIONS
from .explorer_store import SIZE, ModelStore, Truth
from .explorer_world import MODEL

SEEDS: Final = {
    "read_first": (63, 31),
    "no_gap": (2, 2),
    "no_epoch": (1, 6),
    "reply_top": (1, 1),
    "early": (7, 7),
    "sequence": (1, 1),
    "user": (2, 2),
    "lineage": (2, 2),
    "no_check": (17, 17),
    "off_by_one": (9, 5),
    "lane_early": (2, 2),
    "trim_replay": (7, 15),
    "covers_all": (3, 4),
    "loose_tail": (3, 63),
    "loose_settle": (2, 1),
    "opens_low": (3, 1),
    "counts_tail": (3, 17),
    "no_floor": (2, 1),
    "certain": (3, 4),
    "starts_late": (1, 1),
    "kick_stays": (6, 3),
    "detach_last": (2, 1),
    "never_cut": (3, 5),
    "leave_stays": (1, 1),
    "tail_stays": (1, 1),
}
"""Seeds that find a mutation soon, without gaps and with gaps. After a change of the code the next seeds find it."""


def test_each_mutation_is_tested() -> None:
    assert SEEDS.keys() == MUTATIONS.keys()
    assert set(MODEL) < set(MUTATIONS)


@pytest.mark.timeout(300)  # seconds on a busy machine
@pytest.mark.parametrize("gaps", [False, True], ids=["without gaps", "with gaps"])
def test_nothing_is_found(gaps: bool) -> None:
    steps, fault, stats = explore(50_000, 1, gaps=gaps)
    assert (steps >= 50_000, fault) == (True, None)
    reasons = {"new", "invalid", "epoch", "ahead", "trimmed", "too_many", "recovered", "kicked"}
    assert reasons - {"ahead", "invalid"} <= stats.keys()


@pytest.mark.parametrize("gaps", [False, True], ids=["without gaps", "with gaps"])
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_found(name: str, gaps: bool) -> None:
    assert explore(300_000, SEEDS[name][gaps], MUTATIONS[name], gaps=gaps).fault is not None


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("gaps", [False, True], ids=["without gaps", "with gaps"])
def test_nothing_is_found_in_a_million_steps(gaps: bool) -> None:
    assert explore(1_000_000, 100_000, gaps=gaps).fault is None


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_found_from_any_seed(name: str) -> None:
    assert explore(1_000_000, 5_000, MUTATIONS[name]).fault is not None


def test_the_store_of_the_explorer_answers_as_the_real_one() -> None:
    """Without gaps, its pages are those of the store in memory."""
    rng = Random(1)
    real, kept = MemoryStore(), Retention(SIZE, None, 3600.0)
    model = ModelStore(rng, lambda epoch, entry: None, Truth(), gaps=False, mutation="")

    async def compare() -> None:
        for number in range(300):
            draft = Draft(f"{number}", "event", bytes(rng.randint(1, 10)), 0, number)
            await real.append("topic", [draft], kept)
            model.append(draft)
            after, limit, size = rng.randint(0, number + 3), rng.randint(1, 20), rng.randint(1, 99)
            expected = await real.read("topic", after, limit, size, kept)
            page, _ = model.read(after, limit, size)
            assert page == Page(page.epoch, *expected[1:])

    asyncio.run(compare())
