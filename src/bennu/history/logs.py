"""The logs of one endpoint: which topics have history, what this node publishes to them, and what it follows.

Theory of operation
-------------------
A broadcast to a topic with history is appended to the log first (:mod:`.writer`). Then it goes to the gate of this node, and
to the other nodes: over the bus, or by the store itself if the store ``announces``. A broadcast that the store does not take
reaches nobody, because without an offset nobody could recover it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from ..errors import EncodeError, StoreUnavailable
from ..message import Broadcast
from ..protocol.encoding import raw_object
from ..pubsub.envelope import TOPICS, Envelope
from ..store.entry import NOBODY, Draft, LogEntry
from ..store.memory import MemoryStore
from ..store.store import Page, Store
from ..user_code.callback import crash_of
from .announcement import pack_announcement, unpack_announcement
from .checks import check_for_ever
from .guard import StoreGuard
from .history import History
from .position import Position
from .run import ReadRequest
from .topic_log import TopicLog
from .turns import CatchUpTurns
from .writer import PUBLISH_TIMEOUT, LogWriter

if TYPE_CHECKING:
    from ..pubsub.pubsub import PubSub

__all__ = ["Logs"]

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
        store: As given.
        pubsub: As given.
        log: Writes the log.
        guard: Whether the store is up.
        topics: The topics that are followed.
        is_instant: Whether the store is in memory, and answers at once.
        turns: Shares the turns of the event loop among members that catch up.
        origins: The local senders of drafts that are being passed on, by the ids of the drafts.
    """

    def __init__(self, store: Store, find: Callable[[str], History | None], pubsub: PubSub) -> None:
        self.store = store
        self.pubsub = pubsub
        self.log = pubsub.telemetry.log.child("history")
        self._find = find
        self._histories: dict[str, History | None] = {}
        self.topics: dict[str, TopicLog] = {}
        self._writers: dict[str, LogWriter] = {}
        self._heard: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.origins: dict[str, object] = {}
        self.guard = StoreGuard(store, self.spawn, self.check_all, self.log)
        self.is_instant = isinstance(store, MemoryStore) and not store.is_shared
        self._is_running = False
        self._is_abandoned = False
        self._reads = asyncio.Semaphore(MOST_READS)
        self.turns = CatchUpTurns()
        self._ids = map(str, count(1))

    # Start and stop.

    async def start(self) -> None:
        """Start the store, and the checks.

        Raises:
            DefinitionError: The store can't be used.
        """
        if self._is_abandoned:
            self._is_abandoned = False
            await self.guard.stop()  # it was started, and not stopped
        self._ids = map(f"{secrets.token_hex(8)}-{{:x}}".format, count(1))  # not the parent's
        await self.store.start(self.announced)
        self.guard.start()
        self._is_running = True
        self.spawn(check_for_ever(self))
        self.pubsub.keep_logs()

    async def stop(self) -> None:
        """Stop the checks, wait for appends that are under way, and stop the store."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PUBLISH_TIMEOUT):
                    for writer in tuple(self._writers.values()):
                        await writer.empty()
        finally:  # also if the stop is cancelled
            self._is_running = False
            self._forget_topics()
            for task in (tasks := tuple(self._tasks)):
                task.cancel()
            try:
                if tasks:
                    await asyncio.wait(tasks, timeout=PUBLISH_TIMEOUT)
            finally:
                await self.guard.stop()

    def forget(self) -> None:
        """Forget all topics and tasks: the event loop was closed without a stop, or is the parent process's."""
        self._is_abandoned |= self._is_running
        self._is_running = False
        self._forget_topics()
        self._tasks.clear()
        self._reads = asyncio.Semaphore(MOST_READS)
        self.turns = CatchUpTurns()

    def _forget_topics(self) -> None:
        for log in self.topics.values():
            log.stop()
        self.topics.clear()
        self._writers.clear()
        self._heard.clear()
        self.origins.clear()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task that ends with the endpoint."""
        if not self._is_running:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("A task of the histories failed", exc_info=error)

    # Topics.

    def history_of(self, topic: str, event: str | None = None) -> History | None:
        """Return the history of a topic; None for a topic without history, and for an event that is ephemeral there.

        Raises:
            Exception: The user's function of ``History.by_topic`` has raised it, or has returned something else.
        """
        try:
            found = self._histories[topic]
        except KeyError:
            if len(self._histories) >= KNOWN:
                self._histories.clear()
            found = self._histories[topic] = self._find(topic)
        return found if found and event not in found.ephemeral else None

    def keep(self, topic: str) -> TopicLog | None:
        """Follow a topic for a subscriber or a join, until :meth:`let_go`. Return None if it has no history."""
        if not self._is_running:
            return None
        try:
            history = self.history_of(topic)
        except Exception:
            self.log.exception("The history of %r can't be chosen", topic)
            return None
        if history is None:
            return None
        log = self.topics.get(topic)
        if log is not None and not (log.users or self._hears(topic)):
            self.topics.pop(topic).stop()  # it does not know what was sent meanwhile
            log = None
        if log is None:
            log = self.topics[topic] = TopicLog(self, topic, history)
        log.users += 1
        log.wake()
        return log

    def let_go(self, topic: str) -> None:
        """Undo one :meth:`keep`. The topic is followed for some seconds more."""
        log = self.topics.get(topic)
        if log is not None:
            log.users -= 1
            log.idle_since = asyncio.get_running_loop().time()

    def follows(self, log: TopicLog) -> bool:
        """Return whether a topic is followed."""
        return self.topics.get(log.topic) is log

    def _hears(self, topic: str) -> bool:
        """Return whether this node hears of the topic's new entries."""
        if self.store.announces:
            return topic in self._heard
        return self.pubsub.cluster is None or self.pubsub.cluster.hears(topic)

    async def hear(self, topic: str) -> None:
        """Wait until this node hears of the topic's new entries: for one call of the store, or a second of the bus.

        Raises:
            StoreUnavailable: The store announces its entries, and does not answer.
        """
        if self.store.announces:
            if topic not in self._heard:
                self.guard.expect_up()
                await self.guard.call(self.store.subscribe, (topic,))
                if topic in self.topics:
                    self._heard.add(topic)
                else:
                    self._unsubscribe((topic,))
        elif self.pubsub.cluster is not None:
            await self.pubsub.cluster.heard(topic)

    def _unsubscribe(self, topics: Collection[str]) -> None:
        try:
            self.store.unsubscribe(topics)
        except BaseException as raised:
            crash_of(raised, "the store")  # raises what came from outside
            self.log.exception(
                "The store %s still announces %d topics", self.store.name, len(topics)
            )

    async def read(self, topic: str, request: ReadRequest, history: History) -> Page:
        """Read a page of a log.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        async with self._reads:
            self.guard.expect_up()  # perhaps it went down while this read waited
            return await self.guard.call(self.store.read, topic, *request, history.retention)

    def announced(self, topic: str, epoch: str, entry: LogEntry | None) -> None:
        """Take a new entry that the store or another node has announced; None means that the log must be read."""
        log = self.topics.get(topic)
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
        if not self._is_running:
            raise StoreUnavailable("the endpoint has stopped")
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
        if self.is_instant:
            [position] = await self._append(topic, history, (draft,), (sender,))
        else:
            position = await self._writer(topic, history).write(draft, sender)
        log = self.topics.get(topic)
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
            if self.is_instant:
                epoch, places = await store.append(topic, drafts, history.retention)
            else:
                epoch, places = await self.guard.call(self._append_all, topic, drafts, history)
            log = self.topics.get(topic)
            if log is not None:
                for draft, (offset, prev) in zip(drafts, places, strict=True):
                    log.take(epoch, LogEntry(offset, prev, *draft))
        finally:
            for draft in drafts:
                self.origins.pop(draft.id, None)
        await self._announce(topic, epoch, places, drafts)
        return [Position(epoch, offset) for offset, _ in places]

    async def _append_all(
        self, topic: str, drafts: Sequence[Draft], history: History
    ) -> tuple[str, list[tuple[int, int]]]:
        """Append drafts, and check the shape of the answer."""
        epoch, places = await self.store.append(topic, drafts, history.retention)
        pairs = [(offset, prev) for offset, prev in places]
        if len(pairs) != len(drafts):
            raise ValueError(f"{len(drafts)} drafts were appended, and the answer has {len(pairs)}")
        return epoch, pairs

    def committed(self, topic: str, epoch: str, entries: Sequence[LogEntry]) -> None:
        """Hand entries that a transaction of the user has appended to this node's gate, and announce them to the others."""
        log = self.topics.get(topic)
        if log is not None:
            for entry in entries:
                log.take(epoch, entry)
        places, drafts = [entry[:2] for entry in entries], [Draft(*entry[2:]) for entry in entries]
        self.spawn(self._announce(topic, epoch, places, drafts))

    async def _announce(
        self, topic: str, epoch: str, places: Sequence[tuple[int, int]], drafts: Sequence[Draft]
    ) -> None:
        """Tell the other nodes of new entries, unless the store does it."""
        cluster = self.pubsub.cluster
        if cluster is None or self.store.announces:
            return
        for draft, place in zip(drafts, places, strict=True):
            try:
                await cluster.publish(TOPICS + topic, pack_announcement(epoch, place, draft))
            except EncodeError:  # it is too large for the bus: the other nodes read it
                await cluster.publish(TOPICS + topic, pack_announcement(epoch, place, None))

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
        for log in tuple(self.topics.values()):
            log.read_again()

    def forget_idle(self, before: float) -> None:
        """Forget the topics that nobody has kept since a time."""
        idle = [
            topic for topic, log in self.topics.items() if not log.users and log.idle_since < before
        ]
        for topic in idle:
            self.topics.pop(topic).stop()
        self._heard.difference_update(idle)
        if idle and self.store.announces:  # also from topics whose subscription has failed
            self._unsubscribe(idle)
