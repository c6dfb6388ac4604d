"""The same without history: what is lost is lost, and the accounts name it.

In most topics, clients lose their connections. In a few, clients do not read for a while, and messages are large. On each node
and in each topic sits a *witness* to whom neither happens. At the end, for each node and topic:

- the account is balanced: ``due`` is the sum of what became of the deliveries;
- what the node has passed on, and what the bus has lost on its way to it (``lost``), is everything that was said anywhere;
- the witness has got all that the node has passed on;
- each connection that was cut has got, from its first message on, what the witness has got, without a hole, up to the cut;
- where nobody was cut, clients have got exactly what is ``delivered``; the rest is in ``dropped``, by its reason.

So each message that a client misses has a name: the client was away, the cut took it after it was handed to the transport, the
client was too slow, or the bus lost it. No node is killed here: the accounts of a killed node are gone with it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from ..faults.fleet import Worker
from ..support.frames import PHX_REPLY, Frame, decode_v2, encode_v2, joining, pushing
from .link import Link

__all__ = ["Listener", "PlainVerdict", "Visit", "judge_plain"]

OWN = "!"
"""What an id has after the name of its sender, if the sender does not get it."""


@dataclass
class Visit:
    """One stay of a client in a topic: from the reply to its join to the end of the connection.

    Attributes:
        client: The client.
        node: The number of its node.
        topic: The topic.
        is_cut: Whether the connection was cut.
        got: The messages, in their order.
    """

    client: str
    node: int
    topic: str
    is_cut: bool = False
    got: list[str] = field(default_factory=list[str])


class Listener:
    """A client of one node that joins topics, and connects again when its connection was cut.

    Args:
        name: Its name.
        worker: Its node.
        topics: The topics.
        random: Chooses.
        path: The socket.

    Attributes:
        visits: Its stays.
    """

    def __init__(
        self, name: str, worker: Worker, topics: Sequence[str], random: Random, path: str
    ) -> None:
        self.name = name
        self.worker = worker
        self.topics = topics
        self.visits: list[Visit] = []
        self._refs = map(str, count(1))
        self._open: dict[str, Visit] = {}
        self._reads = asyncio.Event()
        self._reads.set()
        self._link = Link(
            lambda: f"{worker.url}{path}", self._talk, self._open.clear, random, max_queue=2
        )
        self.start = self._link.start
        self.stop = self._link.stop

    def cut(self) -> None:
        """Cut the connection without a word."""
        if self._link.websocket is not None:
            for visit in self._open.values():
                visit.is_cut = True
        self._link.cut()

    def pause(self) -> None:
        """Read nothing for now."""
        self._reads.clear()

    def resume(self) -> None:
        """Read again."""
        self._reads.set()

    @property
    def is_joined(self) -> bool:
        """Whether it has joined all its topics."""
        return len(self._open) == len(self.topics)

    async def say(self, topic: str, event: str, size: int) -> None:
        """Say something in a topic, if the client is connected."""
        if self._link.websocket is not None and topic in self._open:
            ref = next(self._refs)
            mark = OWN if event == "say_to_others" else "-"
            payload = {"id": f"{self.name}{mark}{ref}", "text": "x" * size}
            with suppress(WebSocketException):
                await self._link.websocket.send(
                    encode_v2(pushing("join", ref, topic, event, payload))
                )

    async def _talk(self, websocket: ClientConnection) -> None:
        for topic in self.topics:
            await websocket.send(encode_v2(joining("join", topic)))
        async for frame in websocket:
            self._take(decode_v2(frame))
            await self._reads.wait()

    def _take(self, frame: Frame) -> None:
        _, ref, topic, event, payload = frame
        if event == PHX_REPLY and ref == "join":
            assert payload["status"] == "ok", payload
            self._open[topic] = Visit(self.name, self.worker.number, topic)
            self.visits.append(self._open[topic])
        elif event == "said":
            self._open[topic].got.append(payload["id"])


@dataclass
class PlainVerdict:
    """What a run without history came to.

    Attributes:
        said: Messages that were said.
        due: Deliveries that were due, of all nodes.
        delivered: Those of them that were handed to a transport.
        taken: Messages that clients have got.
        own: Those that were left out, because the member has sent them.
        in_flight: Those that were handed to the transport of a connection that was cut, and have not arrived.
        dropped: Those that were dropped, by reason.
        lost: Messages that the bus has lost, of all nodes.
        wrong: What is wrong.
    """

    said: int = 0
    due: int = 0
    delivered: int = 0
    taken: int = 0
    own: int = 0
    in_flight: int = 0
    dropped: dict[str, int] = field(default_factory=lambda: defaultdict[str, int](int))
    lost: int = 0
    wrong: list[str] = field(default_factory=list[str])


def judge_plain(
    visits: Sequence[Visit],
    accounts: dict[int, dict[str, dict[str, Any]]],
    said: dict[str, int],
    witness: str,
) -> PlainVerdict:
    """Compare what clients have got with the accounts of the nodes.

    Args:
        visits: All stays of all clients.
        accounts: The accounts of each node by topic.
        said: How many messages were said in each topic, on all nodes.
        witness: What the names of the witnesses begin with.
    """
    verdict = PlainVerdict(said=sum(said.values()))
    stays: dict[tuple[int, str], list[Visit]] = defaultdict(list)
    for visit in visits:
        stays[visit.node, visit.topic].append(visit)
    for node, topics in accounts.items():
        for topic, account in topics.items():
            if topic in said:
                _judge_topic(verdict, f"node {node}, {topic}", account, said[topic])
                _judge_stays(verdict, f"node {node}, {topic}", account, stays[node, topic], witness)
    return verdict


def _judge_topic(verdict: PlainVerdict, where: str, account: dict[str, Any], said: int) -> None:
    """Check the account of one topic on one node."""
    dropped = sum(account["dropped"].values())
    rest = sum(account[name] for name in ("own", "handled", "waiting", "behind", "cut"))
    if account["due"] != account["delivered"] + dropped + rest:
        verdict.wrong.append(f"{where}: the account is not balanced: {account}")
    if account["messages"] + account["lost"] != said:
        verdict.wrong.append(
            f"{where}: {account['messages']} messages and {account['lost']} lost are not the {said} that were said"
        )
    verdict.due += account["due"]
    verdict.delivered += account["delivered"]
    verdict.own += account["own"]
    verdict.lost += account["lost"]
    for reason, number in account["dropped"].items():
        verdict.dropped[reason] += number


def _judge_stays(
    verdict: PlainVerdict, where: str, account: dict[str, Any], stays: Sequence[Visit], witness: str
) -> None:
    """Check what the clients of one topic on one node have got."""
    [all_of_it] = [visit.got for visit in stays if visit.client.startswith(witness)]
    if len(all_of_it) != account["messages"] or len(set(all_of_it)) != len(all_of_it):
        verdict.wrong.append(
            f"{where}: the witness has got {len(all_of_it)} messages, and the node has passed on {account['messages']}"
        )
    place = {name: index for index, name in enumerate(all_of_it)}
    taken = sum(len(visit.got) for visit in stays)
    verdict.taken += taken
    if any(visit.is_cut for visit in stays):
        verdict.in_flight += account["delivered"] - taken
    elif taken != account["delivered"]:
        verdict.wrong.append(
            f"{where}: {account['delivered']} are delivered, and {taken} have come"
        )
    if taken > account["delivered"]:
        verdict.wrong.append(
            f"{where}: {taken} have come, and only {account['delivered']} are delivered"
        )
    may_skip = bool(account["dropped"])
    for visit in stays:
        places = [place.get(name, -1) for name in visit.got]
        if -1 in places or places != sorted(set(places)):
            verdict.wrong.append(f"{where}: {visit.client} has got repeats, or a wrong order")
        elif not may_skip:
            # A message of the client's former connection can come, and one of this connection does not.
            own = {place[name] for name in all_of_it if name.startswith(f"{visit.client}{OWN}")}
            got = set(places) - own
            due = set(range(min(got), max(got) + 1)) - own if got else set[int]()
            if due != got:
                verdict.wrong.append(
                    f"{where}: {visit.client} has a hole of {len(due - got)} messages"
                )
