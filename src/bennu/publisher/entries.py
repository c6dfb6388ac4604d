"""The entries that a publisher appends to the logs of topics, from its start to its stop.

Theory of operation
-------------------
A broadcast to a topic with history is appended first, by the same code as on an endpoint (:mod:`bennu.history.writer`). Then the
publisher announces the entry over the bus, unless the store ``announces``. Each announcement is a task of its own: a bus that
hangs delays no append, and a caller that is cancelled takes back neither its entry nor the announcement.

A lost announcement loses no entry: the nodes find the entry in the store. So the bus never makes a broadcast of an entry fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from ..errors import StoreUnavailable
from ..history.announcing import Publish, announce
from ..history.guard import StoreGuard
from ..history.history import History
from ..history.tasks import LogTasks
from ..history.writer import PUBLISH_TIMEOUT
from ..history.writers import LogWriters
from ..logs.log import Log, Printed
from ..message import Broadcast
from ..store.drafts import DraftMaker
from ..store.entry import Draft, LogEntry
from ..store.store import Store
from ..user_code.callback import crash_of

__all__ = ["FOUND_LATER", "EntryPublisher"]

FOUND_LATER: Final = (
    "the clients get what was broadcast within 12 seconds, when their nodes check the store"
)
"""What a lost announcement means, for the log."""


class Announced(NamedTuple):
    """What became of the announcement of an entry.

    Attributes:
        is_on_bus: Whether the bus has it. It has not if the store announces its entries, or if the bus failed.
        nodes: How many nodes hear of the entry; None if the bus does not know.
    """

    is_on_bus: bool
    nodes: int | None


NOT_ON_BUS: Final = Announced(is_on_bus=False, nodes=None)

Announcing = asyncio.Task[Announced]


class EntryPublisher:
    """Appends broadcasts to logs, and announces them.

    Args:
        store: The store, not started.
        publish: Publishes bytes on the bus.
        timeout: The most seconds for an announcement.
        log: Writes the log.
    """

    def __init__(self, store: Store, publish: Publish, timeout: float, log: Log) -> None:
        self._store = store
        self._publish = publish
        self._timeout = timeout
        self._log = log
        self._tasks = LogTasks(log)
        self._guard = StoreGuard(
            store,
            self._tasks.spawn,
            _do_nothing,
            log,
            effect="Broadcasts to topics with history fail",
        )
        self._drafts = DraftMaker()
        self._writers = LogWriters(self._append, self._tasks.spawn)
        self._announcements: set[Announcing] = set()
        self._is_open = False

    async def start(self) -> None:
        """Start the store. A store that is down is no error: it connects when it is needed.

        Raises:
            DefinitionError: The store can't be used.
        """
        try:
            await self._store.start(_ignore)
        except BaseException:
            await self._guard.stop()
            raise
        self._guard.start()
        self._tasks.is_open = self._is_open = True

    async def stop(self) -> None:
        """Wait for appends and announcements that are under way, and stop the store. A second call has no effect."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            await self._writers.empty()
            if self._announcements:
                await asyncio.wait(self._announcements, timeout=self._timeout)
        finally:  # also if the stop is cancelled
            for task in self._announcements:
                task.cancel()
            try:
                await self._tasks.stop(PUBLISH_TIMEOUT)
            finally:
                await self._guard.stop()

    async def publish(self, history: History, message: Broadcast) -> Announced:
        """Append a broadcast to the log of its topic, and tell the nodes.

        Args:
            history: The history of the topic.
            message: The broadcast.

        Raises:
            EncodeError: The payload is bytes, or no JSON object, or too large for the store.
            StoreUnavailable: The store has not taken it within some seconds. Nobody gets it now.
        """
        if not self._is_open:
            raise StoreUnavailable("the publisher has stopped")
        draft = self._drafts.make(message)
        task = await self._writers.write(message.topic, history, draft)
        if task is None:
            return NOT_ON_BUS
        await asyncio.wait((task,))
        return NOT_ON_BUS if task.cancelled() else task.result()

    async def _append(
        self, topic: str, history: History, drafts: Sequence[Draft], senders: Sequence[object]
    ) -> Sequence[Announcing | None]:
        """Append drafts, and begin to announce them."""
        del senders  # a publisher has no members
        epoch, places = await self._guard.append(topic, drafts, history.retention)
        if self._store.announces:
            return [None] * len(drafts)
        task = asyncio.get_running_loop().create_task(self._announce(topic, epoch, places, drafts))
        self._announcements.add(task)
        task.add_done_callback(self._announcements.discard)
        return [task] * len(drafts)

    async def _announce(
        self, topic: str, epoch: str, places: Sequence[tuple[int, int]], drafts: Sequence[Draft]
    ) -> Announced:
        try:
            async with asyncio.timeout(self._timeout):
                nodes = await announce(self._publish, topic, epoch, places, drafts)
        except BaseException as raised:  # noqa: BLE001 - crash_of raises what came from outside
            crash = crash_of(raised, "the publish of the bus")
            self._log.warning(
                "The bus has not taken the announcement of %d broadcast(s) to %r (%r), which are in the log of the topic:"
                " %s",
                len(drafts),
                topic,
                crash,
                Printed(FOUND_LATER),
            )
            return NOT_ON_BUS
        return Announced(is_on_bus=True, nodes=nodes)


def _ignore(topic: str, epoch: str, entry: LogEntry | None) -> None:
    """Do nothing: a publisher hears of no entries."""


def _do_nothing() -> None:
    """Do nothing: a publisher follows no topics."""
