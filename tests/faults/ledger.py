"""The account of a run: for each receiver, publisher and topic, published = received + counted as missed. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Account", "Ledger"]

Stream = tuple[str, str]
"""A publishing node, and a topic."""


@dataclass(frozen=True)
class Account:
    """What a run comes to.

    Attributes:
        published: Messages times receivers: what all clients together had to get.
        received: What they got.
        counted: What their nodes counted as missed.
        unknown: Reports of a loss without a count: of nodes that were killed.
        wrong: Sentences about what does not add up.
    """

    published: int
    received: int
    counted: int
    unknown: int
    wrong: list[str] = field(default_factory=list[str])


class Ledger:
    """What every client received.

    A client of a node hears what the node hears. So all clients of a node must have received the same.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, str], int] = {}
        self._count: Counter[tuple[str, str, str]] = Counter()
        self.wrong: list[str] = []

    def receive(self, client: str, node: str, topic: str, number: int) -> None:
        """Enter a message that a client received.

        Args:
            client: The client.
            node: The publishing node.
            topic: The topic.
            number: The number that the publishing node gave it, from 1.
        """
        key = (client, node, topic)
        last = self._last.get(key, 0)
        if number <= last:
            self.wrong.append(f"{client} got {number} of {node} in {topic} after {last}")
        self._last[key] = number
        self._count[key] += 1

    def received(self, client: str) -> Counter[Stream]:
        """Return how many messages of each stream a client received."""
        counts: Counter[Stream] = Counter()
        for (name, node, topic), count in self._count.items():
            if name == client:
                counts[node, topic] = count
        return counts

    def account(
        self,
        published: Mapping[str, Mapping[str, int]],
        missed: Mapping[str, Sequence[Sequence[Any]]],
        clients: Mapping[str, Sequence[str]],
    ) -> Account:
        """Add up.

        Args:
            published: By publishing node: how many messages in each topic. A killed node is missing.
            missed: By receiving node: the losses that it reported: node, topic, count, reason.
            clients: By receiving node: its clients, which were connected all the time.
        """
        wrong = [*self.wrong]
        due = got = counted = unknown = 0
        for receiver, names in clients.items():
            gaps: Counter[Stream] = Counter()
            tails: set[str] = set()
            for node, topic, count, reason in missed.get(receiver, ()):
                if reason != "gap":
                    tails |= {node} if reason == "tail" else set()
                elif topic is None or count is None:
                    unknown += 1
                    tails.add(node)
                else:
                    gaps[node, topic] += count
            unknown += len(tails)
            for name in names:
                counts = self.received(name)
                expected: Counter[Stream] = Counter()
                for node, topics in published.items():
                    for topic, count in topics.items():
                        expected[node, topic] = count
                for stream, count in expected.items():
                    lost = 0 if stream[0] == receiver else gaps[stream]
                    due, got, counted = due + count, got + counts[stream], counted + lost
                    if counts[stream] + lost != count and stream[0] not in tails:
                        wrong.append(
                            f"{name} on {receiver}: {stream[0]} published {count} in {stream[1]},"
                            f" received {counts[stream]}, counted {lost}"
                        )
                ended = {node for node, _ in counts} - published.keys() - tails
                wrong += [f"{receiver} was not told of the unknown tail of {one}" for one in ended]
        return Account(due, got, counted, unknown, wrong)

    def differences(self, clients: Mapping[str, Sequence[str]]) -> list[str]:
        """Return sentences about clients of one node that have not received the same."""
        found: dict[str, set[frozenset[tuple[Stream, int]]]] = defaultdict(set)
        for node, names in clients.items():
            for name in names:
                found[node].add(frozenset(self.received(name).items()))
        return [f"clients of {node} differ" for node, kinds in found.items() if len(kinds) > 1]
