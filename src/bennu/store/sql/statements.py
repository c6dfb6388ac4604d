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

from sqlalchemy import Connection, Select

from ..entry import Draft, LogEntry, pack_draft, unpack_draft
from ..epoch import new_epoch
from ..memory import REMEMBERED
from ..store import Appended, Claim, ClaimState, Head, Page, Retention
from .queries import SQLQueries
from .tables import SQLTables, hashed, shown

__all__ = ["SQLStatements"]

TRIM_EVERY: Final = 32
"""Offsets between two deletions of entries that are no longer kept."""

SWEPT: Final = 200
"""The most records and keys that one sweep deletes."""

HEADS_AT_ONCE: Final = 1_000
"""Topics of one statement."""

FOREVER: Final = -(2**62)
"""The time of the oldest entry that is kept, if age does not matter."""


class SQLStatements:
    """The statements for one kind of database.

    Args:
        tables: The tables.
        backend: ``"postgresql"`` or ``"sqlite"``.
        trusts: Whether the lineage of a record does not matter.
    """

    __slots__ = ("_queries", "backend")

    def __init__(self, tables: SQLTables, backend: str, *, trusts: bool) -> None:
        self.backend = backend
        self._queries = SQLQueries(tables, backend, trusts=trusts)

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
            connection.execute(self._queries.set_top, {"key": key, "new_top": new_top})
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
        fresh = new_epoch()
        record: Any = connection.execute(
            self._queries.add,
            {
                "key": key,
                "shown": shown(topic),
                "fresh": fresh,
                "count": count,
                "record": _milliseconds(retention.record),
            },
        ).one()
        epoch, top, now = record
        if epoch == fresh:
            connection.execute(self._queries.delete_entries, {"keys": [key]})
        return epoch, top, now

    def _insert_entries(
        self, connection: Connection, key: bytes, drafts: Mapping[str, Draft], top: int, now: int
    ) -> dict[str, int]:
        """Insert drafts above an offset. Return the offsets of those that were new, by their ids."""
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
        found: Any = connection.execute(self._queries.insert, rows)
        return {row[0]: row[1] for row in found}

    def _insert_again(
        self, connection: Connection, key: bytes, drafts: Mapping[str, Draft], top: int, now: int
    ) -> dict[str, int]:
        """Undo an insert above an offset that has found known drafts, and insert the others. Return all offsets."""
        connection.execute(self._queries.delete_above, {"key": key, "after": top})
        known = connection.execute(self._queries.known, {"key": key, "drafts": list(drafts)})
        placed: dict[str, int] = {row[0]: row[1] for row in known}
        others = {name: draft for name, draft in drafts.items() if name not in placed}
        if others:
            placed |= self._insert_entries(connection, key, others, top, now)
        return placed

    def _trim(
        self, connection: Connection, key: bytes, top: int, now: int, retention: Retention
    ) -> None:
        """Delete the entries before the first one that is kept, or whose id is remembered."""
        connection.execute(
            self._queries.trim,
            {
                "key": key,
                "kept_above": top - retention.size,
                "oldest": _oldest(retention.ttl),
                "oldest_append": now - _milliseconds(REMEMBERED),
            },
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
        rows = connection.execute(
            self._queries.page,
            {
                "key": hashed(topic),
                "after": after,
                "most": limit,
                "max_bytes": max_bytes,
                "size": retention.size,
                "oldest": _oldest(retention.ttl),
            },
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
        for start in range(0, len(keys), HEADS_AT_ONCE):
            some = keys[start : start + HEADS_AT_ONCE]
            rows = connection.execute(self._queries.heads, {"keys": some})
            found |= {names[key]: Head(epoch, top) for key, epoch, top in rows}
        return found

    def reset(self, connection: Connection, topic: str) -> None:
        """Delete a log."""
        keys = {"keys": [hashed(topic)]}
        connection.execute(self._queries.delete_topics, keys)
        connection.execute(self._queries.delete_entries, keys)

    # Keys.

    def claim(self, connection: Connection, key: str, owner: str, seconds: float) -> Claim:
        """Claim a key."""
        name = {"key": hashed(key)}
        claim = {**name, "claimant": owner.encode(), "seconds": _milliseconds(seconds)}
        if connection.execute(self._queries.claim, claim).first() is not None:
            return Claim(ClaimState.NEW)
        # The row is locked, though it was not updated, so it is still there.
        value = connection.execute(self._queries.claimed, name).scalar_one()
        return Claim(ClaimState.RUNNING) if value is None else Claim(ClaimState.SETTLED, value)

    def settle(
        self, connection: Connection, key: str, owner: str, value: bytes, seconds: float
    ) -> bool:
        """Give a claimed key its value. Return whether the owner had it."""
        values = {
            "key": hashed(key),
            "claimant": owner.encode(),
            "new_value": value,
            "seconds": _milliseconds(seconds),
        }
        return connection.execute(self._queries.settle, values).rowcount == 1

    def release(self, connection: Connection, key: str, owner: str) -> None:
        """Free a claimed key."""
        values = {"key": hashed(key), "claimant": owner.encode()}
        connection.execute(self._queries.release, values)

    # Cleaning.

    def sweep(self, connection: Connection) -> bool:
        """Delete some keys and logs whose time is over. Return whether there can be more."""
        queries = self._queries
        swept = self._locked(connection, queries.old_keys)
        if swept:
            connection.execute(queries.delete_keys, {"keys": swept})
        found = self._locked(connection, queries.old_topics)
        if found:
            connection.execute(queries.delete_topics, {"keys": found})
            connection.execute(queries.delete_entries, {"keys": found})
        return SWEPT in (len(swept), len(found))

    @staticmethod
    def _locked(connection: Connection, keys: Select[Any]) -> list[bytes]:
        """Lock some rows that nobody else has locked. Return their keys. SQLite has one lock for the whole file."""
        statement = keys.limit(SWEPT).with_for_update(skip_locked=True)
        return [row[0] for row in connection.execute(statement)]


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _oldest(ttl: float | None) -> int:
    """Return the time of the oldest entry that is kept. Publishers set the times of entries, so it is not the database's clock."""
    return FOREVER if ttl is None else round((time.time() - ttl) * 1000)
