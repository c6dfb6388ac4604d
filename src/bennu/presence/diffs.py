"""Diffs: when the clients of a topic are told what happened to its presences. Protocol document, §6.3 and §6.4.

Theory of operation
-------------------
Phoenix sends a diff for each change. If two thousand clients join, each of them is told of each other: four million
messages. Here the changes of a topic gather in a *window*, and leave as one diff of their net effect
(:mod:`bennu.presence.net_effect`). After a quiet time the first change leaves at the end of its own turn of the event
loop. The changes that follow leave when the window since then is over. The window grows with the subscribers of the
topic, so that telling them takes a bounded part of the CPU. With a window of 0 each change is a diff of its own, and
leaves at once.

A *flush* is what leaves together, in this order: the diff; the count, in modes that count; then ``presence_state`` to
the channels that wait for it. The state is the view of a client that followed all diffs, this one included. So the
state is never ahead of a diff or behind one.

If the application has a ``fetch``, a flush waits for it. The next flush does not begin before that one has left, so
the diffs of a topic keep their order. Other topics go on. Changes gather meanwhile; with a window of 0 flushes queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from msgspec import Struct

from ..message import Broadcast
from ..server.server import Server
from ..telemetry import PresenceChanged
from .crdt import Diff, Entry
from .hooks import Hooks, TopicHooks
from .modes import Mode, Told
from .net_effect import Net, Pending, Presences, Tally, bare
from .tracker import Tracker

__all__ = ["Diffs", "PresenceCount", "Push", "TopicDiffs"]

PER_SUBSCRIBER: Final = 50e-6
"""Seconds of the window for each subscriber of the topic: about four times what a diff costs for a subscriber."""

Push = Callable[[str, Any], object]
"""Pushes an event to the client of one channel, unless the channel has ended."""

Waiting = list[tuple[Push, "asyncio.Future[None]"]]
"""The channels that wait for the state, each with the future that is done when it was pushed."""


class PresenceCount(Struct, frozen=True):
    """The size of a topic.

    Attributes:
        keys: The number of keys.
        metas: The number of metas of all keys.
    """

    keys: int
    metas: int


class _Flush(NamedTuple):
    """What leaves together."""

    net: Net
    came: list[str]
    went: list[str]
    waiting: Waiting


class Diffs:
    """The topics in which somebody is present, of one presence on this node.

    Args:
        name: The name of the presence.
        server: The server of the endpoint.
        tracker: Has the presences of all nodes. What other nodes change is told from now on.
        window: Seconds in which changes gather.
        mode: How much clients are told.
        hooks: What the application adds.

    Attributes:
        is_open: Whether clients are told yet. Hooks may need the lifespan, so changes gather until it has begun.
    """

    def __init__(
        self, name: str, server: Server, tracker: Tracker, window: float, mode: Mode, hooks: Hooks
    ) -> None:
        self.name = name
        self.server = server
        self.loop = server.loop
        self.entries = tracker.entries
        self.window = window
        self.mode = mode
        self.hooks = hooks
        self.is_open = False
        self._topics: dict[str, TopicDiffs] = {}
        tracker.start(self.change)

    def __len__(self) -> int:
        return len(self._topics)

    def change(self, diff: Diff) -> None:
        """Take what happened at once, in one topic or in several."""
        topics: dict[str, tuple[list[Entry], list[Entry]]] = {}
        for entry in diff.joins:
            topics.setdefault(entry.topic, ([], []))[0].append(entry)
        for entry in diff.leaves:
            topics.setdefault(entry.topic, ([], []))[1].append(entry)
        for topic, (joins, leaves) in topics.items():
            of_topic = self._topics.get(topic)
            if of_topic is None:
                of_topic = self._topics[topic] = TopicDiffs(self, topic)
            of_topic.change(joins, leaves)

    async def push_state(self, topic: str, push: Push) -> None:
        """Push the state of a topic to a channel: now, or with the flush of all changes until now."""
        of_topic = self._topics.get(topic)
        if of_topic is None:
            _greet(push, Told(topic, self.mode, self.entries))
        elif (waiting := of_topic.push_state(push)) is not None:
            await waiting

    def count(self, topic: str) -> PresenceCount:
        """Return how many keys and metas a topic has."""
        of_topic = self._topics.get(topic)
        if of_topic is None:
            return PresenceCount(0, 0)
        return PresenceCount(len(of_topic.tally.keys), of_topic.tally.metas)

    def open(self) -> None:
        """Tell clients what happened, and from now on what happens."""
        self.is_open = True
        self.flush()

    def flush(self) -> None:
        """Tell clients all that is pending, if they are told anything yet."""
        if self.is_open:
            for of_topic in tuple(self._topics.values()):
                of_topic.flush()

    def abandon(self) -> None:
        """Let the channels go on that wait for the state: everything has ended, and nothing is pushed."""
        for of_topic in self._topics.values():
            of_topic.abandon()

    def forget(self, topic: str, of_topic: TopicDiffs) -> None:
        """Drop a topic that has ended. It can end more than once, and another can have taken its place."""
        if self._topics.get(topic) is of_topic:
            del self._topics[topic]


class TopicDiffs:
    """The presences of one topic, on their way to its clients.

    Args:
        diffs: The diffs of the presence.
        topic: The topic.

    Attributes:
        tally: How many keys and metas there are.
    """

    __slots__ = (
        "_diffs",
        "_flushes",
        "_hooks",
        "_is_fetching",
        "_last",
        "_pending",
        "_timer",
        "_told",
        "_topic",
        "_waiting",
        "tally",
    )

    def __init__(self, diffs: Diffs, topic: str) -> None:
        self._diffs = diffs
        self._topic = topic
        self._told = Told(topic, diffs.mode, diffs.entries)
        self._pending = Pending()
        self._waiting: Waiting = []
        self._flushes: list[_Flush] = []  # seldom more than one, and smaller than a deque
        self._is_fetching = False
        self._timer: asyncio.Handle | None = None
        self._last = float("-inf")
        self._hooks = TopicHooks(diffs.hooks, topic) if diffs.hooks.listens else None
        self.tally = Tally()

    # What happens.

    def change(self, joins: list[Entry], leaves: list[Entry]) -> None:
        """Take what came and what went at once: both are told in one diff."""
        pending, tally = self._pending, self.tally
        for entry in joins:
            tally.join(entry.key)
        for entry in leaves:
            tally.leave(entry.key)
            pending.leave(entry.key, entry.meta)
        for entry in joins:
            pending.join(entry.key, entry.meta)
        if not self._diffs.is_open:
            return
        if not self._diffs.window:
            self.flush()
        elif self._timer is None and not self._is_fetching:
            self._arm()

    def push_state(self, push: Push) -> asyncio.Future[None] | None:
        """Push the state to a channel.

        Returns:
            None if it was pushed, or what is done when it was pushed.
        """
        if self._pending:
            waiting = self._waiting
        elif self._flushes:
            waiting = self._flushes[-1].waiting
        else:
            _greet(push, self._told)
            return None
        future = self._diffs.loop.create_future()
        waiting.append((push, future))
        return future

    def abandon(self) -> None:
        """Let the channels go on that wait for the state."""
        for waiting in (self._waiting, *(flush.waiting for flush in self._flushes)):
            for _, future in waiting:
                if not future.done():
                    future.set_result(None)

    # When it is told.

    def _arm(self) -> None:
        """Have the next flush come when the window is over, or at the end of this turn if it is over already."""
        diffs = self._diffs
        subscribers = diffs.server.pubsub.subscribers(self._topic)
        due = self._last + max(diffs.window, PER_SUBSCRIBER * subscribers)
        if diffs.loop.time() >= due:
            self._timer = diffs.loop.call_soon(self.flush)
        else:
            self._timer = diffs.loop.call_at(due, self.flush)

    def flush(self) -> None:
        """Tell what is pending: now, or when the flush before it has left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pending:
            return
        net = self._pending.take(self._told.view.knows)
        came, went = self.tally.turnover(net) if self._hooks is not None else ([], [])
        waiting, self._waiting = self._waiting, []
        self._flushes.append(_Flush(net, came, went, waiting))
        self._last = self._diffs.loop.time()
        if not self._is_fetching:
            self._send()

    def _send(self) -> None:
        """Send one flush after another, until one of them has to wait for ``fetch``."""
        hooks = self._diffs.hooks
        while self._flushes:
            flush = self._flushes[0]
            chosen = self._told.choose(flush.net, self.tally)
            if hooks.fetch is not None and (chosen.joins or chosen.leaves):
                self._is_fetching = True
                _ = hooks.spawn(self._fetch(flush, chosen))
                return
            self._tell(flush, chosen, bare(chosen.joins), bare(chosen.leaves))
        if not self.tally.metas:
            self._forget_if_idle()

    async def _fetch(self, flush: _Flush, chosen: Net) -> None:
        hooks = self._diffs.hooks
        joins, leaves = await asyncio.gather(  # both at once: else the limit would be twice as long
            hooks.extend(self._topic, chosen.joins), hooks.extend(self._topic, chosen.leaves)
        )
        self._is_fetching = False
        self._tell(flush, chosen, joins, leaves)
        if self._pending and self._timer is None:
            self._arm()
        self._send()

    def _tell(self, flush: _Flush, chosen: Net, joins: Presences, leaves: Presences) -> None:
        """Tell clients, newcomers and hooks.

        Args:
            flush: The first flush that waits.
            chosen: The part of it that clients are told.
            joins: What came of that part, with what ``fetch`` added.
            leaves: What went of it, likewise.
        """
        topic, told, server, net = self._topic, self._told, self._diffs.server, flush.net
        del self._flushes[0]
        tells_all = self._hooks is not None and told.tells_all(chosen, net)
        for event, payload, text in told.follow(joins, leaves, self.tally):
            server.pubsub.send(topic, Broadcast(topic, event, payload), text=text)
        for push, future in flush.waiting:
            if not future.done():
                future.set_result(None)
                _greet(push, told)
        if not (net.joins or net.leaves):
            return
        if server.telemetry.handlers[PresenceChanged]:
            server.telemetry.emit(self._event(net))
        if self._hooks is not None:
            if not tells_all:
                joins, leaves = bare(net.joins), bare(net.leaves)
            came = {key: net.joins[key] for key in flush.came}
            went = {key: net.leaves[key] for key in flush.went}
            task = self._hooks.tell(joins, leaves, came, went)
            if task is not None:
                task.add_done_callback(lambda _: self._forget_if_idle())

    def _event(self, net: Net) -> PresenceChanged:
        return PresenceChanged(
            self._diffs.name,
            self._topic,
            sum(map(len, net.joins.values())),
            sum(map(len, net.leaves.values())),
            len(self.tally.keys),
            self.tally.metas,
        )

    def _forget_if_idle(self) -> None:
        is_telling = self._hooks is not None and self._hooks.task is not None
        if not (self.tally.metas or self._pending or self._flushes or is_telling):
            self._diffs.forget(self._topic, self)


def _greet(push: Push, told: Told) -> None:
    """Push to a newcomer what all others know."""
    for event, _, text in told.greeting():
        push(event, text)
