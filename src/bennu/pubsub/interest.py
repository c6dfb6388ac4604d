"""What this node wants to hear from other nodes, and what the bus has confirmed.

Theory of operation
-------------------
A topic is *kept* while it has a subscriber in this process. When the last one goes, the topic *lingers*: a user who
reloads a page comes back within seconds, and a subscription is a round trip to the bus. After ``linger`` seconds without
a subscriber the node unsubscribes. All topics linger equally long, so one timer is enough: it looks at the oldest.

The new topics of one turn of the event loop go to the adapter in one call. A join waits until the bus has confirmed its
topic (:meth:`TopicInterest.heard`), but at most :data:`PATIENCE` seconds: then the client has joined, and hears what is sent in
this process. The adapter keeps such a topic, and the bus confirms it later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from ..bus.bus import BusAdapter
from ..logs.log import Log

__all__ = ["LINGER", "PATIENCE", "TopicInterest"]

LINGER: Final = 10.0
"""Seconds from the last subscriber of a topic to the unsubscription."""

PATIENCE: Final = 1.0
"""The most seconds for which a join waits for the bus."""


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
        self._topics: dict[str, asyncio.Future[None] | None] = {}
        self._new: dict[str, asyncio.Future[None]] = {}
        self._lingering: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return the number of topics, including those that linger."""
        return len(self._topics)

    def keep(self, topic: str) -> None:
        """Hear a topic from now on: it has a subscriber."""
        if topic in self._topics:
            self._lingering.pop(topic, None)
        else:
            _ = self._subscribe_to(topic)

    def let_go(self, topic: str) -> None:
        """Hear a topic for some seconds more: it has no subscriber."""
        self._lingering[topic] = self._loop.time() + self._linger
        if self._timer is None:
            self._timer = self._loop.call_later(self._linger, self._unsubscribe)

    async def heard(self, topic: str, patience: float = PATIENCE) -> bool:
        """Wait until the bus has confirmed a topic, but not for long. Return whether it has.

        The topic lingers afterwards, unless it has a subscriber.

        Args:
            topic: The topic.
            patience: The most seconds.
        """
        confirmed = self._topics.get(topic)
        if confirmed is None:
            if topic in self._topics:
                return True
            confirmed = self._subscribe_to(topic)
            self.let_go(topic)
        await asyncio.wait([confirmed], timeout=patience)
        return confirmed.done()

    def stop(self) -> None:
        """Forget all topics, because the adapter stops."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for confirmed in self._topics.values():
            if confirmed is not None:
                confirmed.cancel()
        self._topics.clear()
        self._new.clear()
        self._lingering.clear()

    def _subscribe_to(self, topic: str) -> asyncio.Future[None]:
        if not self._new:
            self._loop.call_soon(self._subscribe)
        confirmed = self._topics[topic] = self._new[topic] = self._loop.create_future()
        return confirmed

    def _subscribe(self) -> None:
        """Subscribe to the new topics of this turn."""
        new, self._new = self._new, {}
        if new:
            self._spawn(self._confirm(new))

    async def _confirm(self, new: dict[str, asyncio.Future[None]]) -> None:
        try:
            await self._adapter.subscribe(new.keys())
        except Exception:
            if len(new) > 1:  # one bad topic must not cost the others
                for topic, confirmed in new.items():
                    await self._confirm({topic: confirmed})
                return
            self.log.exception("The bus failed: %r is not heard from other nodes", next(iter(new)))
            return
        for topic, confirmed in new.items():
            if self._topics.get(topic) is confirmed:
                self._topics[topic] = None
            if not confirmed.done():
                confirmed.set_result(None)

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
            del self._lingering[topic], self._topics[topic]
            self._new.pop(topic, None)
        if old:
            self._adapter.unsubscribe(old)
