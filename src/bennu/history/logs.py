"""The logs of one endpoint: which topics have history, what this node publishes to them, and what it follows.

Theory of operation
-------------------
A broadcast to a topic with history is appended to the log first (:mod:`.writer`). Then it goes to the gate of this node, and
to the other nodes: over the bus, or by the store itself if the store ``announces``. A broadcast that the store does not take
reaches nobody, because without an offset nobody could recover it.

Announcements can be lost. If the lost one is the last of a topic, no later entry shows the gap. So every ``CHECK_EVERY`` seconds
the node asks the store where the topics stand that had no entry since. While the node is cut off from the bus, it asks every
second.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from ..errors import EncodeError, StoreUnavailable
from ..message import Broadcast
from ..protocol.encoding import raw_object
from ..pubsub.envelope import TOPICS, Envelope
from ..store.entry import NOBODY, Draft, LogEntry
from ..store.store import Page, Store
from .announcement import pack_announcement, unpack_announcement
from .gate import ReadRequest
from .guard import StoreGuard
from .history import History
from .position import Position
from .topic_log import LINGER, TopicLog
from .writer import LogWriter

if TYPE_CHECKING:
    from ..pubsub.pubsub import PubSub

__all__ = ["Logs"]

CHECK_EVERY: Final = 10.0
"""Seconds between two checks of a quiet topic; a fifth more or less."""

CUT_OFF_EVERY: Final = 1.0
"""The same while this node does not hear the bus."""

MOST_READS: Final = 64
"""Reads of the store at a time."""

KNOWN: Final = 100_000
"""Topics whose history is kept, so that their patterns are matched once."""


class Logs:
    """The logs of an endpoint.

    Args:
        store: The store.
        find: Returns the history of a topic; None for a topic without history.
        pubsub: Passes entries on to subscribers.

    Attributes:
        guard: Whether the store is up.
        origins: The local senders of drafts that are being passed on, by the ids of the drafts.
    """

    def __init__(self, store: Store, find: Callable[[str], History | None], pubsub: PubSub) -> None:
        self.store = store
        self.pubsub = pubsub
        self.log = pubsub.telemetry.log.child("history")
        self._find = find
        self._histories: dict[str, History | None] = {}
        self._topics: dict[str, TopicLog] = {}
        self._writers: dict[str, LogWriter] = {}
        self._heard: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.origins: dict[str, object] = {}
        self.guard = StoreGuard(store, self.spawn, self.check_all, self.log)
        self._reads = asyncio.Semaphore(MOST_READS)
        self._ids = map(f"{secrets.token_hex(8)}-{{:x}}".format, count(1))

    # Start and stop.

    async def start(self) -> None:
        """Start the store, and the checks.

        Raises:
            DefinitionError: The store can't be used.
        """
        self._ids = map(
            f"{secrets.token_hex(8)}-{{:x}}".format, count(1)
        )  # not those of a parent process
        await self.store.start(self.announced)
        self.spawn(self._check_for_ever())

    async def stop(self) -> None:
        """Stop the checks, wait for appends that are under way, and stop the store."""
        for writer in tuple(self._writers.values()):
            await writer.empty()
        tasks = tuple(self._tasks)
        self.forget()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self.store.stop()

    def forget(self) -> None:
        """Forget all topics and tasks: after the stop, or because the tasks are those of another event loop."""
        for log in self._topics.values():
            log.stop()
        self._topics.clear()
        self._writers.clear()
        self._heard.clear()
        self.origins.clear()
        self._tasks.clear()
        self._reads = asyncio.Semaphore(MOST_READS)
        self.guard.is_up = True  # the next call finds out

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task that ends with the endpoint."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("A task of the histories failed", exc_info=error)

    # Topics.

    def history_of(self, topic: str) -> History | None:
        """Return the history of a topic; None for a topic without history."""
        try:
            return self._histories[topic]
        except KeyError:
            if len(self._histories) >= KNOWN:
                self._histories.clear()
            found = self._histories[topic] = self._find(topic)
            return found

    def keep(self, topic: str) -> TopicLog | None:
        """Follow a topic, because it has a subscriber or a join. Return None if the topic has no history."""
        history = self.history_of(topic)
        if history is None:
            return None
        log = self._topics.get(topic)
        if log is None:
            log = self._topics[topic] = TopicLog(self, topic, history)
        log.users += 1
        log.wake()
        return log

    def let_go(self, topic: str) -> None:
        """Undo one :meth:`keep`. The topic is followed for some seconds more."""
        log = self._topics.get(topic)
        if log is not None:
            log.users -= 1
            log.idle_since = asyncio.get_running_loop().time()

    def follows(self, log: TopicLog) -> bool:
        """Return whether a topic is followed."""
        return self._topics.get(log.topic) is log

    async def hear(self, topic: str) -> None:
        """Wait until this node hears of the topic's new entries, but not for long."""
        if self.store.announces:
            if topic not in self._heard:
                await self.guard.call(self.store.subscribe((topic,)))
                self._heard.add(topic)
        elif self.pubsub.cluster is not None:
            await self.pubsub.cluster.heard(topic)

    async def read(self, topic: str, request: ReadRequest, history: History) -> Page:
        """Read a page of a log.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        self.guard.expect_up()
        async with self._reads:
            return await self.guard.call(self.store.read(topic, *request, history.retention))

    def announced(self, topic: str, epoch: str, entry: LogEntry | None) -> None:
        """Take a new entry that the store or another node has announced; None means that the log must be read."""
        log = self._topics.get(topic)
        if log is None:
            return
        if entry is None:
            log.read_again()
        else:
            log.take(epoch, entry)

    def receive(self, topic: str, envelope: Envelope) -> None:
        """Take a new entry that another node has announced over the bus.

        Raises:
            DecodeError: The bytes are no entry.
        """
        self.announced(topic, *unpack_announcement(envelope))

    # Publishing.

    async def publish(
        self, history: History, message: Broadcast, sender: object = None
    ) -> Position:
        """Append a broadcast to the log of its topic, and send it to all nodes. Return its position.

        Args:
            history: The history of the topic.
            message: The broadcast.
            sender: A channel or the owner of a listener, which does not get it; or None.

        Raises:
            EncodeError: The payload is bytes, or no JSON object, or too large for the store.
            StoreUnavailable: The store has not taken it within some seconds. Nobody gets it now.
        """
        topic, event, payload = message.topic, message.event, message.payload
        if isinstance(payload, bytes):
            raise EncodeError(
                f"a topic with history carries JSON objects, and the broadcast of {event!r} on {topic!r} is bytes:"
                " write a JSON object, or use local_broadcast or a topic without history"
            )
        member = getattr(sender, "member", None)
        sent_by = NOBODY if member is None else member.sender
        draft = Draft(
            next(self._ids), event, bytes(raw_object(payload)), sent_by, int(time.time() * 1000)
        )
        if self.store.is_shared:
            position = await self._writer(topic, history).write(draft, sender)
        else:  # a store in memory answers at once
            [position] = await self._append(topic, history, (draft,), (sender,))
        log = self._topics.get(topic)
        if log is not None and log.is_crowded:
            log.is_crowded = False
            await asyncio.sleep(0)  # other tasks run between the broadcasts of a loop
        return position

    def _writer(self, topic: str, history: History) -> LogWriter:
        writer = self._writers.get(topic)
        if writer is None:
            if len(self._writers) > KNOWN // 100:
                self._writers = {
                    name: one for name, one in self._writers.items() if not one.is_idle
                }

            async def append(
                drafts: Sequence[Draft], senders: Sequence[object]
            ) -> Sequence[Position]:
                return await self._append(topic, history, drafts, senders)

            writer = self._writers[topic] = LogWriter(append, self.spawn)
        return writer

    async def _append(
        self, topic: str, history: History, drafts: Sequence[Draft], senders: Sequence[object]
    ) -> Sequence[Position]:
        """Append drafts, hand them to this node's gate, and announce them. Return their positions."""
        store = self.store
        for draft, sender in zip(drafts, senders, strict=True):
            if sender is not None:
                self.origins[draft.id] = sender
        try:
            call = store.append(topic, drafts, history.retention)
            epoch, places = await (self.guard.call(call) if store.is_shared else call)
            log = self._topics.get(topic)
            if log is not None:
                for draft, (offset, prev) in zip(drafts, places, strict=True):
                    log.take(epoch, LogEntry(offset, prev, *draft))
        finally:
            for draft in drafts:
                self.origins.pop(draft.id, None)
        cluster = self.pubsub.cluster
        if cluster is not None and not store.announces:
            for draft, place in zip(drafts, places, strict=True):
                await cluster.publish(TOPICS + topic, pack_announcement(epoch, place, draft))
        return [Position(epoch, offset) for offset, _ in places]

    # Reading.

    async def position(self, topic: str, history: History) -> Position:
        """Return the position of the newest entry of a topic.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        page = await self.read(topic, ReadRequest(2**53 - 1, 1, 1), history)
        return Position(page.epoch, page.newest)

    # Checks.

    def check_all(self) -> None:
        """Read all topics that are followed: the store was down."""
        for log in tuple(self._topics.values()):
            log.read_again()

    async def _check_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        next_check = loop.time() + CHECK_EVERY * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        was_up = True
        while True:
            await asyncio.sleep(CUT_OFF_EVERY)
            cluster = self.pubsub.cluster
            is_up = cluster is None or cluster.watch.is_up
            if loop.time() < next_check and is_up and was_up:
                continue
            was_up = is_up
            next_check = loop.time() + CHECK_EVERY * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
            self._forget_idle(loop.time() - LINGER)
            if self.store.is_shared and self.guard.is_up:
                await self._check()

    async def _check(self) -> None:
        """Ask where the logs stand that had no entry since the last check."""
        quiet = [topic for topic, log in self._topics.items() if log.users and log.is_quiet]
        for log in self._topics.values():
            log.is_quiet = True
        for start in range(0, len(quiet), 1_000):
            part = quiet[start : start + 1_000]
            try:
                heads = await self.guard.call(self.store.heads(part))
            except StoreUnavailable:
                return  # when it is back, all topics are read
            for topic in part:
                found = self._topics.get(topic)
                if found is not None:
                    found.compare(heads.get(topic))

    def _forget_idle(self, before: float) -> None:
        idle = [
            topic
            for topic, log in self._topics.items()
            if not log.users and log.idle_since < before
        ]
        for topic in idle:
            self._topics.pop(topic).stop()
        self._heard.difference_update(idle)
        if idle and self.store.announces:  # also from topics whose subscription has failed
            self.store.unsubscribe(idle)
