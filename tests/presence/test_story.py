"""A long random story: users come, go, change and lose their network, and clients follow all diffs.

When the network is quiet, each client has the list of its server, all servers have the same list, and the list has
exactly the users who are present. No client that could always receive a user's node sees that user leave too
early.
"""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from random import Random
from typing import Any

import pytest

from bennu import Presence
from bennu.bus import MemoryNetwork
from bennu.testing.clock import advance, settle

from ..support.memory import Server, serve
from .rooms import Member, Present, enter, example

NODES = ("one", "two", "three")
STEPS = 120
QUIET = 60.0


class Story:
    """Three nodes, their users, and clients that watch."""

    def __init__(self, random: Random, network: MemoryNetwork) -> None:
        self.random = random
        self.network = network
        self.presences: dict[str, Presence] = {}
        self.servers: dict[str, Server] = {}
        self.watchers: list[tuple[str, Member]] = []
        self.users: list[tuple[str, str, Member]] = []
        self.made = 0

    async def come(self) -> None:
        """Add a presence: half of these users are present already, with another device."""
        name = self.random.choice([f"user{self.made}", "ann", "bob"])
        self.made += 1
        at = self.random.choice(NODES)
        member = await enter(self.servers[at], name)
        self.users.append((at, name, member))

    async def change(self) -> None:
        """Change the meta of a presence, once or twice."""
        if self.users:
            _, name, member = self.random.choice(self.users)
            for _ in range(self.random.randint(1, 3)):
                payload = {"key": name, "meta": {"n": self.random.randint(1, 9)}}
                member.client.push("room:1", "update", payload)

    async def go(self) -> None:
        """Remove a presence, in one of several ways."""
        if self.users:
            _, _, member = self.users.pop(self.random.randrange(len(self.users)))
            await member.news()
            if self.random.random() < 0.5:
                member.client.vanish()
            else:
                member.client.close()

    async def rejoin(self) -> None:
        """Join again with a client that has not left."""
        if self.users:
            _, _, member = self.random.choice(self.users)
            await member.news()
            member.client.start_join("room:1", {})
            member.list.rejoin()

    async def watch(self) -> None:
        """Add a client that only watches."""
        if len(self.watchers) < 9:
            at = self.random.choice(NODES)
            self.watchers.append((at, await enter(self.servers[at], "eve", watch=True)))

    async def cut(self) -> None:
        """Interrupt the network between two nodes, or restore it."""
        if self.random.random() < 0.5:
            self.network.cut(*self.random.sample(NODES, 2))
        else:
            self.network.heal()

    async def step(self) -> None:
        """Do one random action, and then let some time pass."""
        kinds = [self.come] * 4 + [self.change] * 4 + [self.go] * 3
        kinds += [self.rejoin, self.watch, self.cut]
        await self.random.choice(kinds)()
        await advance(self.random.choice([0, 0, 0.01, 0.03, 0.2, 2, 40]))

    async def check(self) -> None:
        """Wait until the network is quiet, and compare the lists."""
        self.network.heal()
        await advance(QUIET)
        here: dict[str, int] = {}
        for _, name, _ in self.users:
            here[name] = here.get(name, 0) + 1
        lists = {at: await presence.list("room:1") for at, presence in self.presences.items()}
        for at, listed in lists.items():
            assert {key: len(value["metas"]) for key, value in listed.items()} == here, at
            assert _refs(listed) == _refs(lists["one"]), at
        everybody = [*self.watchers, *((at, member) for at, _, member in self.users)]
        for at, member in everybody:
            await member.news()
            assert _refs(member.list.state) == _refs(lists[at]), at

    async def end(self) -> None:
        """Let all users leave."""
        for _, member in [*self.watchers, *((at, member) for at, _, member in self.users)]:
            member.client.close()
        await settle()


@pytest.mark.parametrize("window", [0, 0.05, 1])
@pytest.mark.parametrize(
    "seed", [0, *[pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2, 3)]]
)
async def test_when_it_is_quiet_everybody_agrees(seed: int, window: float) -> None:
    random.seed(seed)  # when trackers begin to tick
    network = MemoryNetwork()
    story = Story(Random(seed), network)
    async with AsyncExitStack() as stack:
        for name in NODES:
            presence = Presence(window=window, shards=2)
            endpoint = example(presence, Present, pubsub=network.adapter(name), timeout=1_000_000)
            story.presences[name] = presence
            story.servers[name] = await stack.enter_async_context(serve(endpoint, lossy=True))
        stayer = await enter(story.servers["one"], "stayer")
        story.users.append(("one", "stayer", stayer))
        await advance(QUIET)
        watcher = await enter(story.servers["one"], "eve", watch=True)
        story.watchers.append(("one", watcher))
        story.users.remove(("one", "stayer", stayer))
        for number in range(STEPS):
            await story.step()
            if number % 40 == 39:
                story.users.append(("one", "stayer", stayer))
                await story.check()
                story.users.remove(("one", "stayer", stayer))
        assert "stayer" not in {key for key, _ in watcher.list.leaves}
        stayer.client.close()
        await story.end()


def _refs(state: dict[str, Any]) -> dict[str, set[str]]:
    return {key: {meta["phx_ref"] for meta in value["metas"]} for key, value in state.items()}
