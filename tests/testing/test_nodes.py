"""Several nodes in one test: what one says the others hear, unless a fault is set."""

from __future__ import annotations

import pytest

from bennu import Endpoint
from bennu.bus import BusAdapter
from bennu.store import Store
from bennu.testing import nodes
from bennu.testing.clock import advance

from .rooms import endpoint_of_rooms


def make(pubsub: BusAdapter, store: Store) -> Endpoint:
    """Return the endpoint of a node."""
    return endpoint_of_rooms(pubsub=pubsub, store=store)


async def test_all_nodes_are_one_application() -> None:
    async with nodes(make, 3) as cluster:
        assert [node.name for node in cluster] == ["node-1", "node-2", "node-3"]
        async with (
            cluster[0].connect("/socket", {"name": "ann"}) as ann,
            cluster[2].connect("/socket", {"name": "bo"}) as bo,
        ):
            room, theirs = await ann.join("room:1"), await bo.join("room:1")
            await room.assert_present("bo")
            await room.push("new_msg", {"body": "Hi"})
            await theirs.assert_push("new_msg", {"body": "Hi"})
            assert cluster[0].clients == [ann]


async def test_a_partition_keeps_nodes_apart_until_it_is_healed() -> None:
    async with nodes(make, 2) as cluster:
        one, two = cluster
        async with (
            one.connect("/socket", {"name": "ann"}) as ann,
            two.connect("/socket", {"name": "bo"}) as bo,
        ):
            room, theirs = await ann.join("room:1"), await bo.join("room:1")
            cluster.partition([one], [two])
            room.push("typing")
            await room.push("new_msg", {"body": "Hi"})
            await theirs.refute_push("typing")
            await theirs.refute_push("new_msg")
            cluster.heal()
            room.push("typing")
            await theirs.assert_push("typing")
            await theirs.refute_push("typing")  # the first one is lost
            await theirs.assert_push("new_msg", within=30)  # this one is in the history
            await theirs.refute_push("new_msg")


async def test_a_node_that_crashes_takes_its_clients_along_and_starts_again() -> None:
    async with nodes(make, 2) as cluster:
        one, two = cluster
        async with two.connect("/socket", {"name": "bo"}) as bo:
            theirs = await bo.join("room:1")
            async with one.connect("/socket", {"name": "ann"}) as ann:
                await ann.join("room:1")
                await theirs.assert_present("ann")
                await one.crash()
                assert not one.is_up
                assert ann.code == 1006
                await one.crash()
            await theirs.assert_absent("ann", within=60)
            await one.start()
            await one.start()
            async with one.connect("/socket", {"name": "ann"}) as ann:
                await ann.join("room:1")
                await theirs.assert_present("ann")


async def test_a_node_that_stops_tells_its_clients() -> None:
    async with nodes(make, 1) as cluster, cluster[0].connect("/socket", {"name": "ann"}) as ann:
        await ann.join("room:1")
        await cluster[0].stop()
        await ann.assert_closed()
        await cluster[0].stop()


async def test_a_bus_that_is_gone_cuts_off_the_nodes() -> None:
    async with nodes(make, 2) as cluster:
        cluster.stop_broker()
        await advance(10)
        assert not cluster[0].endpoint.is_ready
        cluster.heal()
        await advance(10)
        assert cluster[0].endpoint.is_ready


async def test_a_bad_bus_loses_and_repeats_and_each_message_comes_at_most_once() -> None:
    async with (
        nodes(make, 2, seed=1) as cluster,
        cluster[0].connect("/socket", {"name": "ann"}) as ann,
        cluster[1].connect("/socket", {"name": "bo"}) as bo,
    ):
        room, theirs = await ann.join("room:1"), await bo.join("room:1")
        cluster.faults.loss, cluster.faults.repeats, cluster.faults.delay = 0.3, 0.3, (0.0, 1.0)
        for number in range(100):
            await cluster[0].endpoint.broadcast("room:2", "n", {"number": number})
            room.push("typing")
        await advance(5)
        theirs.client.read()
        came = [one for one in theirs.pushes if one.event == "typing"]
        assert 0 < len(came) <= 100


async def test_a_history_survives_every_node() -> None:
    async with nodes(make, 2) as cluster:
        async with cluster[0].connect("/socket", {"name": "ann"}) as ann:
            room = await ann.join("room:1")
            await room.push("new_msg", {"body": "Hi"})
        await cluster[0].crash()
        page = await cluster[1].endpoint.history("room:1")
        assert [entry.payload["body"] for entry in page if entry.event == "new_msg"] == ["Hi"]


async def test_a_failure_says_its_seed() -> None:
    with pytest.raises(ZeroDivisionError) as failed:
        async with nodes(make, 1, seed=42):
            _ = 1 / 0
    assert failed.value.__notes__ == ["The seed was 42. To replay it: BENNU_SEED=42"]
