"""Diffs: the changes of presences that the clients of a topic get, and when. Protocol document, §6.3 and §6.4.

Theory of operation
-------------------
Phoenix sends a diff for each change. If two thousand clients join, each client gets a diff for each other client: four
million messages. Bennu collects the changes of a topic in a *window*, and sends one diff of their net effect
(:mod:`bennu.presence.net_effect`). After a quiet time the first change is sent at the end of the present turn of the
event loop. The changes that follow are sent when the window since then is over. The window grows with the subscribers
of the topic, so that diffs take a bounded part of the CPU. With a window of 0 each change is sent in a separate diff,
at once.

A *flush* sends, in this order: the diff; the count, in modes that count; then ``presence_state`` to the channels that
wait for it. The state is the view of a client that followed all diffs, including the diff of the flush. So the state is
never ahead of a diff or behind a diff.

If the user has given a ``fetch``, a flush waits for it. The next flush begins after the waiting flush was sent, so the
diffs of a topic keep their order. Other topics do not wait. While a flush waits, changes are collected; with a window
of 0 flushes queue.
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
from .modes import ClientState, Mode
from .net_effect import Net, Pending, Presences, Tally, bare
from .tracker import Tracker

__all__ = ["Diffs", "PresenceCount", "Push", "TopicDiffs"]

PER_SUBSCRIBER: Final = 50e-6
"""Seconds of the window for each subscriber of the topic: about four times the CPU time of a diff for a subscriber."""

Push = Callable[[str, Any], object]
"""Pushes an event to the client of one channel, unless the channel has ended."""

Waiting = list[tuple[Push, "asyncio.Future[None]"]]
"""The channels that wait for the state, each with a future that is done when the state was pushed."""


class PresenceCount(Struct, frozen=True):
    """The size of a topic.

    Attributes:
        keys: The number of keys.
        metas: The number of metas of all keys.
    """

    keys: int
    metas: int


class _Flush(NamedTuple):
    """The changes that are sent together, and the channels that then get the state.

    Attributes:
        net: The net effect of the changes.
        came: The keys whose first meta came.
        went: The keys whose last meta went.
        waiting: The channels that wait for the state.
    """

    net: Net
    came: list[str]
    went: list[str]
    waiting: Waiting


class Diffs:
    """The topics of one ``Presence`` object in which somebody is present, and the diffs that their clients get on this node.

    Args:
        name: The name of the presence.
        server: The server of the endpoint.
        tracker: Has the presences of all nodes. The tracker is started here.
        window: Seconds in which changes are collected.
        mode: How much of the list clients get.
        hooks: The user's hooks.

    Attributes:
        is_open: Whether diffs are sent yet. Hooks can need the lifespan, so changes are collected until it has begun.
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
        """Add the joins and leaves of one change, in one topic or in several."""
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
        """Push the state of a topic to a channel: now, or with the flush of the changes that are pending."""
        of_topic = self._topics.get(topic)
        if of_topic is None:
            _greet(push, ClientState(topic, self.mode, self.entries))
        elif (waiting := of_topic.push_state(push)) is not None:
            await waiting

    def count(self, topic: str) -> PresenceCount:
        """Return how many keys and metas a topic has."""
        of_topic = self._topics.get(topic)
        if of_topic is None:
            return PresenceCount(0, 0)
        return PresenceCount(len(of_topic.tally.keys), of_topic.tally.metas)

    def open(self) -> None:
        """Send the changes until now, and send all later changes when they are due."""
        self.is_open = True
        self.flush()

    def flush(self) -> None:
        """Send all pending changes to clients, if ``is_open``."""
        if self.is_open:
            for of_topic in tuple(self._topics.values()):
                of_topic.flush()

    def abandon(self) -> None:
        """Wake the channels that wait for the state. Everything has ended, so no state is pushed."""
        for of_topic in self._topics.values():
            of_topic.abandon()

    def forget(self, topic: str, of_topic: TopicDiffs) -> None:
        """Drop a topic that has ended. It can end more than once, and another can have taken its place."""
        if self._topics.get(topic) is of_topic:
            del self._topics[topic]


class TopicDiffs:
    """The diffs of one topic.

    Args:
        diffs: The diffs of the presence.
        topic: The topic.

    Attributes:
        tally: The numbers of keys and metas.
    """

    __slots__ = (
        "_clients",
        "_diffs",
        "_flushes",
        "_hooks",
        "_is_fetching",
        "_last",
        "_pending",
        "_timer",
        "_topic",
        "_waiting",
        "tally",
    )

    def __init__(self, diffs: Diffs, topic: str) -> None:
        self._diffs = diffs
        self._topic = topic
        self._clients = ClientState(topic, diffs.mode, diffs.entries)
        self._pending = Pending()
        self._waiting: Waiting = []
        self._flushes: list[_Flush] = []  # seldom more than one, and smaller than a deque
        self._is_fetching = False
        self._timer: asyncio.Handle | None = None
        self._last = float("-inf")
        self._hooks = TopicHooks(diffs.hooks, topic) if diffs.hooks.listens else None
        self.tally = Tally()

    def change(self, joins: list[Entry], leaves: list[Entry]) -> None:
        """Add the joins and leaves of one change. Both are sent in one diff."""
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
            None if the state was pushed, or a future that is done when the state was pushed.
        """
        if self._pending:
            waiting = self._waiting
        elif self._flushes:
            waiting = self._flushes[-1].waiting
        else:
            _greet(push, self._clients)
            return None
        future = self._diffs.loop.create_future()
        waiting.append((push, future))
        return future

    def abandon(self) -> None:
        """Wake the channels that wait for the state, without a state."""
        for waiting in (self._waiting, *(flush.waiting for flush in self._flushes)):
            for _, future in waiting:
                if not future.done():
                    future.set_result(None)

    def _arm(self) -> None:
        """Set the timer of the next flush: when the window is over, or at the end of this turn if it is over already."""
        diffs = self._diffs
        subscribers = diffs.server.pubsub.subscribers(self._topic)
        due = self._last + max(diffs.window, PER_SUBSCRIBER * subscribers)
        if diffs.loop.time() >= due:
            self._timer = diffs.loop.call_soon(self.flush)
        else:
            self._timer = diffs.loop.call_at(due, self.flush)

    def flush(self) -> None:
        """Send the pending changes: now, or when the flush before them was sent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pending:
            return
        net = self._pending.take(self._clients.view.knows)
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
            chosen = self._clients.choose(flush.net, self.tally)
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
        """Send a flush to clients and to waiting channels, and queue it for the hooks.

        Args:
            flush: The first flush that waits.
            chosen: The part of its net effect that clients get.
            joins: The joins of that part, with the data that ``fetch`` added.
            leaves: The leaves of that part, with the data that ``fetch`` added.
        """
        topic, clients, server, net = self._topic, self._clients, self._diffs.server, flush.net
        del self._flushes[0]
        tells_all = self._hooks is not None and clients.tells_all(chosen, net)
        for event, payload, text in clients.follow(joins, leaves, self.tally):
            server.pubsub.send(topic, Broadcast(topic, event, payload), text=text)
        for push, future in flush.waiting:
            if not future.done():
                future.set_result(None)
                _greet(push, clients)
        if not (net.joins or net.leaves):
            return
        if server.telemetry.handlers[PresenceChanged]:
            server.telemetry.tell(self._event(net))
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


def _greet(push: Push, clients: ClientState) -> None:
    """Push the present state to a channel that has just joined."""
    for event, _, text in clients.greeting():
        push(event, text)
