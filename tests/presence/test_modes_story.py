"""Random stories in all modes: clients have what the mode selects from the users who are present.

Two nodes can lose their connection. ``fetch`` is slow or missing, the window and the grace time are zero or not.
Changes come at any moment of a fetch, or of a switch by size.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

import pytest

from bennu import BySize, Count, Full, Presence, Sample
from bennu.bus import MemoryNetwork
from bennu.presence.modes import Mode, Simple
from bennu.testing.clock import advance
from tests.support.clock import work

from ..support.memory import Server, serve
from .rooms import Member, enter, example

MODES: Final[list[Mode]] = [
    Full(),
    Sample(2),
    Sample(20),
    BySize({0: Full(), 4: Sample(2), 7: Count()}),
    BySize({0: Count(), 3: Full(), 6: Sample(10)}),
]
STEPS: Final = 60
QUIET: Final = 400.0
MOMENTS: Final = (0, 0.01, 0.06, 0.3, 1, 5, 40)

Refs = dict[str, set[str]]


class Node:
    """A node, and the users that its hooks have reported as present."""

    def __init__(self, random: Random, options: dict[str, Any], slow: float | None) -> None:
        self.told: set[str] = set()
        self.server: Server
        self.members: list[Member] = []

        async def fetch(topic: str, presences: dict[str, Any]) -> dict[str, Any]:
            await work(random.random() * (slow or 0))
            return {key: {**value, "name": key.upper()} for key, value in presences.items()}

        async def joined(topic: str, key: str, metas: Any) -> None:
            assert key not in self.told, f"{key} joined twice"
            self.told.add(key)

        async def left(topic: str, key: str, metas: Any) -> None:
            self.told.remove(key)

        if slow is not None:
            options = {**options, "fetch": fetch}
        self.mode: Mode = options["mode"]
        self.presence = Presence(joined=joined, left=left, **options)

    async def come(self, name: str, *, watch: bool = False) -> None:
        """Connect a client."""
        self.members.append(await enter(self.server, name, watch=watch))

    async def refs(self) -> Refs:
        """Return the refs of the users who are present."""
        return refs_of(await self.presence.list("room:1"))

    def check(self, here: Refs) -> None:
        """Check that all clients have the same list, and that the mode allows it."""
        first, *others = (refs_of(member.list.state) for member in self.members)
        assert all(other == first for other in others)
        assert all(first[key] == here[key] for key in first)
        assert any(_shows(mode, first, here) for mode in _modes(self.mode, len(here)))


def _modes(mode: Mode, keys: int) -> list[Simple]:
    """Return the modes that can apply to a topic. At some sizes the mode depends on the size before."""
    if isinstance(mode, BySize):
        return [mode.modes[mode.threshold(before, keys)] for before in mode.modes]
    return [mode]


def _shows(mode: Simple, shown: Refs, here: Refs) -> bool:
    """Return whether a list is one that a mode allows."""
    match mode:
        case Full():
            return shown == here
        case Sample(size):
            return len(shown) == min(size, len(here))
        case Count():
            return shown == {}


def refs_of(state: dict[str, Any]) -> Refs:
    """Return the refs of each key."""
    return {key: {meta["phx_ref"] for meta in value["metas"]} for key, value in state.items()}


async def tell(
    random: Random, nodes: list[Node], network: MemoryNetwork
) -> list[tuple[Node, object, str]]:
    """Run random actions on two nodes, at random moments; return what is tracked at the end."""
    tracked: list[tuple[Node, object, str]] = []

    async def track(node: Node, key: str) -> None:
        owner = object()
        await node.presence.track(owner, key, {"n": random.randrange(3)}, topic="room:1")
        tracked.append((node, owner, key))

    async def update(node: Node, key: str) -> None:
        if tracked:
            node, owner, key = random.choice(tracked)
            for _ in range(random.randint(1, 3)):
                meta = {"n": random.randrange(3)}
                await node.presence.update(owner, key, meta, topic="room:1")

    async def untrack(node: Node, key: str) -> None:
        if tracked:
            node, owner, _ = tracked.pop(random.randrange(len(tracked)))
            await node.presence.untrack(owner)

    async def come(node: Node, key: str) -> None:
        await node.come(key)

    async def watch(node: Node, key: str) -> None:
        await node.come(key, watch=True)

    async def go(node: Node, key: str) -> None:
        if len(node.members) > 1:
            member = node.members.pop(random.randrange(1, len(node.members)))
            random.choice([member.client.close, member.client.vanish])()

    async def cut(node: Node, key: str) -> None:
        heal_or_cut: list[Callable[[], None]] = [network.heal, lambda: network.cut("one", "two")]
        random.choice(heal_or_cut)()

    steps = [come, go, watch, track, track, update, update, untrack, cut]
    for _ in range(STEPS):
        await random.choice(steps)(random.choice(nodes), f"u{random.randrange(8)}")
        await advance(random.choice(MOMENTS))
    network.heal()
    return tracked


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[pytest.mark.long] * (seed > 1)) for seed in range(12)]
)
async def test_clients_have_what_the_mode_says_of_who_is_here(seed: int) -> None:
    """This holds on both nodes when the network is quiet.

    The hooks were called with each key that came and each key that went.
    """
    random, network = Random(seed), MemoryNetwork()
    options = {
        "mode": MODES[seed % len(MODES)],
        "window": random.choice([0, 0.05]),
        "grace": random.choice([0, 2]),
    }
    slow = random.choice([None, 0.2, 3])
    one, two = (Node(random, options, slow) for _ in range(2))

    def endpoint(node: Node, name: str) -> Any:
        return example(node.presence, pubsub=network.adapter(name), timeout=1e6)

    async with (
        serve(endpoint(one, "one"), lossy=True) as one.server,
        serve(endpoint(two, "two"), lossy=True) as two.server,
    ):
        for node in (one, two):
            await node.come("eve", watch=True)
        tracked = await tell(random, [one, two], network)
        await advance(QUIET)
        here = await one.refs()
        assert here == await two.refs()
        for node in (one, two):
            await node.come("late", watch=True)
            for member in node.members:
                await member.news()
            node.check(here)
            assert node.told == set(here)
            # Who leaves while it waits for a slow fetch is given up after 5 s, and that is logged.
            assert all("did not finish" in record.getMessage() for record in node.server.records)
            node.server.records.clear()
            for member in node.members:
                member.client.close()
        for node, owner, _ in tracked:
            await node.presence.untrack(owner)
        await advance(QUIET)
        for node in (one, two):
            assert node.told == set()
            assert await node.presence.list("room:1") == {}
            node.server.records.clear()
