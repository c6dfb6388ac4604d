"""The documents that are open in this process.

Each process has its own copy of an open document. A copy hears what the pages of all processes write, and the database has
all of it. If the bus has lost messages, the copy and its pages get what they miss from the database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from msgspec import Struct
from pycrdt import Doc

from bennu import Broadcast, Endpoint, Presence
from bennu.telemetry import BusMessagesLost, Event

from .merging import Broken, apply, merge
from .store import Store
from .wire import Cursor, Cursors, Malformed, Update, cursors, parse, updates_after

__all__ = ["MAX_STATE", "Document", "DocumentFull", "Documents", "WhoIsHere"]

MAX_STATE: Final = 1_000_000
"""Bytes of a document in Yjs's format, with what it needs to merge: about 300,000 characters, more if few people write."""

COMPACT_AFTER: Final = 500
"""The updates of a document become a snapshot when there are this many."""

EXPIRES: Final = 60.0
"""Seconds after which a cursor that its page has not renewed is forgotten. A page renews its cursor each 15 seconds."""

logger = logging.getLogger(__name__)


class DocumentFull(Exception):
    """An update would make a document too large."""


class WhoIsHere(Struct):
    """A process asks the others for their cursors: it has just opened the document.

    Attributes:
        node: The process.
    """

    node: str


class Document:
    """The copy of a document in this process.

    Args:
        name: Its id.
        documents: The documents that are open.

    Attributes:
        channels: The number of channels that use it.
        topic: The topic of its channels.
    """

    def __init__(self, name: str, documents: Documents) -> None:
        self.name = name
        self.channels = 0
        self.topic = f"doc:{name}"
        self._documents = documents
        self._endpoint, self._store = documents.endpoint, documents.store
        self._doc: Doc[Any] = Doc()
        self._loading: asyncio.Task[None] | None = None
        self._last = 0  # the copy has all updates up to this number
        self._size = 0  # never less than the bytes of the document
        self._waiting = 0  # updates that are not in the snapshot
        self._cursors: dict[int, tuple[Cursor, float]] = {}
        self._subscription = self._endpoint.pubsub.subscribe(self.topic, self._hear, shares=True)

    async def load(self) -> None:
        """Read the document from the database, unless it is here. What comes meanwhile is merged."""
        if self._loading is None:
            self._loading = self._documents.start(self._load())
        loading = self._loading
        try:
            await asyncio.shield(loading)
        except Exception:
            if self._loading is loading:
                self._forget()
            raise

    async def _load(self) -> None:
        doc = self._doc
        await self._endpoint.pubsub.broadcast(self.topic, WhoIsHere(self._endpoint.node))
        stored = await self._store.read(self.name)
        apply(doc, stored.updates)
        self._last, self._waiting = stored.last, stored.waiting
        self._size += sum(map(len, stored.updates))
        if self._waiting >= COMPACT_AFTER:
            self._compact()

    def _forget(self) -> None:
        """Begin anew, because the database does not have what this copy has. The next use loads the document."""
        self._doc, self._loading, self._size = Doc(), None, 0

    async def state(self) -> bytes:
        """Return what this copy has, as a page needs it to find out what is missing here."""
        await self.load()
        return self._doc.get_state()

    async def missing(self, state: bytes) -> bytes:
        """Return what a page with this state lacks.

        Raises:
            Malformed: The state can't be read.
        """
        await self.load()
        try:
            return self._doc.get_update(state)
        except Exception as error:
            raise Malformed("not a state vector") from error

    async def write(self, update: bytes) -> None:
        """Merge an update into this copy, and store it.

        Raises:
            Malformed: The update can't be read.
            DocumentFull: The update is not merged, because the document would be too large.
        """
        await self.load()
        if not self._has_room(update):
            raise DocumentFull
        self._merge(update)
        try:
            await self._store.append(self.name, update)
        except Exception:
            self._forget()  # so that the page still sees that the update is missing, and sends it again
            raise
        self._waiting += 1
        if self._waiting >= COMPACT_AFTER:
            self._compact()

    def _has_room(self, update: bytes) -> bool:
        if self._size + len(update) <= MAX_STATE:
            return True
        now = self._doc.get_update()
        self._size = len(now)  # updates need more bytes than the document that they become
        if self._size + len(update) <= MAX_STATE:
            return True
        then = len(merge([now, update]))
        return then <= max(MAX_STATE, self._size)  # a full document can still become smaller

    def _merge(self, update: bytes) -> None:
        try:
            apply(self._doc, [update])
        except Broken:
            self._forget()
            raise
        self._size += len(update)

    def _compact(self) -> None:
        self._waiting = 0
        _ = self._documents.start(self._store.compact(self.name))

    # The cursors, and what other channels and processes send.

    def cursors(self) -> bytes:
        """Return the message with all cursors."""
        now = asyncio.get_running_loop().time()
        self._cursors = {
            client: (cursor, seen)
            for client, (cursor, seen) in self._cursors.items()
            if now - seen < EXPIRES
        }
        return cursors([cursor for cursor, _ in self._cursors.values()])

    def _hear(self, message: Broadcast | WhoIsHere) -> None:
        """Merge a broadcast of a channel, on this node or another. It is called for each broadcast, also our own."""
        if isinstance(message, WhoIsHere):
            if message.node != self._endpoint.node and self._cursors:
                _ = self._documents.start(
                    self._endpoint.broadcast(self.topic, "yjs", self.cursors())
                )
        elif message.event == "yjs":
            match parse(message.payload):
                case Update(update):
                    self._merge(update)  # to merge an update twice changes nothing
                case Cursors(moved):
                    self._move(moved)
                case _:
                    pass

    def _move(self, moved: list[Cursor]) -> None:
        now = asyncio.get_running_loop().time()
        for cursor in moved:
            held = self._cursors.get(cursor.client)
            clock = -1 if held is None else held[0].clock
            if cursor.state is not None and cursor.clock > clock:
                self._cursors[cursor.client] = (cursor, now)
            elif cursor.state is None and cursor.clock >= clock:
                self._cursors.pop(cursor.client, None)

    async def repair(self) -> None:
        """Get what the bus has lost from the database, and send it to the pages of this process."""
        await self.load()
        before = self._doc.get_state()
        stored = await self._store.read(self.name, self._last)
        apply(self._doc, stored.updates)
        self._last = stored.last
        missing = updates_after(self._doc.get_update(before))
        await self._endpoint.local_broadcast(self.topic, "yjs", missing)

    def close(self) -> None:
        """Stop listening, and make a snapshot of the last updates, unless there is one."""
        self._subscription.cancel()
        if self._waiting:
            self._compact()


