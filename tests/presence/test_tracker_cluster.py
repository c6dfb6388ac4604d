"""Presence on several nodes: all nodes learn all presences, after any failure of the network. Protocol, §6.8."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from bennu import BySize, Count, Full, Periods, Presence, PresenceCount
from bennu.bus import MemoryAdapter, MemoryNetwork
from bennu.presence.crdt import Entry, Heartbeat, ReplicaStatus, encode
from bennu.presence.crdt.delta import Part
from bennu.telemetry import ReplicaChanged
from bennu.testing.clock import advance, settle
from tests.support.clock import work

from ..support.inside import owners_of
from ..support.memory import Server, serve
from .rooms import Member, enter, example, plain

PERIODS = Periods()
TOLD = 0.16
"""Seconds after which other nodes know of a change, and their clients: a tenth, and a window."""
REPAIRED = (PERIODS.clock_samples + 2) * PERIODS.broadcast
"""Seconds after which what was missed is known, once nodes hear each other."""


class Node:
    """An endpoint with a presence, and a client that watches ``room:1`` on it."""

    def __init__(self, name: str, presence: Presence, server: Server, watcher: Member) -> None:
        self.name = name
        self.presence = presence
        self.server = server
        self.watcher = watcher

    @property
    def replicas(self) -> dict[str, ReplicaStatus]:
        """The other nodes that this node knows."""
        return owners_of(self.presence).tracker.shards[0].replicas

    async def here(self, topic: str = "room:1") -> set[str]:
        """Return the list of users, and check that the watching client has the same list."""
        listed = await self.presence.list(topic)
        if topic == "room:1":
            await self.watcher.news()
            refs = {
                key: {meta["phx_ref"] for meta in value["metas"]} for key, value in listed.items()
            }
            seen = {key: set(of_key) for key, of_key in self.watcher.list.refs().items()}
            assert seen == refs, "a client differs from its server"
        return set(listed)


@asynccontextmanager
async def node(
    network: MemoryNetwork, name: str, called: str = "presence", **options: Any
) -> AsyncIterator[Node]:
    """Run a node."""
    presence = Presence(called, **options)
    async with serve(
        example(presence, pubsub=network.adapter(name), timeout=100_000), lossy=True
    ) as server:
        watcher = await enter(server, "watcher", watch=True)
        yield Node(name, presence, server, watcher)
        if watcher.client.wire.code is None:
            watcher.client.close()
        await settle()


@asynccontextmanager
async def nodes(network: MemoryNetwork, *names: str, **options: Any) -> AsyncIterator[list[Node]]:
    """Run several connected nodes."""
    async with AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(node(network, name, **options)) for name in names
        ]
        await advance(REPAIRED)
        yield started


async def everywhere(*at: Node) -> list[set[str]]:
    """Return the list of users of each node."""
    return [await one.here() for one in at]


@pytest.mark.conformance("TR011", "TR022", "TR024", "TR029")
@pytest.mark.parametrize("shards", [1, 4])
async def test_what_one_node_tracks_is_seen_on_all_within_a_tenth_of_a_second(shards: int) -> None:
    """This holds for joins, updates and leaves. The refs are the same on all nodes."""
    network = MemoryNetwork()
    async with nodes(network, "one", "two", "three", shards=shards) as (one, two, three):
        await one.presence.track("me", "ann", {"v": 1}, topic="room:1")
        await two.presence.track("me", "bob", topic="room:1")
        await advance(TOLD)
        assert await everywhere(one, two, three) == [{"ann", "bob"}] * 3
        assert await one.presence.list("room:1") == await three.presence.list("room:1")
        for version in range(2, 8):
            ref = await one.presence.update("me", "ann", {"v": version}, topic="room:1")
            await advance(TOLD)
            found = await three.presence.get_by_key("room:1", "ann")
            assert found is not None
            assert [meta["phx_ref"] for meta in found["metas"]] == [ref]
        await advance(1)
        [(_, diff)] = (await three.watcher.news())[-1:]
        assert set(diff["joins"]) == set(diff["leaves"]) == {"ann"}
        await one.presence.untrack("me")
        await advance(1)
        assert await everywhere(one, two, three) == [{"bob"}] * 3


@pytest.mark.conformance("TR011")
async def test_idle_nodes_speak_now_and_then_so_that_nobody_takes_them_for_dead() -> None:
    """Hours without changes cause no leaves, neither of nodes nor of users."""
    network = MemoryNetwork(records=True)
    async with nodes(network, "one", "two") as (one, two):
        await one.presence.track("me", "ann", topic="room:1")
        await advance(TOLD)
        network.published.clear()
        await advance(600)
        for sender in ("one", "two"):
            said = len([sent for sent in network.published if sent.sender == sender])
            assert 600 / PERIODS.down < said < 600 / PERIODS.broadcast / 5
        assert await everywhere(one, two) == [{"ann"}] * 2
        assert two.watcher.list.leaves == []
        assert two.replicas == {"one": ReplicaStatus.UP}


@pytest.mark.conformance("TR017", "TR019", "TR025")
async def test_a_node_that_is_killed_is_gone_after_the_down_period() -> None:
    """Its users leave after the down period, at most two periods later. No other user leaves."""
    network = MemoryNetwork()
    async with nodes(network, "one", "two", "three") as (one, two, three):
        await one.presence.track("me", "ann", topic="room:1")
        await two.presence.track("me", "bob", topic="room:1")
        await advance(TOLD)
        network.kill("one")
        await advance(PERIODS.down - (PERIODS.silent_ticks + 1) * PERIODS.broadcast - 1)
        assert await everywhere(two, three) == [{"ann", "bob"}] * 2
        await advance((PERIODS.silent_ticks + 3) * PERIODS.broadcast + 1)
        assert await everywhere(two, three) == [{"bob"}] * 2
        assert two.replicas == {"one": ReplicaStatus.DOWN, "three": ReplicaStatus.UP}
        assert three.watcher.list.leaves == [("ann", dict(three.watcher.list.joins)["ann"])]
        await advance(PERIODS.permdown)
        assert two.replicas == {"three": ReplicaStatus.UP}
        assert await everywhere(two, three) == [{"bob"}] * 2


@pytest.mark.conformance("TR016")
async def test_a_node_that_was_cut_off_is_back_when_the_network_is() -> None:
    """Each side sees the users of the other side leave and come back. Then all lists are equal."""
    network = MemoryNetwork()
    async with nodes(network, "one", "two", "three") as (one, two, three):
        await one.presence.track("me", "ann", topic="room:1")
        await two.presence.track("me", "bob", topic="room:1")
        await advance(TOLD)
        network.isolate("one")
        await advance(PERIODS.down + 2 * PERIODS.broadcast)
        assert await everywhere(one, two, three) == [{"ann"}, {"bob"}, {"bob"}]
        await one.presence.track("me", "new on one", topic="room:1")
        await two.presence.untrack("me")
        await two.presence.track("me", "new on two", topic="room:1")
        await advance(1)
        network.heal()
        await advance((PERIODS.silent_ticks + 1) * PERIODS.broadcast + REPAIRED)
        assert await everywhere(one, two, three) == [{"ann", "new on one", "new on two"}] * 3
        for at, own in ((one, "ann"), (two, "new on two"), (three, "new on two")):
            assert own not in {key for key, _ in at.watcher.list.leaves}


async def test_a_short_cut_is_not_seen_and_what_was_missed_is_repaired() -> None:
    """The cut is shorter than the down period, so no user leaves."""
    network = MemoryNetwork()
    async with nodes(network, "one", "two") as (one, two):
        await one.presence.track("me", "ann", topic="room:1")
        await one.presence.track("me", "goes", topic="room:1")
        await advance(1)
        network.cut("one", "two")
        await one.presence.track("me", "missed", topic="room:1")
        await one.presence.untrack("me", "goes")
        await advance(3)
        assert await everywhere(one, two) == [{"ann", "missed"}, {"ann", "goes"}]
        network.heal()
        await advance((PERIODS.silent_ticks + 1) * PERIODS.broadcast + REPAIRED)
        assert await everywhere(one, two) == [{"ann", "missed"}] * 2
        assert {key for key, _ in two.watcher.list.leaves} == {"goes"}


@pytest.mark.conformance("TR015", "TR018")
async def test_a_node_that_starts_again_under_its_name_brings_no_ghosts() -> None:
    """Its old users leave, its new users join, and no other user leaves."""
    network = MemoryNetwork()
    async with nodes(network, "two", "three") as (two, three):
        await two.presence.track("me", "bob", topic="room:1")
        async with node(network, "one") as one:
            await one.presence.track("me", "ghost", topic="room:1")
            await advance(REPAIRED)
            assert await everywhere(two, three) == [{"bob", "ghost"}] * 2
            network.kill("one")
        async with node(network, "one") as one:
            await one.presence.track("me", "ann", topic="room:1")
            await advance(REPAIRED)
            assert await everywhere(one, two, three) == [{"ann", "bob"}] * 3
            await advance(PERIODS.permdown + 100)
            assert await everywhere(one, two, three) == [{"ann", "bob"}] * 3
            assert {key for key, _ in two.watcher.list.leaves} == {"ghost"}


@pytest.mark.conformance("TR010", "TR033")
async def test_a_node_that_stops_is_gone_at_once() -> None:
    """Its channels are closed, and it sends a good-bye. Other nodes see it without a delay."""
    network = MemoryNetwork()
    async with (
        nodes(network, "two", "three", window=0) as (two, three),
        node(network, "one") as one,
    ):
        ann = await enter(one.server, "ann")
        await one.presence.track("me", "bob", topic="room:1")
        await advance(REPAIRED)
        assert await everywhere(two, three) == [{"ann", "bob"}] * 2
        await one.server.endpoint.stop()
        await settle()
        assert await everywhere(two, three) == [set()] * 2
        assert two.replicas == {"three": ReplicaStatus.UP}
        assert ann.client.wire.code == 1012


async def test_a_node_that_joins_a_full_cluster_learns_everything_and_tells_its_clients() -> None:
    """Each existing presence is a join for it, without a ``phx_ref_prev`` that its clients never saw."""
    network = MemoryNetwork()
    async with nodes(network, "one") as [one]:
        for number in range(50):
            await one.presence.track("me", number, {"v": 1}, topic="room:1")
            await one.presence.update("me", number, {"v": 2}, topic="room:1")
        await advance(60)
        async with node(network, "two") as two:
            await advance(REPAIRED + PERIODS.broadcast)
            assert len(await two.here()) == 50
            metas = two.watcher.list.state["7"]["metas"]
            assert [sorted(meta) for meta in metas] == [["phx_ref", "v"]]
            assert two.watcher.list.leaves == []


@pytest.mark.parametrize("mode", [Count(), BySize({0: Full(), 2: Count()})])
async def test_counts_are_of_all_nodes(mode: Any) -> None:
    """Clients of all nodes get the same count."""
    network = MemoryNetwork()
    async with nodes(network, "one", "two", mode=mode) as (one, two):
        for at in (one, two):
            for key in ("shared", at.name):
                await at.presence.track("me", key, topic="room:1")
        await advance(1)
        for at in (one, two):
            assert await at.presence.count("room:1") == PresenceCount(keys=3, metas=4)
            counts = [p for event, p in await at.watcher.news() if event == "presence_count"]
            assert counts[-1] == {"keys": 3, "metas": 4}


async def test_presences_of_different_names_don_t_mix() -> None:
    network = MemoryNetwork()
    async with node(network, "one", "rooms") as one, node(network, "two", "jobs") as two:
        await one.presence.track("me", "ann", topic="room:1")
        await advance(REPAIRED)
        assert await everywhere(one, two) == [{"ann"}, set()]


async def test_the_same_key_on_two_nodes_is_one_key_with_two_metas() -> None:
    """The key leaves with its last meta. The hooks on every node are called for keys."""
    network = MemoryNetwork()
    told: list[str] = []

    async def joined(topic: str, key: str, metas: Any) -> None:
        told.append(f"+{key}")

    async def left(topic: str, key: str, metas: Any) -> None:
        told.append(f"-{key}")

    async with (
        nodes(network, "one", "two") as (one, two),
        node(network, "three", joined=joined, left=left) as three,
    ):
        await advance(REPAIRED)
        await one.presence.track("me", "ann", {"at": 1}, topic="room:1")
        await advance(1)
        await two.presence.track("me", "ann", {"at": 2}, topic="room:1")
        await advance(1)
        assert plain(await three.presence.list("room:1")) == {"ann": [{"at": 1}, {"at": 2}]}
        await one.presence.untrack("me")
        await advance(1)
        assert told == ["+ann"]
        assert await three.here() == {"ann"}
        await two.presence.untrack("me")
        await advance(1)
        assert told == ["+ann", "-ann"]
        assert await three.here() == set()


async def test_what_is_no_message_is_logged_and_dropped() -> None:
    """Other programs that write to the topic do no harm."""
    network = MemoryNetwork()
    async with nodes(network, "one") as [one]:
        stranger = network.adapter("stranger")
        await stranger.start(lambda *_: None, lambda _: None)
        await stranger.publish("ppresence_shard0", b"\xc1 nonsense")
        await settle()
        one.server.logged("ppresence_shard0", "dropped", level=30)
        await one.presence.track("me", "ann", topic="room:1")
        await advance(1)
        assert await one.here() == {"ann"}
        await stranger.stop()


@pytest.mark.parametrize(
    ("key", "meta"),
    [
        ("bad", {}),
        ("bad", {"phx_ref": 5}),
        ("bad", {"phx_ref": "R1", "phx_ref_prev": 5}),
        ("bad", {"phx_ref": "R1", "at": {(1, 2): 3}}),
        ("__proto__", {"phx_ref": "R1"}),
    ],
)
async def test_presences_that_clients_could_not_be_told_of_are_dropped(key: str, meta: Any) -> None:
    """Such presences can come from another implementation. They are logged, and the list does not change."""
    network = MemoryNetwork()
    async with nodes(network, "one") as [one]:
        stranger = network.adapter("stranger")
        await stranger.start(lambda *_: None, lambda _: None)
        ref = ("stranger", 1)
        values = {1: Entry("room:1", 1, "eve", {"phx_ref": "R0"}), 2: Entry("room:1", 2, key, meta)}
        heartbeat = Heartbeat(ref, {ref: Part(0, 2, set(), values)}, {ref: 2})
        await stranger.publish("ppresence_shard0", encode(heartbeat))
        await one.presence.track("me", "ann", topic="room:1")
        await advance(1)
        assert await one.here() == {"ann"}
        one.server.logged("ppresence_shard0", "dropped", level=30)
        late = await enter(one.server, "joe", watch=True)
        assert set(await late.sees()) == {"ann"}
        late.client.close()
        await stranger.stop()


async def test_a_bus_that_fails_loses_messages_and_nothing_else() -> None:
    """Clients see the users of the silent node leave, although our messages are lost too. The stop goes on."""
    network = MemoryNetwork()

    class Broken(MemoryAdapter):
        is_broken = False

        async def publish(self, topic: str, data: bytes, node: str | None = None) -> int:
            if self.is_broken:
                raise OSError("the connection is lost")
            return await super().publish(topic, data, node)

    bus = Broken(network, "one")
    left: list[str] = []

    async def lost(topic: str, key: str, metas: Any) -> None:
        left.append(key)

    presence = Presence(left=lost)
    async with (
        serve(example(presence, pubsub=bus), lossy=True) as server,
        node(network, "two") as two,
    ):
        eve = await enter(server, "eve", watch=True)
        await two.presence.track("me", "ann", topic="room:1")
        await advance(1)
        assert set(await eve.sees()) == {"ann"}
        bus.is_broken = True
        network.isolate("one")
        await advance(PERIODS.down + 2 * PERIODS.broadcast)
        assert set(await eve.sees()) == set()
        await presence.track("me", "joe", topic="room:1")
        eve.client.close()
        await settle()
        await server.endpoint.stop()
        assert left == ["ann", "joe"]
        assert server.records
        assert all("was lost" in record.getMessage() for record in server.records)
        server.records.clear()
        two.server.records.clear()  # the log is one for all nodes


@pytest.mark.parametrize("window", [0, 0.05])
async def test_hooks_are_called_once_the_lifespan_has_begun(window: float) -> None:
    """The start of the lifespan can be slow.

    Presences from before, also of another node, are then fetched and reported.
    """
    network = MemoryNetwork()
    names: dict[str, str] = {}
    told: list[str] = []

    async def fetch(topic: str, presences: dict[str, Any]) -> dict[str, Any]:
        return {key: {**value, "name": names[key]} for key, value in presences.items()}

    async def joined(topic: str, key: str, metas: Any) -> None:
        told.append(names[key])

    presence = Presence(fetch=fetch, joined=joined, window=window)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await presence.track("me", "joe", topic="room:1")
        await work(10)
        assert set(await presence.list("room:2")) == set()
        names.update(ann="Ann A.", joe="Joe J.")
        yield

    async with nodes(network, "one") as [one]:
        await one.presence.track("me", "ann", topic="room:1")
        await advance(1)
        endpoint = example(presence, pubsub=network.adapter("two"), lifespan=lifespan)
        async with serve(endpoint) as server:
            eve = await enter(server, "eve", watch=True)
            await eve.news()
            assert {key: value["name"] for key, value in eve.list.state.items()} == names
            assert sorted(told) == ["Ann A.", "Joe J."]
            assert await one.here() == {"ann", "joe"}
            eve.client.close()


async def test_hooks_are_not_called_if_the_lifespan_fails() -> None:
    """Presences that were tracked in the meantime are never reported."""
    told: list[str] = []

    async def hook(topic: str, key: str, metas: Any) -> None:
        told.append(key)

    presence = Presence(joined=hook, left=hook)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await presence.track("me", "joe", topic="room:1")
        if await presence.list("room:1"):
            raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError):
        await example(presence, lifespan=lifespan).start()
    assert told == []


async def test_telemetry_tells_what_becomes_of_other_nodes() -> None:
    """The statuses are up, down, up again, and gone."""
    network = MemoryNetwork()
    seen: list[tuple[str, str]] = []
    async with nodes(network, "two") as [two]:
        stop = two.server.endpoint.telemetry.attach(
            lambda event: (
                seen.append((event.node, event.status))
                if isinstance(event, ReplicaChanged)
                else None
            )
        )
        async with node(network, "one"):
            await advance(1)
            network.cut("one", "two")
            await advance(PERIODS.down + 2 * PERIODS.broadcast)
            network.heal()
            await advance((PERIODS.silent_ticks + 1) * PERIODS.broadcast)
        await settle()
        stop()
    assert seen == [("one", status) for status in ("up", "down", "up", "gone")]


@pytest.mark.conformance("TR071")
async def test_each_start_is_another_replica() -> None:
    """Its vsn is unique, and greater than the vsn of the start before.

    So other nodes know which replica is newer.
    """
    presence = Presence()
    endpoint = example(presence)
    refs: list[tuple[str, int]] = []
    for _ in range(3):
        async with serve(endpoint):
            refs.append(owners_of(presence).tracker.shards[0].ref)
    assert len({name for name, _ in refs}) == 1
    assert refs[0][1] < refs[1][1] < refs[2][1]
