"""Clients that live through cuts, restarts and drains lose nothing that was promised, and get nothing twice."""

from __future__ import annotations

import gc
import logging
import random
from collections import Counter

import pytest

from .soak import World


async def live(seed: int, cuts: int, clients: int = 4) -> Counter[str]:
    """Run a world until so many connections were cut, and compare what its clients have heard with the logs."""
    world = World(seed, clients)
    try:
        await world.begin()
        while world.cuts < cuts:
            await world.step()
        await world.check()
        await world.end()
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise
    return world.did


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_lost_and_nothing_twice(seed: int) -> None:
    did = await live(seed, cuts=25, clients=3)
    assert did["cut"] > 0


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_ten_thousand_cuts_lose_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Memory stays flat: the clients keep nothing of the connections that they lost."""
    caplog.set_level(logging.CRITICAL, logger="bennu")  # pytest would keep each line of a crash
    did: Counter[str] = Counter()
    objects = 0
    for number in range(10):
        did += await live(random.randrange(2**32), cuts=1_000, clients=6)
        gc.collect()
        if number == 1:
            objects = len(gc.get_objects())
    assert len(gc.get_objects()) < 1.1 * objects
    assert did["restart"] > 0
    assert did["drain"] > 0
