"""The logs of one endpoint: which topics have history, what this node publishes to them, and what it follows.

Theory of operation
-------------------
A broadcast to a topic with history is appended to the log first (:mod:`.writer`). Then it goes to the gate of this node, and
to the other nodes: over the bus, or by the store itself if the store ``announces``. A broadcast that the store does not take
reaches nobody, because without an offset nobody could recover it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..errors import StoreUnavailable
from ..message import Broadcast
from ..pubsub.envelope import Envelope
from ..store.drafts import DraftMaker
from ..store.entry import NOBODY, Draft, LogEntry
from ..store.memory import MemoryStore
from ..store.store import Page, Store
from ..user_code.callback import crash_of
from .announcement import unpack_announcement
from .announcing import announce
from .checks import check_for_ever
from .guard import StoreGuard
from .histories import Histories
from .history import History
from .plain import PlainBroadcasts
from .position import Position
from .run import ReadRequest
from .tasks import LogTasks
from .topic_log import TopicLog
from .turns import CatchUpTurns
from .writer import PUBLISH_TIMEOUT
from .writers import LogWriters

if TYPE_CHECKING:
    from ..pubsub.pubsub import PubSub

__all__ = ["Logs"]

MOST_READS: Final = 64
"""Reads of the store at a time."""


class Logs:
    """The logs of an endpoint.

    Args:
        store: The store.
        histories: Which topics have history.
        pubsub: Passes entries on to subscribers.
        source: Where the store is: its address, or the store. Default: None, the store.

    Attributes:
        store: As given.
        source: As given.
        histories: As given.
        pubsub: As given.
        log: Writes the log.
        guard: Whether the store is up.
        topics: The topics that are followed.
        memory: The store, if it is in the memory of this process alone and answers at once; else None.
        turns: Shares the turns of the event loop among members that catch up.
        origins: The local senders of drafts that are being passed on, by the ids of the drafts.
        drafted: Called with the id of each draft of a broadcast; None without tracing, which sets it.
    """

    def __init__(
        self,
        store: Store,
        histories: Histories,
        pubsub: PubSub,
        source: str | Store | None = None,
    ) -> None:
        self.store = store
        self.source = store if source is None else source
        self.histories = histories
        self.pubsub = pubsub
        self.log = pubsub.telemetry.log.child("history")
        self.topics: dict[str, TopicLog] = {}
        self._tasks = LogTasks(self.log)
        self._writers = LogWriters(self._append, self.spawn)
        self._heard: set[str] = set()
        self.origins: dict[str, object] = {}
        self.drafted: Callable[[str], object] | None = None
        self._plain = PlainBroadcasts(self.log)
        self.guard = StoreGuard(store, self.spawn, self.check_all, self.log, pubsub.telemetry)
        self.memory = store if isinstance(store, MemoryStore) and not store.is_shared else None
        self._is_abandoned = False
        self._reads = asyncio.Semaphore(MOST_READS)
        self.turns = CatchUpTurns()
        self._drafts = DraftMaker()

    # Start and stop.

    async def start(self) -> None:
        """Start the store, and the checks.

        Raises:
            DefinitionError: The store can't be used.
        """
        if self._is_abandoned:
            self._is_abandoned = False
            await self.guard.stop()  # it was started, and not stopped
        self._drafts = DraftMaker()
        await self.store.start(self.announced)
        self.guard.start()
        self._tasks.is_open = True
        self.spawn(check_for_ever(self))
        self.pubsub.keep_logs()

    async def stop(self) -> None:
        """Stop the checks, wait for appends that are under way, and stop the store."""
        try:
            await self._writers.empty()
        finally:  # also if the stop is cancelled
            self._forget_topics()
            try:
                await self._tasks.stop(PUBLISH_TIMEOUT)
            finally:
                await self.guard.stop()

    def forget(self) -> None:
        """Forget all topics and tasks: the event loop was closed without a stop, or is the parent process's."""
        self._is_abandoned |= self._is_running
        self._forget_topics()
        self._tasks.forget()
        self._reads = asyncio.Semaphore(MOST_READS)
        self.turns = CatchUpTurns()

    def _forget_topics(self) -> None:
        for log in self.topics.values():
            log.stop()
        self.topics.clear()
        self._writers.clear()
        self._heard.clear()
        self.origins.clear()

    @property
    def _is_running(self) -> bool:
        return self._tasks.is_open

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task that ends with the endpoint."""
        self._tasks.spawn(work)

    # Topics.

    def history_of(self, topic: str, event: str | None = None) -> History | None:
        """Return what :meth:`Histories.of` returns."""
        return self.histories.of(topic, event)

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

    def receive_plain(self, topic: str, event: str, node: str) -> None:
        """Log a broadcast to a topic with history that another node has sent without an entry, unless it is ephemeral."""
        if self.history_of(topic, event) is not None:
            self._plain.note(topic, event, node)

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
        if not self._tasks.is_open:
            raise StoreUnavailable("the endpoint has stopped")
        topic = message.topic
        member = None if sender is None else getattr(sender, "member", None)
        draft = self._drafts.make(message, NOBODY if member is None else member.sender)
        if self.drafted is not None:
            self.drafted(draft.id)
        if self.memory is None:
            position = await self._writers.write(topic, history, draft, sender)
        else:
            position = self._append_now(self.memory, history, topic, draft, sender)
        log = self.topics.get(topic)
        if log is not None and log.is_crowded:
            log.is_crowded = False
            await asyncio.sleep(0)  # other tasks run between the broadcasts of a loop
        return position

    def _append_now(
        self, store: MemoryStore, history: History, topic: str, draft: Draft, sender: object
    ) -> Position:
        """Append a draft to a store in memory, and hand it to this node's gate: there is no other node."""
        epoch, entry = store.append_now(topic, draft, history.retention)
        log = self.topics.get(topic)
        if log is not None:
            if sender is not None:
                self.origins[draft.id] = sender
            try:
                log.take(epoch, entry)
            finally:
                self.origins.pop(draft.id, None)
        return Position(epoch, entry.offset)

    async def _append(
        self, topic: str, history: History, drafts: Sequence[Draft], senders: Sequence[object]
    ) -> Sequence[Position]:
        """Append drafts, hand them to this node's gate, and announce them. Return their positions."""
        named = [
            (draft.id, sender)
            for draft, sender in zip(drafts, senders, strict=True)
            if sender is not None
        ]
        self.origins.update(named)
        try:
            epoch, places = await self.guard.append(topic, drafts, history.retention)
            log = self.topics.get(topic)
            if log is not None:
                for draft, (offset, prev) in zip(drafts, places, strict=True):
                    log.take(epoch, LogEntry(offset, prev, *draft))
        finally:
            for name, _ in named:
                self.origins.pop(name, None)
        await self._announce(topic, epoch, places, drafts)
        return [Position(epoch, offset) for offset, _ in places]

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
        if cluster is not None and not self.store.announces:
            await announce(cluster.publish, topic, epoch, places, drafts)

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
