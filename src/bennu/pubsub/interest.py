"""What this node wants to hear from other nodes, and what the bus has confirmed.

Theory of operation
-------------------
A topic is *kept* while it has a subscriber in this process. When the last one goes, the topic *lingers*: a user who
reloads a page comes back within seconds, and a subscription is a round trip to the bus. After ``linger`` seconds without
a subscriber the node unsubscribes. All topics linger equally long, so one timer is enough: it looks at the oldest.

The new topics of one turn of the event loop go to the adapter in one call. A join waits until the bus has confirmed its
topic (:meth:`TopicInterest.heard`), but at most :data:`PATIENCE` seconds: then the client has joined, and hears what is sent in
this process. The adapter keeps such a topic, and the bus confirms it later.

An adapter should not raise in ``subscribe``. If it does, the topics of the call are tried one by one, so that one topic
does not cost the others. What fails alone is tried again after :data:`RETRY` seconds, while it is wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from ..bus.bus import BusAdapter
from ..errors import EncodeError
from ..logs.log import Log
from ..user_code.callback import crash_of

__all__ = ["LINGER", "PATIENCE", "RETRY", "TopicInterest"]

LINGER: Final = 10.0
"""Seconds from the last subscriber of a topic to the unsubscription."""

PATIENCE: Final = 1.0
"""The most seconds for which a join waits for the bus."""

RETRY: Final = 5.0
"""Seconds until a topic is tried again whose subscription raised an exception."""

_Waiters = dict[asyncio.Future[None], None]
"""Those who wait until a topic is confirmed. A dict, so that each of ten thousand leaves in the same time."""


class TopicInterest:
    """The topics of one node on the bus, from its start to its stop.

    Args:
        adapter: The adapter, which is started.
        spawn: Runs a coroutine as a task of the node.
        log: Writes the log.
        linger: Seconds from the last subscriber of a topic to the unsubscription.
    """

    def __init__(
        self,
        adapter: BusAdapter,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        log: Log,
        linger: float = LINGER,
    ) -> None:
        self._adapter = adapter
        self._spawn = spawn
        self.log = log
        self._linger = linger
        self._loop = asyncio.get_running_loop()
        self._is_stopped = False
        self._topics: dict[str, _Waiters | None] = {}
        self._new: dict[str, _Waiters] = {}
        self._failed: dict[str, _Waiters] = {}
        self._lingering: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._retry_timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return the number of topics, including those that linger."""
        return len(self._topics)

    def hears(self, topic: str) -> bool:
        """Return whether the bus has confirmed a topic."""
        return self._topics.get(topic, topic) is None

    def keep(self, topic: str) -> None:
        """Hear a topic from now on: it has a subscriber."""
        if topic in self._topics:
            self._lingering.pop(topic, None)
        elif not self._is_stopped:
            self._subscribe_to(topic)

    def let_go(self, topic: str) -> None:
        """Hear a topic for some seconds more: it has no subscriber."""
        if topic not in self._topics:
            return  # the adapter stops
        self._lingering.pop(topic, None)  # the oldest is first
        self._lingering[topic] = self._loop.time() + self._linger
        if self._timer is None:
            self._timer = self._loop.call_later(self._linger, self._unsubscribe)

    async def heard(self, topic: str, patience: float = PATIENCE) -> bool:
        """Wait until the bus has confirmed a topic, but not for long. Return whether it has.

        The topic lingers afterwards, unless it has a subscriber.

        Args:
            topic: The topic.
            patience: The most seconds. 0 does not wait.
        """
        if topic not in self._topics:
            self.keep(topic)
            self.let_go(topic)
        elif topic in self._lingering:
            self.let_go(topic)  # its subscriber comes after this wait
        waiters = self._topics.get(topic)
        if waiters is not None and patience > 0:
            await self._wait(waiters, patience)
        return self._topics.get(topic, waiters) is None and not self._is_stopped

    def stop(self) -> None:
        """Forget all topics, because the adapter stops."""
        self._is_stopped = True
        for timer in (self._timer, self._retry_timer):
            if timer is not None:
                timer.cancel()
        for waiters in self._topics.values():
            _wake_all(waiters)
        self._topics.clear()
        self._new.clear()
        self._failed.clear()
        self._lingering.clear()

    async def _wait(self, waiters: _Waiters, seconds: float) -> None:
        waiter = self._loop.create_future()
        waiters[waiter] = None
        timer = self._loop.call_later(seconds, _wake, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            waiters.pop(waiter, None)

    def _subscribe_to(self, topic: str) -> None:
        if not self._new:
            self._loop.call_soon(self._subscribe)
        self._topics[topic] = self._new[topic] = {}

    def _subscribe(self) -> None:
        """Subscribe to the new topics of this turn."""
        new, self._new = self._new, {}
        if new:
            self._spawn(self._confirm(new))

    async def _confirm(self, new: dict[str, _Waiters]) -> None:
        new = self._still_wanted(new)
        if not new:
            return
        try:
            await self._adapter.subscribe(tuple(new))
        except BaseException as raised:  # noqa: BLE001 - crash_of raises what came from outside
            self._failed_by(crash_of(raised, "the subscribe of the bus"), new)
            return
        self._are_heard(new)

    def _failed_by(self, error: Exception, new: dict[str, _Waiters]) -> None:
        """Take an exception of the adapter."""
        if len(new) > 1:
            for topic, waiters in new.items():
                self._spawn(self._confirm({topic: waiters}))
            return
        topic = next(iter(new))
        if isinstance(error, EncodeError):  # it would fail again
            self.log.error("%r can't be heard from other nodes: %s", topic, error)
            self._are_heard(new)  # nobody waits for it
            return
        self.log.error(
            "The bus failed: %r is not heard from other nodes. The next try is in %g s",
            *(topic, RETRY),
            exc_info=error,
        )
        if not self._is_stopped:
            self._failed.update(new)
            if self._retry_timer is None:
                self._retry_timer = self._loop.call_later(RETRY, self._retry)

    def _retry(self) -> None:
        self._retry_timer = None
        failed, self._failed = self._failed, {}
        self._spawn(self._confirm(failed))

    def _are_heard(self, new: dict[str, _Waiters]) -> None:
        for topic in self._still_wanted(new):
            self._topics[topic] = None
        for waiters in new.values():
            _wake_all(waiters)

    def _still_wanted(self, new: dict[str, _Waiters]) -> dict[str, _Waiters]:
        """Leave out topics that were let go, also if they were taken again later: that is another subscription."""
        return {
            topic: waiters for topic, waiters in new.items() if self._topics.get(topic) is waiters
        }

    def _unsubscribe(self) -> None:
        """Unsubscribe from the topics that have lingered long enough."""
        self._timer = None
        now, old = self._loop.time(), list[str]()
        for topic, until in self._lingering.items():
            if until > now:
                self._timer = self._loop.call_at(until, self._unsubscribe)
                break
            old.append(topic)
        for topic in old:
            del self._lingering[topic]
            _wake_all(self._topics.pop(topic))
            self._new.pop(topic, None)
            self._failed.pop(topic, None)
        if old:
            try:
                self._adapter.unsubscribe(old)
            except Exception:
                self.log.exception("The bus failed: %d topics are still heard", len(old))


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _wake_all(waiters: Iterable[asyncio.Future[None]] | None) -> None:
    for waiter in waiters or ():
        _wake(waiter)
