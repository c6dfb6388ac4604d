"""Takes the samples of this node while somebody looks at them.

A node with many connections or topics is looked at in parts, and other tasks run in between.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from ..exporter.queues import QueueLook
from ..exporter.sampler import resident_memory
from ..history.logs import Logs
from ..presence import Presence
from ..server.server import Server
from .figures import MAX_SLOW, FigureMaker, NodeFigures, NodeSample, NodeState, SlowFigures
from .lag import LagProbe
from .names import is_own
from .topic_rates import MAX_TEXT

__all__ = ["Collector"]

PART: Final = 1000
"""Topics that are counted without a pause."""

MAX_TIMES: Final = 2000
"""Handlers of one sample whose times are kept."""


class HandlerTimes:
    """Counts the messages of clients, and keeps how long their handlers took."""

    def __init__(self) -> None:
        self._count = 0
        self._seconds: list[float] = []

    def count(self, topic: str, seconds: float) -> None:
        """Count a message."""
        if is_own(topic):
            return
        self._count += 1
        if len(self._seconds) < MAX_TIMES:
            self._seconds.append(seconds)

    def take(self) -> tuple[int, list[float]]:
        """Return the number of messages and the times since the last call."""
        found = self._count, self._seconds
        self._count, self._seconds = 0, []
        return found


class Collector:
    """Takes samples from its creation to :meth:`stop`.

    Args:
        server: The endpoint's server.
        presences: The presences of the endpoint.
        logs: The logs of topics with history; None without history.
        most_topics: The most topics in figures.
    """

    def __init__(
        self, server: Server, presences: Sequence[Presence], logs: Logs | None, most_topics: int
    ) -> None:
        self._server = server
        self._presences = presences
        self._logs = logs
        self._maker = FigureMaker(server.pubsub.node, most_topics)
        self._times = HandlerTimes()
        self._server.timers.append(self._times.count)
        self._lag = LagProbe(server.loop)

    def stop(self) -> None:
        """Stop counting and measuring."""
        self._server.timers.remove(self._times.count)
        self._lag.stop()

    async def collect(self) -> NodeFigures | None:
        """Return the figures since the last call; None at the first call."""
        look = QueueLook(tuple(self._server.connections), MAX_SLOW)
        while not look.part():  # noqa: ASYNC110 - it is no waiting: each part is work
            await asyncio.sleep(0)
        await self._count_topics()
        return self._maker.figures(self._sample(look))

    async def _count_topics(self) -> None:
        pubsub, accounts = self._server.pubsub, self._server.telemetry.accounts
        for number, (topic, account) in enumerate(accounts.items(), 1):
            if not is_own(topic):
                self._maker.topics.count(
                    topic, account.messages, account.delivered, pubsub.subscribers(topic)
                )
            if number % PART == 0:
                await asyncio.sleep(0)

    def _sample(self, look: QueueLook) -> NodeSample:
        server, telemetry = self._server, self._server.telemetry
        messages_in, handled = self._times.take()
        dropped: Counter[str] = Counter()
        for (_, reason), count in telemetry.drops.items():
            dropped[reason.text] += count
        node = server.pubsub.node
        return NodeSample(
            at=server.loop.time(),
            state=self._state(look),
            cpu=time.process_time(),
            dropped=dropped,
            exceeded={limit.text: count for limit, count in telemetry.exceeded.items()},
            lost={reason.text: count for reason, count in telemetry.missed.items()},
            messages_in=messages_in,
            handled=handled,
            slowest=[
                SlowFigures(
                    node,
                    server.inspector.name_of(connection),
                    None if connection.id is None else connection.id[:MAX_TEXT],
                    messages,
                    size,
                )
                for connection, messages, size in look.slowest()
                if not connection.is_lost
            ],
        )

    def _state(self, look: QueueLook) -> NodeState:
        server, pubsub = self._server, self._server.pubsub
        mean, highest = self._lag.take()
        own = sum(one.socket.is_internal for one in server.connections)
        return NodeState(
            connections=len(server.connections) - own,
            tasks=server.tasks,
            memory=resident_memory(),
            slow=look.slow,
            unsent=look.bytes,
            waiting=look.items,
            longest=look.longest,
            presences={presence.name: presence.tracked for presence in self._presences},
            bus=_up(None if pubsub.cluster is None else pubsub.cluster.watch.is_up),
            store=_up(None if self._logs is None else self._logs.guard.is_up),
            is_draining=server.is_draining,
            lag_mean=mean,
            lag_max=highest,
        )


def _up(is_up: bool | None) -> str:
    return "none" if is_up is None else "up" if is_up else "down"
