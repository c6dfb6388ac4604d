"""A tick: what an open page gets once a second, of all nodes. Pure. Its size is bounded, however many nodes there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import nlargest
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from .figures import NodeFigures, SlowFigures
from .topic_rates import TopicFigures

__all__ = ["MAX_NODES", "DashboardTick", "tick_of"]

MAX_NODES: Final = 64
"""Nodes in a tick."""

MAX_SLOW_SHOWN: Final = 20


class DashboardTick(Struct, frozen=True, kw_only=True):
    """What a page gets.

    Attributes:
        time: Wall clock, seconds since 1970.
        node: The name of the node that serves the page.
        nodes: The figures of the nodes, without their topics and slow clients.
        silent: Nodes on the bus that have not answered: they have no dashboard, or are cut off.
        more_nodes: How many nodes are left out.
        topics: The topics of all nodes.
        more_topics: How many topics are left out, on the node that has the most.
        slow: Slow clients of all nodes.
    """

    time: float
    node: str
    nodes: list[NodeFigures]
    silent: list[str]
    more_nodes: int
    topics: list[TopicFigures]
    more_topics: int
    slow: list[SlowFigures]


def tick_of(
    time: float,
    node: str,
    figures: Mapping[str, NodeFigures],
    names: Iterable[str],
    most_topics: int,
) -> DashboardTick:
    """Return the tick of all nodes.

    Args:
        time: Wall clock, seconds since 1970.
        node: The name of this node, which is the first.
        figures: The newest figures of each node that has answered.
        names: The names of the nodes that are on the bus now.
        most_topics: The most topics.
    """
    on_bus = {node, *names}
    known = {name: one for name, one in figures.items() if name in on_bus}
    order = sorted(known, key=lambda name: (name != node, name))
    silent = sorted(on_bus - known.keys())
    shown = order[:MAX_NODES]
    topics = _topics(known.values(), most_topics)
    left_out = max((one.more_topics for one in known.values()), default=0)
    slow = [client for one in known.values() for client in one.slowest]
    return DashboardTick(
        time=time,
        node=node,
        nodes=[replace(known[name], topics=[], slowest=[]) for name in shown],
        silent=silent[: MAX_NODES - len(shown)],
        more_nodes=max(len(on_bus) - MAX_NODES, 0),
        topics=topics,
        more_topics=left_out,
        slow=nlargest(MAX_SLOW_SHOWN, slow, key=lambda client: client.bytes),
    )


def _topics(figures: Iterable[NodeFigures], most: int) -> list[TopicFigures]:
    """Add up the topics of all nodes, those with the most deliveries first.

    A broadcast passes each node that has subscribers, so the rate of messages is that of the node with the highest one.
    """
    found: dict[str, TopicFigures] = {}
    for one in (topic for node in figures for topic in node.topics):
        other = found.get(one.topic)
        found[one.topic] = (
            one
            if other is None
            else TopicFigures(
                one.topic,
                one.subscribers + other.subscribers,
                max(one.messages, other.messages),
                one.deliveries + other.deliveries,
                one.nodes + other.nodes,
            )
        )
    return nlargest(
        most, found.values(), key=lambda one: (one.deliveries, one.messages, one.subscribers)
    )
