"""The board of one topic: what happened to its presences, and when its clients are told. Protocol, §6.3-6.4.

Theory of operation
-------------------
Phoenix sends a diff for each change. When two thousand people join, each of them is told of each other:
four million messages. Here changes gather in a *window* and leave as one diff of their net effect
(:mod:`bennu.presence.net_effect`). The window adapts: after a quiet time the first change leaves at the end
of its own turn of the event loop, and those that follow leave when the window since then is over. It grows
with the subscribers of the topic, so that telling them takes a bounded part of the CPU. With a window of 0
each change is a diff of its own, at once.

A *flush* is what leaves together, in this order: the diff; the count, in modes that count; then
``presence_state`` to the channels that wait for it. The state is the view of those who followed all diffs,
this one included, so it is never ahead of a diff or behind one. It is encoded once for all.

If the application has a ``fetch``, a flush waits for it. The next one does not begin before the last has
left, so the diffs of a topic stay in their order; other topics go on. Changes gather meanwhile (with a
window of 0 flushes do, in a queue).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

from ..message import Broadcast
from ..telemetry import PresenceChanged
from .audience import Audience, Entries, Plan
from .crdt import Entry
from .hooks import Hooks, Host, Listeners, News, Spawn, bare, fetched
from .modes import Mode
from .net_effect import Net, Pending, State, Tally

__all__ = ["Board", "Rules", "Waiter", "Waiting"]

PER_SUBSCRIBER: Final = 50e-6
"""Seconds of the window for each subscriber of the topic: about four times what a diff costs for it."""


class Waiter(Protocol):
    """A channel that waits for the state."""

    def push_own(self, event: str, payload: Any) -> None:
        """Write an event to its client, unless it has ended."""
        ...


Waiting = tuple[Waiter, "asyncio.Future[None]"]


class Rules:
    """What all boards of a presence have in common.

    Args:
        name: The presence's name.
        host: The endpoint.
        entries: What is tracked.
        window: Seconds that changes gather.
        mode: What clients are told.
        hooks: What the application adds.
        spawn: How a board runs a coroutine whose end the stop of the endpoint waits for.
        forget: Told of a board that holds nothing any more, and its topic.

    Attributes:
        is_open: Whether anybody is told yet: hooks may need the lifespan, so changes gather until it has begun.
    """

    __slots__ = ("entries", "forget", "hooks", "host", "is_open", "mode", "name", "spawn", "window")

    def __init__(
        self,
        name: str,
        host: Host,
        entries: Entries,
        window: float,
        mode: Mode,
        hooks: Hooks,
        spawn: Spawn,
        forget: Callable[[str, Board], object],
    ) -> None:
        self.name = name
        self.host = host
        self.entries = entries
        self.window = window
        self.mode = mode
        self.hooks = hooks
        self.spawn = spawn
        self.forget = forget
        self.is_open = False


class _Flush:
    """What leaves together, and who waits for it."""

    __slots__ = ("came", "net", "waiting", "went")

    def __init__(self, net: Net, came: list[str], went: list[str], waiting: list[Waiting]) -> None:
        self.net = net
        self.came = came
        self.went = went
        self.waiting = waiting


class Board:
    """The presences of one topic, on their way to its clients.

    Attributes:
        tally: How many there are.
    """

    __slots__ = (
        "_audience",
        "_flushes",
        "_is_fetching",
        "_last",
        "_listeners",
        "_pending",
        "_rules",
        "_timer",
        "_topic",
        "_waiting",
        "tally",
    )

    def __init__(self, rules: Rules, topic: str) -> None:
        self._rules = rules
        self._topic = topic
        self._audience = Audience(topic, rules.mode, rules.entries)
        self._pending = Pending()
        self._waiting: list[Waiting] = []
        self._flushes: list[_Flush] = []  # seldom more than one, and smaller than a deque
        self._is_fetching = False
        self._timer: asyncio.Handle | None = None
        self._last = float("-inf")
        self._listeners = (
            Listeners(rules.hooks, rules.host, topic, rules.spawn) if rules.hooks.listen else None
        )
        self.tally = Tally()

    # What happens.

    def change(self, joins: list[Entry], leaves: list[Entry]) -> None:
        """Take what came and what went at once: it will be told at once, too."""
        pending, tally = self._pending, self.tally
        for entry in joins:
            tally.join(entry.key)
        for entry in leaves:
            tally.leave(entry.key)
            pending.leave(entry.key, entry.meta)
        for entry in joins:
            pending.join(entry.key, entry.meta)
        if not self._rules.is_open:
            return
        if not self._rules.window:
            self.flush()
        elif self._timer is None and not self._is_fetching:
            self._arm()

    def greet(self, waiter: Waiter) -> asyncio.Future[None] | None:
        """Push the state to a channel: now, or with the flush that all changes until now leave in.

        Returns:
            What is done when it was pushed, or None if it is.
        """
        if self._pending:
            waiting = self._waiting
        elif self._flushes:
            waiting = self._flushes[-1].waiting
        else:
            greet(waiter, self._audience)
            return None
        future = self._rules.host.loop.create_future()
        waiting.append((waiter, future))
        return future

    def abandon(self) -> None:
        """Let those go who still wait for the state: everything has ended, and nobody can be pushed to."""
        for waiting in (self._waiting, *(flush.waiting for flush in self._flushes)):
            for _, future in waiting:
                if not future.done():
                    future.set_result(None)

    # When it is told.

    def _arm(self) -> None:
        """Have the next flush come when the window is over, or at the end of this turn if it is."""
        rules = self._rules
        loop = rules.host.loop
        subscribers = rules.host.pubsub.subscribers(self._topic)
        due = self._last + max(rules.window, PER_SUBSCRIBER * subscribers)
        if loop.time() >= due:
            self._timer = loop.call_soon(self.flush)
        else:
            self._timer = loop.call_at(due, self.flush)

    def flush(self) -> None:
        """Let go what is pending: now, or when what is before it has left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pending:
            return
        net = self._pending.take(self._audience.view.knows)
        came: list[str] = []
        went: list[str] = []
        if self._listeners is not None:
            came, went = self.tally.turnover(net)
        waiting, self._waiting = self._waiting, []
        self._flushes.append(_Flush(net, came, went, waiting))
        self._last = self._rules.host.loop.time()
        if not self._is_fetching:
            self._send()

    def _send(self) -> None:
        """Send one flush after another, until one of them has to wait for the application."""
        fetch = self._rules.hooks.fetch
        while self._flushes:
            flush = self._flushes[0]
            plan = self._audience.plan(flush.net, self.tally)
            if fetch is not None and not plan.net.is_empty:
                self._is_fetching = True
                _ = self._rules.spawn(self._fetch(flush, plan))
                return
            self._tell(flush, plan, bare(plan.net.joins), bare(plan.net.leaves))
        self._forget_if_idle()

    async def _fetch(self, flush: _Flush, plan: Plan) -> None:
        hook, host = self._rules.hooks.fetch, self._rules.host
        assert hook is not None  # noqa: S101 - for the type checkers
        joins, leaves = await asyncio.gather(  # both at once: else the limit would be twice as long
            fetched(hook, host, self._topic, plan.net.joins),
            fetched(hook, host, self._topic, plan.net.leaves),
        )
        self._is_fetching = False
        self._tell(flush, plan, joins, leaves)
        if self._pending and self._timer is None:
            self._arm()
        self._send()

    def _tell(self, flush: _Flush, plan: Plan, joins: State, leaves: State) -> None:
        """Tell clients, newcomers, and the application."""
        topic, host = self._topic, self._rules.host
        del self._flushes[0]
        for event, payload in self._audience.follow(plan, joins, leaves, self.tally):
            host.pubsub.local_broadcast(topic, Broadcast(topic, event, payload))
        for waiter, future in flush.waiting:
            if not future.done():
                future.set_result(None)
                greet(waiter, self._audience)
        if flush.net.is_empty:
            return
        telemetry = host.telemetry
        if telemetry.handlers[PresenceChanged]:
            telemetry.emit(self._event(flush.net))
        if self._listeners is not None:
            if not plan.is_whole:
                joins, leaves = bare(flush.net.joins), bare(flush.net.leaves)
            came = [(key, flush.net.joins[key]) for key in flush.came]
            went = [(key, flush.net.leaves[key]) for key in flush.went]
            task = self._listeners.tell(News(joins, leaves, came, went))
            if task is not None:
                task.add_done_callback(lambda _: self._forget_if_idle())

    def _event(self, net: Net) -> PresenceChanged:
        return PresenceChanged(
            self._rules.name,
            self._topic,
            sum(map(len, net.joins.values())),
            sum(map(len, net.leaves.values())),
            len(self.tally.keys),
            self.tally.metas,
        )

    def _forget_if_idle(self) -> None:
        is_listening = self._listeners is not None and self._listeners.task is not None
        if not (self.tally.metas or self._pending or self._flushes or is_listening):
            self._rules.forget(self._topic, self)


def greet(waiter: Waiter, audience: Audience) -> None:
    """Push what all others know to one who is new."""
    for event, payload in audience.greeting():
        waiter.push_own(event, payload)
