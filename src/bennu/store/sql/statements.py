"""What the store asks of the database: each function runs in one transaction of its caller.

Theory of operation
-------------------
- **The lock.** An append first updates the record of the topic, which adds the number of drafts to ``top``. The database
  keeps the lock of this row until the commit. So appends to a topic queue, offsets follow the order of commits, and a
  rollback gives the numbers back. A sequence can do neither.
- **Once.** The pair of topic and draft id is unique. If an insert finds fewer new drafts than it was given, the numbers are
  given out again, for the new ones only. Entries stay for two minutes, however many are kept, so that their ids are known.
- **Trimming.** A read ignores the entries that are no longer kept. They are deleted from time to time, always from the oldest on.
- **A read** is one statement, so it sees one moment.
- **Lineage.** The record has the *lineage* of the database: in PostgreSQL the identifier of the system and the timeline,
  which changes when a standby is promoted. The statements themselves compute it, because a pooler may exchange the
  server behind a connection. A record with another lineage counts as missing, and so does one whose time is over.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    case,
    delete,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from ..entry import Draft, LogEntry, pack_draft, unpack_draft
from ..epoch import new_epoch
from ..memory import REMEMBERED
from ..store import Appended, Claim, ClaimState, Head, Page, Retention
from .tables import SQLTables, hashed, shown

__all__ = ["SQLStatements"]

TRIM_EVERY: Final = 32
"""Offsets between two deletions of entries that are no longer kept."""

SWEPT: Final = 200
"""The most records and keys that one sweep deletes."""

HEADS_AT_ONCE: Final = 1_000
"""Topics of one statement."""

NOW: Final = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)",
}
"""The clock of the database, in milliseconds since 1970."""

LINEAGE: Final = (
    "((SELECT CAST(system_identifier AS TEXT) FROM pg_control_system())"
    " || '-' || left(pg_walfile_name(pg_current_wal_lsn()), 8))"
)
"""The lineage of PostgreSQL. On a standby it is an error."""

NONE: Final = 2**62
"""Above each offset."""


class SQLStatements:
    """The statements for one kind of database.

    Args:
        tables: The tables.
        backend: ``"postgresql"`` or ``"sqlite"``.
        trusts: Whether the lineage of a record does not matter.
    """

    __slots__ = ("_insert", "_is_kept", "_lineage", "_now", "_tables", "backend")

    def __init__(self, tables: SQLTables, backend: str, *, trusts: bool) -> None:
        self.backend = backend
        self._tables = tables
        self._insert: Any = postgresql.insert if backend == "postgresql" else sqlite.insert
        self._now: ColumnElement[int] = literal_column(NOW[backend], BigInteger)
        topics = tables.topics.c
        is_current: ColumnElement[bool] = true()
        self._lineage: ColumnElement[str] = literal("", String)
        if backend == "postgresql" and not trusts:
            self._lineage = literal_column(LINEAGE, String)
            is_current = topics.lineage == self._lineage
        self._is_kept: ColumnElement[bool] = and_(is_current, topics.forget_at > self._now)

    # Logs.

    def append(
        self, connection: Connection, topic: str, drafts: Sequence[Draft], retention: Retention
    ) -> Appended:
        """Append drafts to a log.

        Raises:
            EncodeError: The topic is too long, or has no UTF-8 form.
        """
        new = {draft.id: draft for draft in drafts}  # one draft can come twice
        key = hashed(topic)
        epoch, top, now = self._add(connection, key, topic, len(new), retention)
        placed = self._insert_entries(connection, key, new, top - len(new), now)
        if len(placed) < len(new):  # some drafts were appended before
            placed = self._insert_again(connection, key, new, top - len(new), now)
            new_top = max(top - len(new), *placed.values())
            topics = self._tables.topics
            connection.execute(update(topics).where(topics.c.id == key).values(top=new_top))
        if top // TRIM_EVERY != (top - len(new)) // TRIM_EVERY:
            self._trim(connection, key, top, now, retention)
        offsets = [placed[draft.id] for draft in drafts]
        return Appended(epoch, [(offset, offset - 1) for offset in offsets])

    def begin(self, connection: Connection, topic: str, retention: Retention) -> None:
        """Begin the epoch of a log, unless it has begun."""
        self._add(connection, hashed(topic), topic, 0, retention)

    def _add(
        self, connection: Connection, key: bytes, topic: str, count: int, retention: Retention
    ) -> tuple[str, int, int]:
        """Add to the newest offset of a log, and lock its record. Return its epoch, its newest offset and the time."""
        topics = self._tables.topics
        fresh = new_epoch()
        added = self._insert(topics).values(
            id=key,
            topic=shown(topic),
            epoch=fresh,
            top=count,
            lineage=self._lineage,
            appended_at=self._now,
            forget_at=self._after(retention.record),
        )
        new, is_kept = added.excluded, self._is_kept
        statement = added.on_conflict_do_update(
            index_elements=[topics.c.id],
            set_={
                "epoch": case((is_kept, topics.c.epoch), else_=new.epoch),
                "top": case((is_kept, topics.c.top + new.top), else_=new.top),
                "lineage": case((is_kept, topics.c.lineage), else_=new.lineage),
                "appended_at": new.appended_at,
                "forget_at": new.forget_at,
            },
        ).returning(topics.c.epoch, topics.c.top, topics.c.appended_at)
        record: Any = connection.execute(statement).one()
        epoch, top, now = record
        if epoch == fresh:
            self._delete_entries(connection, key)
        return epoch, top, now

    def _delete_entries(self, connection: Connection, key: bytes) -> None:
        entries = self._tables.entries
        connection.execute(delete(entries).where(entries.c.id == key))

    def _insert_entries(
        self, connection: Connection, key: bytes, drafts: Mapping[str, Draft], top: int, now: int
    ) -> dict[str, int]:
        """Insert drafts above an offset. Return the offsets of those that were new, by their ids."""
        entries = self._tables.entries
        rows = [
            {
                "id": key,
                "offset": offset,
                "draft_id": draft.id,
                "draft": pack_draft(draft),
                "size": len(draft.payload),
                "time": draft.time,
                "appended_at": now,
            }
            for offset, draft in enumerate(drafts.values(), top + 1)
        ]
        statement = (
            self._insert(entries)
            .on_conflict_do_nothing(index_elements=[entries.c.id, entries.c.draft_id])
            .returning(entries.c.draft_id, entries.c.offset)
        )
        found: Any = connection.execute(statement, rows)
        return {row[0]: row[1] for row in found}

    def _insert_again(
        self, connection: Connection, key: bytes, drafts: Mapping[str, Draft], top: int, now: int
    ) -> dict[str, int]:
        """Undo an insert above an offset that has found known drafts, and insert the others. Return all offsets."""
        entries = self._tables.entries
        connection.execute(delete(entries).where(entries.c.id == key, entries.c.offset > top))
        known = connection.execute(
            select(entries.c.draft_id, entries.c.offset).where(
                entries.c.id == key, entries.c.draft_id.in_(list(drafts))
            )
        )
        placed: dict[str, int] = {row[0]: row[1] for row in known}
        others = {name: draft for name, draft in drafts.items() if name not in placed}
        if others:
            placed |= self._insert_entries(connection, key, others, top, now)
        return placed

    def _trim(
        self, connection: Connection, key: bytes, top: int, now: int, retention: Retention
    ) -> None:
        """Delete the entries before the first one that is kept, or whose id is remembered."""
        entries = self._tables.entries
        is_kept = entries.c.offset > top - retention.size
        if retention.ttl is not None:
            is_kept = and_(is_kept, entries.c.time >= _oldest(retention.ttl))
        first = (
            select(entries.c.offset)
            .where(
                entries.c.id == key,
                or_(is_kept, entries.c.appended_at >= now - _milliseconds(REMEMBERED)),
            )
            .order_by(entries.c.offset)
            .limit(1)
            .scalar_subquery()
        )
        connection.execute(
            delete(entries).where(
                entries.c.id == key, entries.c.offset < func.coalesce(first, NONE)
            )
        )

    def read(
        self,
        connection: Connection,
        topic: str,
        after: int,
        limit: int,
        max_bytes: int,
        retention: Retention,
    ) -> Page | None:
        """Return a page of a log; None if there is no record.

        Raises:
            DecodeError: An entry is of another version of Bennu.
        """
        topics, entries = self._tables.topics, self._tables.entries
        key = hashed(topic)
        top = select(topics.c.top).where(topics.c.id == key).scalar_subquery()
        is_kept = and_(entries.c.id == key, entries.c.offset > top - retention.size)
        wanted = and_(is_kept, entries.c.offset > after)
        if retention.ttl is not None:
            oldest = (
                select(entries.c.offset)
                .where(is_kept, entries.c.time >= _oldest(retention.ttl))
                .order_by(entries.c.offset)
                .limit(1)
                .scalar_subquery()
            )
            wanted = and_(wanted, entries.c.offset >= func.coalesce(oldest, NONE))
        size = func.sum(entries.c.size).over(order_by=entries.c.offset) - entries.c.size
        page = (
            select(entries.c.offset, entries.c.draft, size.label("bytes_before"))
            .where(wanted)
            .order_by(entries.c.offset)
            .limit(limit)
            .subquery()
        )
        rows = connection.execute(
            select(topics.c.epoch, topics.c.top, page.c.offset, page.c.draft)
            .select_from(topics.outerjoin(page, page.c.bytes_before < max_bytes))
            .where(topics.c.id == key, self._is_kept)
            .order_by(page.c.offset)
        ).all()
        if not rows:
            return None
        epoch, newest = rows[0][:2]
        found = [
            LogEntry(offset, offset - 1, *unpack_draft(data))
            for _, _, offset, data in rows
            if offset is not None
        ]
        return Page(epoch, newest, found, is_cut=bool(found) and found[-1].offset < newest)

    def heads(self, connection: Connection, topics: Collection[str]) -> dict[str, Head]:
        """Return where logs stand."""
        names = {hashed(topic): topic for topic in topics}
        keys, found = list(names), dict[str, Head]()
        table = self._tables.topics
        for start in range(0, len(keys), HEADS_AT_ONCE):
            rows = connection.execute(
                select(table.c.id, table.c.epoch, table.c.top).where(
                    table.c.id.in_(keys[start : start + HEADS_AT_ONCE]), self._is_kept
                )
            )
            found |= {names[key]: Head(epoch, top) for key, epoch, top in rows}
        return found

    def reset(self, connection: Connection, topic: str) -> None:
        """Delete a log."""
        topics, key = self._tables.topics, hashed(topic)
        connection.execute(delete(topics).where(topics.c.id == key))
        self._delete_entries(connection, key)

    # Keys.

    def claim(self, connection: Connection, key: str, owner: str, seconds: float) -> Claim:
        """Claim a key."""
        keys, name = self._tables.keys, hashed(key)
        added = self._insert(keys).values(
            id=name,
            owner=owner.encode(),
            value=None,
            deadline=self._after(seconds),
        )
        new = added.excluded
        statement = added.on_conflict_do_update(
            index_elements=[keys.c.id],
            set_={"owner": new.owner, "value": None, "deadline": new.deadline},
            where=or_(
                keys.c.deadline <= self._now,
                and_(keys.c.value.is_(None), keys.c.owner == new.owner),
            ),
        ).returning(keys.c.deadline)
        if connection.execute(statement).first() is not None:
            return Claim(ClaimState.NEW)
        # The row is locked, though it was not updated, so it is still there.
        value = connection.execute(select(keys.c.value).where(keys.c.id == name)).scalar_one()
        return Claim(ClaimState.RUNNING) if value is None else Claim(ClaimState.SETTLED, value)

    def settle(
        self, connection: Connection, key: str, owner: str, value: bytes, seconds: float
    ) -> bool:
        """Give a claimed key its value. Return whether the owner had it."""
        keys = self._tables.keys
        statement = (
            update(keys)
            .where(self._is_claimed(key, owner), keys.c.deadline > self._now)
            .values(value=value, deadline=self._after(seconds))
        )
        return connection.execute(statement).rowcount == 1

    def release(self, connection: Connection, key: str, owner: str) -> None:
        """Free a claimed key."""
        connection.execute(delete(self._tables.keys).where(self._is_claimed(key, owner)))

    def _is_claimed(self, key: str, owner: str) -> ColumnElement[bool]:
        keys = self._tables.keys.c
        return and_(keys.id == hashed(key), keys.owner == owner.encode(), keys.value.is_(None))

    # Cleaning.

    def sweep(self, connection: Connection) -> bool:
        """Delete some keys and logs whose time is over. Return whether there can be more."""
        topics, keys = self._tables.topics, self._tables.keys
        old_keys = select(keys.c.id).where(keys.c.deadline <= self._now)
        old_topics = select(topics.c.id).where(topics.c.forget_at <= self._now)
        swept = self._locked(connection, old_keys)
        if swept:
            connection.execute(delete(keys).where(keys.c.id.in_(swept)))
        found = self._locked(connection, old_topics)
        if found:
            entries = self._tables.entries
            connection.execute(delete(topics).where(topics.c.id.in_(found)))
            connection.execute(delete(entries).where(entries.c.id.in_(found)))
        return SWEPT in (len(swept), len(found))

    @staticmethod
    def _locked(connection: Connection, keys: Select[Any]) -> list[bytes]:
        """Lock some rows that nobody else has locked. Return their keys. SQLite has one lock for the whole file."""
        statement = keys.limit(SWEPT).with_for_update(skip_locked=True)
        return [row[0] for row in connection.execute(statement)]

    def _after(self, seconds: float) -> ColumnElement[int]:
        """Return a time from now on, in milliseconds."""
        return self._now + literal(_milliseconds(seconds), BigInteger)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _oldest(ttl: float) -> int:
    """Return the time of the oldest entry that is kept. Publishers set the times of entries, so it is not the database's clock."""
    return round((time.time() - ttl) * 1000)
