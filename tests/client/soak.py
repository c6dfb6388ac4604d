"""A world in memory, under virtual time: nodes that are cut, restarted and drained, and clients that talk through it all.

Each client joins one topic whose history is long enough for everything, and one whose history is too short. What happens
is chosen by a seed, which a failure prints.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any, ClassVar

import msgspec

from bennu import Channel, Endpoint, History, Stop, on
from bennu.bus import MemoryNetwork
from bennu.client import Client, ClientError, Promise, RemoteChannel
from bennu.store import Appended, Draft, Retention
from bennu.testing.clock import advance, settle
from bennu.testing.shared_store import SharedStore
from tests.support.clock import work
from tests.support.memory import endpoint_of

from .in_memory import URL, Network

__all__ = ["SHORT", "World"]

LONG, SHORT = "long", "short"
NODES = ("one", "two", "three")


class Talk(Channel[Any]):
    """What a client says reaches all; the reply says that it is in the log."""

    history = History.by_topic(
        lambda topic: (
            History(size=100_000, ttl=timedelta(days=30), max_recovered=100_000)
            if topic == LONG
            else History(size=3, ttl=timedelta(days=30))
        )
    )

    delay: ClassVar[Callable[[], float]] = staticmethod(lambda: 0.0)
    """Returns the seconds that a join takes. Some take longer than clients wait."""

    async def join(self) -> None:
        await work(Talk.delay())

    @on("crash")
    async def crash(self) -> None:
        raise Stop("broken")

    @on("say")
    async def say(self, payload: dict[str, Any]) -> dict[str, Any]:
        await self.broadcast("said", payload)
        return {}


class RecordingStore(SharedStore):
    """A store that notes each entry, also those that it keeps no longer."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: dict[str, dict[int, str]] = {LONG: {}, SHORT: {}}

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        """Append drafts, and note them."""
        appended = await super().append(topic, drafts, retention)
        for draft, (offset, _) in zip(drafts, appended.places, strict=True):
            self._entries[topic][offset] = msgspec.json.decode(draft.payload)["id"]
        return appended

    def names(self, topic: str) -> list[str]:
        """Return what the entries of a topic say of themselves, in order."""
        entries = self._entries[topic]
        assert sorted(entries) == list(range(1, len(entries) + 1)), "the log has a hole"
        return [entries[offset] for offset in sorted(entries)]


def judge(listener: Listener, log: list[str]) -> None:
    """Check what a client has heard: each part is a run of the log, the last one up to its end, and nothing twice."""
    told = sum(listener.missed.values())
    assert len(listener.parts) == told + 1, "what is lost is told"
    if listener.topic == LONG:
        assert listener.parts == [log], "everything, once and in order"
    end = 0
    for part in filter(None, listener.parts):
        start = log.index(part[0])
        assert start >= end, "nothing twice, and in order"
        end = start + len(part)
        assert part == log[start:end], "a part has no hole"
    assert listener.parts[-1][-1] == log[-1], "up to the end"


class Listener:
    """What one client hears of one topic.

    Attributes:
        parts: The messages; a new part begins when the client is told that something is lost.
        missed: The reasons.
    """

    def __init__(self, client: Client, topic: str) -> None:
        self.topic = topic
        self.parts: list[list[str]] = [[]]
        self.missed: Counter[str] = Counter()
        self.recovered = 0
        self.room: RemoteChannel = client.channel(
            topic, missed=self._missed, recovered=self._recovered
        )
        self.room.on("said", lambda payload: self.parts[-1].append(payload["id"]))
        _ = self.room.join()

    def _missed(self, reason: str) -> None:
        self.missed[reason] += 1
        self.parts.append([])

    def _recovered(self, count: int) -> None:
        self.recovered += 1


