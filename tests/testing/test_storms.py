"""Storms: faults follow one another at random, and afterwards all is well."""

from __future__ import annotations

import pytest

from bennu import Endpoint
from bennu.bus import BusAdapter
from bennu.store import Store
from bennu.testing import nodes
from bennu.testing.clock import advance
from bennu.testing.storms import FAULTS, storm

from .rooms import endpoint_of_rooms


def make(pubsub: BusAdapter, store: Store) -> Endpoint:
    """Return the endpoint of a node."""
    return endpoint_of_rooms(pubsub=pubsub, store=store)


@pytest.mark.parametrize("fault", FAULTS)
async def test_after_a_storm_all_nodes_are_one_application_again(fault: str) -> None:
    async with nodes(make, 3, seed=5) as cluster:
        async with cluster[0].connect("/socket", {"name": "ann"}) as ann:
            await ann.join("room:1")
            assert set(await storm(cluster, 20, [fault])) == {fault}
            await advance(30)
        assert all(node.is_up and node.endpoint.is_ready for node in cluster)
        async with (
            cluster[0].connect("/socket", {"name": "ann"}) as ann,
            cluster[2].connect("/socket", {"name": "bo"}) as bo,
        ):
            room, theirs = await ann.join("room:1"), await bo.join("room:1")
            await room.assert_present("bo", within=30)
            room.push("typing")
            await theirs.assert_push("typing")


async def test_the_same_seed_is_the_same_storm() -> None:
    happened: list[list[str]] = []
    for _ in range(2):
        async with nodes(make, 3, seed=11) as cluster:
            happened.append(await storm(cluster, 60))
    assert happened[0] == happened[1]
    assert len(set(happened[0])) > 3


async def test_an_unknown_fault_is_told() -> None:
    async with nodes(make, 1) as cluster:
        with pytest.raises(
            ValueError, match=r"no such faults: \['rain'\]; there are partition, broker"
        ):
            await storm(cluster, 1, ["rain"])
