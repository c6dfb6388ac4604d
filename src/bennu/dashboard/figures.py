"""What a page shows of a node: its state, and the rates between two samples. Pure.

A *sample* has what the node has counted since its start, and the state of this moment. :class:`FigureMaker` keeps the last
sample, and makes *figures* of it and the next one. Figures are of bounded size, whatever the node does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from .topic_rates import TopicFigures, TopicRates

__all__ = [
    "MAX_SLOW",
    "FigureMaker",
    "NodeFigures",
    "NodeSample",
    "NodeState",
    "SlowFigures",
]

MAX_SLOW: Final = 10
"""Slow clients in the figures of a node."""

SHORTEST: Final = 0.001
"""Seconds between two samples, at least."""


class SlowFigures(Struct, frozen=True):
    """A client that reads too slowly.

    Attributes:
        node: The name of its node.
        connection: The id of the connection on its node.
        user: The id that ``Socket(id=...)`` returned; None without one.
        messages: Messages that wait, and can be dropped.
        bytes: Bytes that wait.
    """

    node: str
    connection: str
    user: str | None
    messages: int
    bytes: int


class NodeState(Struct, frozen=True, kw_only=True):
    """The state of a node at a moment.

    Attributes:
        connections: Open connections, without those of dashboards.
        tasks: Tasks of channels, raw handlers and the server.
        memory: Resident bytes.
        slow: Clients that read too slowly.
        unsent: Bytes that wait for them.
        waiting: Items that wait for busy channels.
        longest: Items that wait for the busiest channel.
        presences: Presences of clients of this node, by the name of the presence.
        bus: ``"none"``, ``"up"`` or ``"down"``.
        store: ``"none"``, ``"up"`` or ``"down"``.
        is_draining: Whether the node closes its connections.
        lag_mean: How late timers of the event loop ran on average, in seconds.
        lag_max: How late they ran at most.
    """

    connections: int
    tasks: int = 0
    memory: int = 0
    slow: int = 0
    unsent: int = 0
    waiting: int = 0
    longest: int = 0
    presences: dict[str, int] = {}
    bus: str = "none"
    store: str = "none"
    is_draining: bool = False
    lag_mean: float = 0.0
    lag_max: float = 0.0


class NodeSample(Struct, frozen=True, kw_only=True):
    """What a node has counted, and its state.

    Attributes:
        at: Seconds of a clock that does not go back.
        state: The state.
        cpu: Seconds of CPU since the start.
        dropped: Dropped messages since the start, by reason.
        exceeded: Excesses since the start, by limit.
        lost: Messages lost on the bus since the start, by reason.
        messages_in: Messages of clients that were handled since the last sample.
        handled: Seconds that handlers took since the last sample: of all messages, or of the first ones.
        slowest: Slow clients.
    """

    at: float
    state: NodeState
    cpu: float = 0.0
    dropped: Mapping[str, int] = {}
    exceeded: Mapping[str, int] = {}
    lost: Mapping[str, int] = {}
    messages_in: int = 0
    handled: Sequence[float] = ()
    slowest: Sequence[SlowFigures] = ()


class NodeFigures(Struct, frozen=True, kw_only=True):
    """What a page shows of a node.

    Attributes:
        node: The name of the node.
        state: Its state.
        cpu: The part of a core that the process used.
        messages_in: Messages of clients by the second.
        messages: Broadcasts by the second.
        deliveries: Deliveries to clients by the second.
        drops: Dropped messages by the second.
        handler_median: Seconds of the median handler; None without one.
        handler_p99: Seconds of the 99th percentile of the handlers.
        dropped: Dropped messages since the start, by reason.
        exceeded: Excesses since the start, by limit.
        lost: Messages lost on the bus since the start, by reason.
        topics: The topics to show.
        more_topics: How many topics are left out.
        slowest: Slow clients.
    """

    node: str
    state: NodeState
    cpu: float = 0.0
    messages_in: float = 0.0
    messages: float = 0.0
    deliveries: float = 0.0
    drops: float = 0.0
    handler_median: float | None = None
    handler_p99: float | None = None
    dropped: dict[str, int] = {}
    exceeded: dict[str, int] = {}
    lost: dict[str, int] = {}
    topics: list[TopicFigures] = field(default_factory=list[TopicFigures])
    more_topics: int = 0
    slowest: list[SlowFigures] = field(default_factory=list[SlowFigures])


class FigureMaker:
    """Makes the figures of one node.

    Args:
        node: The name of the node.
        most: The most topics.

    Attributes:
        topics: The rates of the topics. Count all topics before each call of :meth:`figures`.
    """

    def __init__(self, node: str, most: int) -> None:
        self._node = node
        self._last: NodeSample | None = None
        self.topics = TopicRates(most)

    def figures(self, sample: NodeSample) -> NodeFigures | None:
        """Return the figures between the last sample and this one; None at the first one."""
        last, self._last = self._last, sample
        seconds = SHORTEST if last is None else max(sample.at - last.at, SHORTEST)
        topics = self.topics
        messages, deliveries, count = topics.messages, topics.deliveries, topics.topics
        shown = topics.finish(seconds)
        if last is None:
            return None
        handled = sorted(sample.handled)
        drops = sum(sample.dropped.values()) - sum(last.dropped.values())
        return NodeFigures(
            node=self._node,
            state=sample.state,
            cpu=(sample.cpu - last.cpu) / seconds,
            messages_in=sample.messages_in / seconds,
            messages=messages / seconds,
            deliveries=deliveries / seconds,
            drops=drops / seconds,
            handler_median=_percentile(handled, 0.5),
            handler_p99=_percentile(handled, 0.99),
            dropped=dict(sample.dropped),
            exceeded=dict(sample.exceeded),
            lost=dict(sample.lost),
            topics=shown,
            more_topics=count - len(shown),
            slowest=list(sample.slowest),
        )


def _percentile(values: Sequence[float], part: float) -> float | None:
    """Return the value below which a part of sorted values lies; None without values."""
    return values[min(int(part * len(values)), len(values) - 1)] if values else None