class World:
    """Nodes and clients.

    Args:
        seed: Chooses everything.
        clients: The number of clients.
    """

    def __init__(self, seed: int, clients: int = 4) -> None:
        self.random = Random(seed)
        Talk.delay = staticmethod(lambda: self.random.choice((0, 0, 0, 0, 0, 0.05, 3)))
        self.did: Counter[str] = Counter()
        self.confirmed: set[str] = set()
        self.unknown = 0
        self.cuts = 0
        self._store = RecordingStore()
        self._bus = MemoryNetwork()
        self._nodes: dict[str, Endpoint] = {}
        self._network = Network(self._choose)
        self._clients = [
            Client(URL, transport=self._network.open, timeout=2) for _ in range(clients)
        ]
        self.listeners: list[Listener] = []
        self._said = 0
        self._pushes: list[tuple[str, Promise[Any]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def _choose(self) -> Endpoint | None:
        living = sorted(name for name, node in self._nodes.items() if node.is_ready)
        return self._nodes[self.random.choice(living)] if living else None

    async def begin(self) -> None:
        """Start the nodes and the clients."""
        for name in NODES:
            await self._start(name)
        for client in self._clients:
            await client.opened()
            self.listeners += [Listener(client, topic) for topic in (LONG, SHORT)]
        while not all(listener.room.is_joined for listener in self.listeners):
            await advance(1)

    async def _start(self, name: str) -> None:
        endpoint = endpoint_of(
            {"long": Talk, "short": Talk}, pubsub=self._bus.adapter(name), store=self._store
        )
        await endpoint.start()
        self._nodes[name] = endpoint

    # What can happen.

    def say(self) -> None:
        """Let a client say something in a topic that it has joined, or is about to join."""
        listener = self.random.choice(self.listeners)
        self._said += 1
        name = f"m{self._said}"
        with suppress(ClientError):
            self._pushes.append((name, listener.room.push("say", {"id": name})))

    def crash(self) -> None:
        """Let channels crash on the server: their clients join again on the same connection."""
        for listener in self.listeners:
            if self.random.random() < 0.3:
                with suppress(ClientError):
                    _ = listener.room.push("crash")

    def cut(self) -> None:
        """Cut some connections without a word, with what is under way on them."""
        for wire in tuple(self._network.wires):
            if self.random.random() < 0.4:
                wire.cut()
                self.cuts += 1

    async def restart(self) -> None:
        """Stop a node, and start it again a little later."""
        name = self.random.choice(NODES)
        await self._nodes.pop(name).stop()
        await advance(self.random.choice([0, 0.1, 3]))
        await self._start(name)

    async def drain(self) -> None:
        """Let a node send its clients away, and replace it."""
        name = self.random.choice(NODES)
        node = self._nodes[name]
        draining = asyncio.create_task(node.drain())
        await advance(self.random.choice([0, 1, 20]))
        await draining
        await self._nodes.pop(name).stop()
        await self._start(name)

    async def step(self) -> None:
        """Let one of these happen, and some time pass."""
        for _ in range(self.random.randint(0, 6)):
            self.say()
        kind = self.random.choices(("cut", "crash", "restart", "drain"), (20, 8, 2, 1))[0]
        self.did[kind] += 1
        if kind == "cut":
            if self.random.random() < 0.5:
                await asyncio.sleep(0)
            self.cut()
        elif kind == "crash":
            self.crash()
        else:
            await (self.restart() if kind == "restart" else self.drain())
        await advance(self.random.choice([0, 0, 0.005, 0.02, 0.1, 1, 4]))
        await self._note()

    async def _note(self) -> None:
        waiting: list[tuple[str, Promise[Any]]] = []
        for name, push in self._pushes:
            if not push.is_done:
                waiting.append((name, push))
                continue
            try:
                await push
            except ClientError:
                self.unknown += 1
            else:
                self.confirmed.add(name)
        self._pushes = waiting

    # The end.

    async def check(self) -> None:
        """Wait until all is quiet, and compare what each client has heard with the logs."""
        await advance(60)
        for topic in (LONG, SHORT):
            speaker = next(one for one in self.listeners if one.topic == topic)
            await speaker.room.push("say", {"id": f"last {topic}"})
        await advance(5)
        await self._note()
        logs = {topic: self._store.names(topic) for topic in (LONG, SHORT)}
        for listener in self.listeners:
            assert listener.room.is_joined, listener.room
            judge(listener, logs[listener.topic])
        entries = Counter(logs[LONG] + logs[SHORT])
        assert set(entries.values()) == {1}, "a message is twice in the logs"
        assert self.confirmed <= entries.keys(), "a confirmed message is in no log"

    async def end(self) -> None:
        """Close everything."""
        for client in self._clients:
            await client.close()
        for node in self._nodes.values():
            await node.stop()
        await settle()