class Documents:
    """The documents that are open in this process: every channel has them as ``self.state``.

    Args:
        endpoint: The endpoint.
        store: The database.
        presence: The pages that have a document open, on all nodes.
    """

    def __init__(self, endpoint: Endpoint, store: Store, presence: Presence) -> None:
        self.endpoint = endpoint
        self.store = store
        self.presence = presence
        self._open: dict[str, Document] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def open(self, name: str) -> Document:
        """Return a document for a channel, which must close it. The document loads at its first use."""
        document = self._open.get(name)
        if document is None:
            document = self._open[name] = Document(name, self)
        document.channels += 1
        return document

    def close(self, document: Document) -> None:
        """End the use of a document by a channel."""
        document.channels -= 1
        if not document.channels:
            _ = self._open.pop(document.name, None)
            document.close()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do some work in a task, which the end of the server waits for. An error is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("work on a document failed: %r", error, exc_info=error)

    async def stop(self) -> None:
        """Make the last snapshots."""
        for document in self._open.values():
            document.close()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def lost(self, event: Event) -> None:
        """Repair the documents that have missed messages of other processes."""
        if not isinstance(event, BusMessagesLost):
            return
        for document in self._open.values():
            if event.topic is None or event.topic.removeprefix("t") == document.topic:
                _ = self.start(document.repair())
