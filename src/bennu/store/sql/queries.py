"""The SQL of the store, built once for each store: to build such a statement costs ten times more than to run it.

The values are bound parameters. :mod:`.statements` says what the statements are for.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Delete,
    LargeBinary,
    Select,
    String,
    Update,
    and_,
    bindparam,
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

from .tables import SQLTables

__all__ = ["SQLQueries"]

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


class SQLQueries:
    """The statements for one kind of database, and their parameters in brackets.

    Args:
        tables: The tables.
        backend: ``"postgresql"`` or ``"sqlite"``.
        trusts: Whether the lineage of a record does not matter.

    Attributes:
        add: Adds to the newest offset of a log (key, shown, fresh, count, record).
        insert: Inserts the rows of entries that are new.
        set_top: Sets the newest offset (key, new_top).
        known: The offsets of drafts (key, drafts).
        delete_above: Deletes entries (key, after).
        trim: Deletes entries that are not kept (key, kept_above, oldest_append, oldest).
        page: Reads a page (key, after, most, max_bytes, size, oldest).
        heads: Where logs stand (keys).
        delete_topics: Deletes records (keys).
        delete_entries: Deletes the entries of logs (keys).
        claim: Claims a key (key, claimant, seconds).
        claimed: The value of a key (key).
        settle: Gives a claimed key its value (key, claimant, new_value, seconds).
        release: Frees a claimed key (key, claimant).
        delete_keys: Deletes keys (keys).
        old_keys: Keys whose time is over.
        old_topics: Records whose time is over.
    """

    def __init__(self, tables: SQLTables, backend: str, *, trusts: bool) -> None:
        self._tables = tables
        self._insert: Any = postgresql.insert if backend == "postgresql" else sqlite.insert
        self._now: ColumnElement[int] = literal_column(NOW[backend], BigInteger)
        topics, entries, keys = tables.topics, tables.entries, tables.keys
        is_current: ColumnElement[bool] = true()
        lineage: ColumnElement[str] = literal("", String)
        if backend == "postgresql" and not trusts:
            lineage = literal_column(LINEAGE, String)
            is_current = topics.c.lineage == lineage
        is_kept = and_(is_current, topics.c.forget_at > self._now)

        self.add = self._add(lineage, is_kept)
        self.insert: Any = (
            self._insert(entries)
            .on_conflict_do_nothing(index_elements=[entries.c.id, entries.c.draft_id])
            .returning(entries.c.draft_id, entries.c.offset)
        )
        self.set_top: Update = (
            update(topics).where(topics.c.id == _key()).values(top=_whole("new_top"))
        )
        self.known: Select[str, int] = select(entries.c.draft_id, entries.c.offset).where(
            entries.c.id == _key(), entries.c.draft_id.in_(_several("drafts"))
        )
        self.delete_above: Delete = delete(entries).where(
            entries.c.id == _key(), entries.c.offset > _whole("after")
        )
        self.trim: Delete = self._trim()
        self.page: Select[str, int, int | None, bytes] = self._page(is_kept)
        self.heads: Select[bytes, str, int] = select(
            topics.c.id, topics.c.epoch, topics.c.top
        ).where(topics.c.id.in_(_several("keys")), is_kept)
        self.delete_topics: Delete = delete(topics).where(topics.c.id.in_(_several("keys")))
        self.delete_entries: Delete = delete(entries).where(entries.c.id.in_(_several("keys")))

        is_claimed = and_(
            keys.c.id == _key(),
            keys.c.owner == bindparam("claimant"),
            keys.c.value.is_(None),
        )
        self.claim = self._claim()
        self.claimed: Select[Any] = select(keys.c.value).where(keys.c.id == _key())
        self.settle: Update = (
            update(keys)
            .where(is_claimed, keys.c.deadline > self._now)
            .values(value=bindparam("new_value"), deadline=self._after("seconds"))
        )
        self.release: Delete = delete(keys).where(is_claimed)
        self.delete_keys: Delete = delete(keys).where(keys.c.id.in_(_several("keys")))
        self.old_keys: Select[Any] = select(keys.c.id).where(keys.c.deadline <= self._now)
        self.old_topics: Select[Any] = select(topics.c.id).where(topics.c.forget_at <= self._now)

    def _after(self, name: str) -> ColumnElement[int]:
        """Return a time from now on; the parameter has milliseconds."""
        return self._now + _whole(name)

    def _add(self, lineage: ColumnElement[str], is_kept: ColumnElement[bool]) -> Any:
        topics = self._tables.topics
        added = self._insert(topics).values(
            id=_key(),
            topic=bindparam("shown"),
            epoch=bindparam("fresh"),
            top=_whole("count"),
            lineage=lineage,
            appended_at=self._now,
            forget_at=self._after("record"),
        )
        new = added.excluded
        return added.on_conflict_do_update(
            index_elements=[topics.c.id],
            set_={
                "epoch": case((is_kept, topics.c.epoch), else_=new.epoch),
                "top": case((is_kept, topics.c.top + new.top), else_=new.top),
                "lineage": case((is_kept, topics.c.lineage), else_=new.lineage),
                "appended_at": new.appended_at,
                "forget_at": new.forget_at,
            },
        ).returning(topics.c.epoch, topics.c.top, topics.c.appended_at)

    def _trim(self) -> Delete:
        entries, key = self._tables.entries, _key()
        is_kept = and_(entries.c.offset > _whole("kept_above"), entries.c.time >= _whole("oldest"))
        first = (
            select(entries.c.offset)
            .where(
                entries.c.id == key,
                or_(is_kept, entries.c.appended_at >= _whole("oldest_append")),
            )
            .order_by(entries.c.offset)
            .limit(1)
            .scalar_subquery()
        )
        return delete(entries).where(
            entries.c.id == key, entries.c.offset < func.coalesce(first, NONE)
        )

    def _page(self, is_record_kept: ColumnElement[bool]) -> Select[str, int, int | None, bytes]:
        """Build the read of a page. One statement, so that it sees one moment."""
        topics, entries, key = self._tables.topics, self._tables.entries, _key()
        top = select(topics.c.top).where(topics.c.id == key).scalar_subquery()
        is_kept = and_(entries.c.id == key, entries.c.offset > top - _whole("size"))
        oldest = (
            select(entries.c.offset)
            .where(is_kept, entries.c.time >= _whole("oldest"))
            .order_by(entries.c.offset)
            .limit(1)
            .scalar_subquery()
        )
        before = func.sum(entries.c.size).over(order_by=entries.c.offset) - entries.c.size
        page = (
            select(entries.c.offset, entries.c.draft, before.label("bytes_before"))
            .where(
                is_kept,
                entries.c.offset > _whole("after"),
                entries.c.offset >= func.coalesce(oldest, NONE),
            )
            .order_by(entries.c.offset)
            .limit(_whole("most"))
            .subquery()
        )
        return (
            select(topics.c.epoch, topics.c.top, page.c.offset, page.c.draft)
            .select_from(topics.outerjoin(page, page.c.bytes_before < _whole("max_bytes")))
            .where(topics.c.id == key, is_record_kept)
            .order_by(page.c.offset)
        )

    def _claim(self) -> Any:
        keys = self._tables.keys
        added = self._insert(keys).values(
            id=_key(),
            owner=bindparam("claimant"),
            value=None,
            deadline=self._after("seconds"),
        )
        new = added.excluded
        return added.on_conflict_do_update(
            index_elements=[keys.c.id],
            set_={"owner": new.owner, "value": None, "deadline": new.deadline},
            where=or_(
                keys.c.deadline <= self._now,
                and_(keys.c.value.is_(None), keys.c.owner == new.owner),
            ),
        ).returning(keys.c.deadline)


def _key() -> BindParameter[bytes]:
    return bindparam("key", type_=LargeBinary)


def _whole(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger)


def _several(name: str) -> BindParameter[Any]:
    """Return a parameter for a list."""
    return bindparam(name, expanding=True)
