"""Broadcasts that are appended in the user's own transaction: they happen exactly if the transaction commits.

Theory of operation
-------------------
The append of an entry locks the record of its topic until the commit, so another publisher of the topic waits. The outbox
collects broadcasts, and writes them right before the commit, so the lock is short. It takes topics in sorted order, so
two transactions with the same topics can't wait for each other.

A rollback forgets what was collected, and so does a close of the session. A rollback to a savepoint forgets the broadcasts since
the savepoint.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import event as events
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, SessionTransaction, scoped_session

from ...bus.topics import key_of
from ...errors import DefinitionError, EncodeError
from ...logs.log import Log
from ...message import Broadcast, broadcast_of
from ..drafts import DraftMaker
from ..entry import Draft, LogEntry
from ..store import Retention
from .statements import SQLStatements

__all__ = ["SQLOutbox", "session_of"]

Committed = Callable[[str, str, Sequence[LogEntry]], object]
"""Called after the commit with a topic, its epoch and the new entries, in the thread of the session. It never waits or raises."""

MAX_BYTES: Final = 16_000_000
"""The most bytes of an event and a payload."""


class _Collected(NamedTuple):
    """A broadcast that is not written yet.

    Attributes:
        topic: The topic.
        draft: The rest.
        within: The transaction and the savepoints in which it was made.
    """

    topic: str
    draft: Draft
    within: Sequence[SessionTransaction]


class _Written(NamedTuple):
    """Entries that are written, and are not committed yet.

    Attributes:
        topic: The topic.
        epoch: The epoch of the log.
        entries: The entries.
        within: The transaction and the savepoints in which they were written.
    """

    topic: str
    epoch: str
    entries: Sequence[LogEntry]
    within: Sequence[SessionTransaction]


class SQLOutbox:
    """Collects broadcasts for the transactions of a session. Use it in the thread of the session.

    Args:
        session: The session. Its database must be the store's.
        statements: Append to the store's tables.
        retention_of: Returns how much of a topic's log is kept, by the topic and an event of it; None if the event is in no
            log.
        committed: Called after the commit, for each topic.
        log: Writes the log.

    Attributes:
        check: Refuses a broadcast that no channel declares; None in production.
    """

    __slots__ = (
        "_collected",
        "_committed",
        "_drafts",
        "_is_committing",
        "_is_preparing",
        "_log",
        "_retention_of",
        "_session",
        "_statements",
        "_written",
        "check",
    )

    def __init__(
        self,
        session: Session,
        statements: SQLStatements,
        retention_of: Callable[[str, str], Retention | None],
        committed: Committed,
        log: Log,
    ) -> None:
        self._session = session
        self._log = log
        self._statements = statements
        self._retention_of = retention_of
        self._committed = committed
        self._collected: list[_Collected] = []
        self._written: list[_Written] = []
        self._is_preparing = False
        self._is_committing = False
        self.check: Callable[[Broadcast], None] | None = None
        self._drafts = DraftMaker()
        events.listen(session, "before_commit", self._before_commit)
        events.listen(session, "after_commit", self._announce)
        events.listen(session, "after_soft_rollback", self._forget)
        events.listen(session, "after_transaction_end", self._end)

    def broadcast(self, topic: str, event: str, payload: Any = None) -> None:
        """Send an event to the clients of a topic when the session's transaction commits.

        Args:
            topic: A topic with history.
            event: The name of the event, which is not ephemeral.
            payload: A JSON object (a dict, Struct, dataclass or model).

        Raises:
            DefinitionError: The topic has no history, or the event is ephemeral.
            EncodeError: The payload can't be encoded, is bytes, or is too large.
            ReservedEvent: The event is reserved by the protocol.
            ValueError: In development: no channel of the topic declares the event or the payload in its ``emits``.

        Example:
            ``outbox.broadcast("room:7", "said", {"text": "hi"}); await session.commit()``
        """
        message = broadcast_of(topic, event, payload)
        if self.check is not None:
            self.check(message)
        if self._retention_of(topic, event) is None:
            raise DefinitionError(
                f"outbox.broadcast({topic!r}, {event!r}, ...)",
                expected="a topic with history, and an event that it keeps, because the transaction writes to its log",
                got="a topic whose channel has no history, or an ephemeral event",
                write="history = History() in the channel, or endpoint.broadcast(...) after the commit",
            )
        key_of(topic)
        draft = self._drafts.make(message)
        if len(draft.payload) + len(event) > MAX_BYTES:
            raise EncodeError(
                f"an entry has {len(draft.payload):,} bytes: a store takes at most {MAX_BYTES:,}"
            )
        if not self._session.in_transaction():
            self._session.begin()  # so that a rollback before the first statement forgets it
        self._collected.append(_Collected(topic, draft, self._within()))
        if self._is_committing:  # a hook of the user has made it, after this outbox has written
            self._write()

    def _within(self) -> Sequence[SessionTransaction]:
        """Return the transaction and the savepoints that are open."""
        within = list[SessionTransaction]()
        current = self._session.get_nested_transaction() or self._session.get_transaction()
        while current is not None:
            within.append(current)
            current = current.parent
        return within

    def _before_commit(self, session: Session) -> None:
        """Append what was collected, if this is no release of a savepoint.

        A commit that begins while a savepoint is open calls this twice: for itself, and for the release of the savepoint.
        """
        if session.in_nested_transaction() and not self._is_preparing:
            self._is_preparing = True
        elif self._collected:
            session.flush()  # it can take long, and can broadcast
            self._is_committing = True
            self._write()

    def _write(self) -> None:
        """Append what was collected, in the transaction that is about to commit."""
        drafts = defaultdict[str, list[Draft]](list)
        for topic, draft, _ in self._collected:
            drafts[topic].append(draft)
        self._collected.clear()
        connection, within = self._session.connection(), self._within()
        for topic, some in sorted(drafts.items()):
            retention = self._retention_of(topic, some[0].event)
            assert retention is not None  # noqa: S101 - broadcast has asked
            epoch, places = self._statements.append(connection, topic, some, retention)
            entries = [
                LogEntry(offset, prev, *draft)
                for (offset, prev), draft in zip(places, some, strict=True)
            ]
            self._written.append(_Written(topic, epoch, entries, within))

    def _announce(self, session: Session) -> None:
        """Say what was committed."""
        if session.in_nested_transaction():
            return
        if self._collected:
            self._log.error(
                "%d broadcasts of an outbox are lost: a hook has made them after the outbox had written. Broadcast before"
                " the commit",
                len(self._collected),
            )
        written, self._written = self._written, []
        for topic, epoch, entries, _ in written:
            self._committed(topic, epoch, entries)

    def _forget(self, _: Session, ended: SessionTransaction) -> None:
        """Forget what a transaction or savepoint has broadcast that was rolled back."""
        self._collected = [one for one in self._collected if ended not in one.within]
        self._written = [one for one in self._written if ended not in one.within]

    def _end(self, _: Session, ended: SessionTransaction) -> None:
        """Begin anew after a transaction that was committed, rolled back or closed."""
        self._is_preparing = self._is_committing = False
        if ended.parent is None:
            self._collected.clear()
            self._written.clear()


def session_of(given: object) -> Session:
    """Return the session that does the work of a session of SQLAlchemy.

    Raises:
        DefinitionError: It is no session.
    """
    found: Any = given
    if isinstance(found, scoped_session | async_scoped_session):
        found = cast("Any", found)()
    if isinstance(found, AsyncSession):
        return found.sync_session
    if isinstance(found, Session):
        return found
    raise DefinitionError(
        "outbox(session)",
        expected="an AsyncSession or a Session of SQLAlchemy",
        got=f"{type(given).__name__}",
        write="outbox = endpoint.outbox(session)",
    )
