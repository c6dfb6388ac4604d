"""What this node hears: the topics, and the channels that the broker has confirmed.

Theory of operation
-------------------
``subscribe`` and ``unsubscribe`` change what is wanted, and note the channels. One task compares what is wanted with what
the broker has, and makes the calls of the driver (:meth:`Subscriptions.work`). So the calls have one order, whatever the
order and number of the changes.

After a new connection the broker has nothing, and all channels are subscribed to again. Without a connection no changes
are noted: in an outage of hours, topics that come and go leave nothing behind.

The topics of one call are a *batch*. A batch is confirmed as a whole, and then has a *generation*: batches are numbered in
the order of their confirmations. A batch whose topics were all unsubscribed from before they were confirmed has none. :mod:`bennu.bus.sequence` says what generations are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from ..sequence import UNKNOWN
from ..topics import key_of
from .driver import Driver
from .frames import size_of, split
from .settings import Channels

__all__ = ["SubscribedTopic", "SubscriptionBatch", "Subscriptions"]

MAX_CHANNELS: Final = 1000
"""Channels in one call of the driver."""


class SubscriptionBatch:
    """The topics of one call.

    Attributes:
        topics: The topics.
        size: Their bytes in a frame, at most.
        generation: The number of the batch, in the order of confirmations; ``UNKNOWN`` before.
        since: The time of the confirmation, by the clock of the event loop.
        confirmed: Set when the broker has confirmed all topics, or this node stops.
        waits_for: The number of topics that are not confirmed yet.
        is_heard: Whether the broker has confirmed one of the topics.
    """

    __slots__ = ("confirmed", "generation", "is_heard", "since", "size", "topics", "waits_for")

    def __init__(self, topics: list[str]) -> None:
        self.topics = topics
        self.size = size_of(topics)
        self.generation = UNKNOWN
        self.since = float("inf")
        self.confirmed = asyncio.Event()
        self.waits_for = len(topics)
        self.is_heard = False


class SubscribedTopic:
    """A topic that this node hears.

    Attributes:
        topic: The topic.
        batch: The call that has subscribed to it.
        is_confirmed: Whether the broker has confirmed it.
    """

    __slots__ = ("batch", "is_confirmed", "topic")

    def __init__(self, topic: str, batch: SubscriptionBatch) -> None:
        self.topic = topic
        self.batch = batch
        self.is_confirmed = False


class Subscriptions:
    """What this node hears.

    Args:
        channels: The names of the channels.
        on_confirmed: Called with the batches that the broker has confirmed.

    Attributes:
        topics: What this node hears, by topic.
        by_channel: The same by channel.
        generation: The generation of the batch that was confirmed last.
    """

    __slots__ = (
        "_changed",
        "_channels",
        "_confirmed",
        "_is_changed",
        "_is_connected",
        "_on_confirmed",
        "_subscribed",
        "by_channel",
        "generation",
        "topics",
    )

    def __init__(
        self, channels: Channels, on_confirmed: Callable[[list[SubscriptionBatch]], object]
    ) -> None:
        self.topics: dict[str, SubscribedTopic] = {}
        self.by_channel: dict[str, SubscribedTopic] = {}
        self.generation = 0
        self._channels = channels
        self._on_confirmed = on_confirmed
        self._subscribed: set[str] = set()
        self._changed: dict[str, None] = {}
        self._is_changed = asyncio.Event()
        self._is_connected = False
        self._confirmed: list[SubscriptionBatch] = []

    def add(self, topics: Collection[str]) -> set[SubscriptionBatch]:
        """Hear topics. Return the batches that are not confirmed yet.

        Raises:
            EncodeError: A topic is too long. None is added.
        """
        for topic in topics:
            key_of(topic)
        waiting: set[SubscriptionBatch] = set()
        new: dict[str, None] = {}
        for topic in topics:
            known = self.topics.get(topic)
            if known is None:
                new[topic] = None
            elif not known.is_confirmed:
                waiting.add(known.batch)
        for part in split(new):
            batch = SubscriptionBatch(part)
            waiting.add(batch)
            for topic in part:
                channel = self._channels.of_topic(topic)
                self.topics[topic] = self.by_channel[channel] = SubscribedTopic(topic, batch)
                self._note(channel)
        if new:
            self._is_changed.set()
        return waiting

    def remove(self, topics: Collection[str]) -> list[str]:
        """Hear topics no more. Return those that were heard."""
        removed: list[str] = []
        for topic in topics:
            known = self.topics.pop(topic, None)
            if known is not None:
                channel = self._channels.of_topic(topic)
                del self.by_channel[channel]
                self._note(channel)
                self._settle(known, is_heard=False)
                removed.append(topic)
        if removed:
            self._is_changed.set()
        return removed

    async def resubscribe(self, driver: Driver, seconds: float) -> None:
        """Subscribe to all topics on a new connection.

        Args:
            driver: The driver.
            seconds: For one call of the driver.
        """
        self._is_connected = True
        self._changed = dict.fromkeys(self.by_channel)
        while self._changed:
            async with asyncio.timeout(seconds):
                await self._reconcile(driver)

    def disconnect(self) -> None:
        """Forget what the broker has, because the connection has ended."""
        self._is_connected = False
        self._subscribed.clear()
        self._changed.clear()

    def stop(self) -> None:
        """Let nobody wait for a confirmation, because this node stops."""
        for known in self.topics.values():
            known.batch.confirmed.set()

    async def work(self, driver: Driver) -> None:
        """Follow the changes, as long as the connection lasts."""
        while True:
            await self._is_changed.wait()
            self._is_changed.clear()
            while self._changed:
                await self._reconcile(driver)

    async def _reconcile(self, driver: Driver) -> None:
        """Make the next calls of the driver."""
        changed: list[str] = []
        while self._changed and len(changed) < MAX_CHANNELS:
            channel = next(iter(self._changed))
            del self._changed[channel]
            changed.append(channel)
        old = [one for one in changed if one in self._subscribed and one not in self.by_channel]
        new = [one for one in changed if one not in self._subscribed and one in self.by_channel]
        if old:
            self._subscribed.difference_update(old)
            await driver.unsubscribe(old)
        if new:
            await driver.subscribe(new)
            self._subscribed.update(new)
        for channel in changed:
            known = self.by_channel.get(channel)
            if known is not None and channel in self._subscribed:
                self._settle(known, is_heard=True)
        if self._confirmed:
            confirmed, self._confirmed = self._confirmed, []
            self._on_confirmed(confirmed)

    def _note(self, channel: str) -> None:
        """Note a change for the broker."""
        if self._is_connected:
            self._changed[channel] = None

    def _settle(self, known: SubscribedTopic, *, is_heard: bool) -> None:
        """Note that a topic is confirmed, or that it is not wanted any more."""
        if known.is_confirmed:
            return
        known.is_confirmed = True
        batch = known.batch
        batch.is_heard |= is_heard
        batch.waits_for -= 1
        if batch.waits_for:
            return
        batch.confirmed.set()
        if batch.is_heard:
            self.generation += 1
            batch.generation = self.generation
            batch.since = asyncio.get_running_loop().time()
            self._confirmed.append(batch)
