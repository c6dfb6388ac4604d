"""The figures of this node and of the others, while a page is open.

Theory of operation
-------------------
A node takes samples once a second while somebody wants its figures: an open page of its own, or another node with an open page.
A node with an open page asks all nodes each second, and a node that was asked sends its figures for three seconds. So the samples end
soon after the last page was closed, also if that node has crashed.

Without a page and without a question there is no task and no timer. The bus keeps one topic of a node that has a dashboard.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

from ..history.logs import Logs
from ..presence import Presence
from ..pubsub.envelope import DASHBOARDS
from ..server.server import Server
from .collector import Collector
from .figures import NodeFigures
from .finding import FoundConnections, cut, find, merged
from .follows import FollowTable
from .letters import (
    AskFigures,
    CutConnection,
    FigureLetter,
    FindConnections,
    FollowLetter,
    FoundLetter,
    Letter,
    SeenLetter,
    UnfollowLetter,
    read_letter,
    write_letter,
)
from .ticks import DashboardTick, tick_of

__all__ = ["MAX_PAGES", "DashboardNode"]

EVERY: Final = 1.0
"""Seconds between two ticks."""

FIRST: Final = 0.25
"""Seconds before the first tick."""

WANTED: Final = 3.0
"""Seconds for which another node gets figures after its question, and for which its figures count."""

PATIENCE: Final = 2.0
"""Seconds for which a question waits for its answers."""

MAX_PAGES: Final = 20
"""Open pages of one node."""

TakeTick = Callable[[DashboardTick], object]


class DashboardNode:
    """The figures for the pages of one node.

    Args:
        server: The endpoint's server.
        presences: The presences of the endpoint.
        logs: The logs of topics with history; None without history.
        most_topics: The most topics in a tick.

    Attributes:
        follows: What pages of this node and of others follow.
        log: Writes the log.
    """

    def __init__(
        self, server: Server, presences: Sequence[Presence], logs: Logs | None, most_topics: int
    ) -> None:
        self._server = server
        self.log = server.log.child("dashboard")
        self._presences = presences
        self._logs = logs
        self._most_topics = most_topics
        self.follows = FollowTable(server, self._send)
        self._pages: list[TakeTick] = []
        self._readers: dict[str, float] = {}
        self._others: dict[str, tuple[float, NodeFigures]] = {}
        self._waiting: dict[int, asyncio.Future[FoundConnections]] = {}
        self._refs = count(1)
        self._task: asyncio.Task[None] | None = None
        self._is_on = False

    # Start and stop.

    def start(self) -> None:
        """Answer other nodes, from now until :meth:`stop`."""
        self._is_on = True
        self._server.pubsub.on_publish(DASHBOARDS, self._receive)

    def stop(self) -> None:
        """Answer nobody, and end the samples: else the endpoint would wait for them."""
        self._is_on = False
        self._readers.clear()
        self.follows.stop()
        self._end_samples()

    def _end_samples(self) -> None:
        self._others.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def abandon(self) -> None:
        """Forget all, because the event loop was closed without a stop, or is the parent process's."""
        self._task = None
        self._is_on = False
        self._pages.clear()
        self._readers.clear()
        self._others.clear()
        self._waiting.clear()
        self.follows.abandon()

    @property
    def pages(self) -> int:
        """The number of open pages."""
        return len(self._pages)

    # Pages.

    def open(self, take: TakeTick) -> Callable[[], None]:
        """Give a page the ticks. Return a function that ends it.

        Args:
            take: Called with each tick. It must not wait.
        """
        self._pages.append(take)
        self._run()

        def close() -> None:
            if take in self._pages:
                self._pages.remove(take)
                self._stop_if_unwanted()

        return close

    async def find(self, text: str) -> FoundConnections:
        """Return the connections of all nodes that fit a text."""
        here = await find(self._server, text)
        nodes = [name for name in self.answering() if name != self._server.pubsub.node]
        others = await self._ask(nodes, lambda ref: FindConnections(ref, text))
        return merged((here, *others))

    async def cut(self, node: str, connection: str) -> int:
        """Close a connection of a node. Return how many were closed: 0 or 1."""
        if node == self._server.pubsub.node:
            return int(cut(self._server, connection))
        answers = await self._ask([node], lambda ref: CutConnection(ref, connection))
        return sum(one.total for one in answers)

    def answering(self) -> list[str]:
        """Return this node, and the others whose figures have come lately."""
        now, nodes = self._server.loop.time(), self._server.pubsub.nodes()
        others = [
            name for name, (until, _) in self._others.items() if until > now and name in nodes
        ]
        return [self._server.pubsub.node, *others]

    async def _ask(
        self, nodes: Sequence[str], question: Callable[[int], Letter]
    ) -> list[FoundConnections]:
        """Send a question to nodes. Return the answers that come in time."""
        asked: dict[int, asyncio.Future[FoundConnections]] = {}
        for node in nodes:
            ref = next(self._refs)
            asked[ref] = self._waiting[ref] = self._server.loop.create_future()
            self._send(question(ref), node)
        try:
            if asked:
                await asyncio.wait(asked.values(), timeout=PATIENCE)
            return [answer.result() for answer in asked.values() if answer.done()]
        finally:
            for ref, answer in asked.items():
                del self._waiting[ref]
                answer.cancel()

    # Samples.

    def _run(self) -> None:
        if self._task is None and self._is_on:
            self._task = self._server.create_task(self._sample())
            self._task.add_done_callback(self._ended)

    def _stop_if_unwanted(self) -> None:
        if not self._is_wanted():
            self._end_samples()

    def _is_wanted(self) -> bool:
        now = self._server.loop.time()
        for node in [node for node, until in self._readers.items() if until <= now]:
            del self._readers[node]
        return bool(self._pages or self._readers)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self.log.error("The dashboard failed", exc_info=error)
        elif self._is_wanted():  # a page was opened when the last sample was taken
            self._run()

    async def _sample(self) -> None:
        loop = self._server.loop
        collector = Collector(self._server, self._presences, self._logs, self._most_topics)
        try:
            await collector.collect()
            due = loop.time() + FIRST
            while self._is_wanted():
                if self._pages:
                    self._send(AskFigures())
                await asyncio.sleep(due - loop.time())
                figures = await collector.collect()
                if figures is not None:
                    self._tell(figures)
                due = max(due + EVERY, loop.time())
        finally:
            collector.stop()

    def _tell(self, figures: NodeFigures) -> None:
        for node in self._readers:
            self._send(FigureLetter(figures), node)
        if not self._pages:
            return
        server, now = self._server, self._server.loop.time()
        self._others = {name: one for name, one in self._others.items() if one[0] > now}
        known = {name: one for name, (_, one) in self._others.items()}
        known[server.pubsub.node] = figures
        names = server.pubsub.nodes()
        tick = tick_of(time.time(), server.pubsub.node, known, names, self._most_topics)
        for take in tuple(self._pages):
            take(tick)

    # Other nodes.

    def _send(self, letter: Letter, node: str | None = None) -> None:
        self._server.pubsub.publish(DASHBOARDS, write_letter(letter), node)

    def _receive(self, node: str, data: bytes) -> None:
        letter = read_letter(data)
        if not self._is_on:
            return
        match letter:
            case AskFigures():
                self._readers[node] = self._server.loop.time() + WANTED
                self._run()
            case FigureLetter(figures):
                if self._pages:
                    self._others[node] = (self._server.loop.time() + WANTED, figures)
            case FindConnections():
                self._server.spawn(self._answer(node, letter))
            case CutConnection(ref, connection):
                count_closed = int(cut(self._server, connection))
                self.log.warning(
                    "A dashboard on the node %s disconnected the connection %s", node, connection
                )
                self._send(FoundLetter(ref, FoundConnections([], count_closed)), node)
            case FollowLetter() | UnfollowLetter() | SeenLetter():
                self.follows.receive(node, letter)
            case FoundLetter(ref, found):
                answer = self._waiting.get(ref)
                if answer is not None and not answer.done():
                    answer.set_result(found)

    async def _answer(self, node: str, question: FindConnections) -> None:
        found = await find(self._server, question.text)
        self._send(FoundLetter(question.ref, found), node)
