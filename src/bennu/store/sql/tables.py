"""The tables of a store in a SQL database.

Theory of operation
-------------------
======================  =========================================================================================
table                   what a row is
======================  =========================================================================================
``bennu_topics``        the *record* of a log: its epoch, its newest offset, and how long both are kept
``bennu_entries``       an entry of a log
``bennu_keys``          the key of an idempotent push
======================  =========================================================================================

Topics and keys can be long, and clients can choose characters that a database refuses in text. So the primary keys are
SHA-256 hashes. ``bennu_topics.topic`` shows the topic to people, in ASCII with escapes.

An entry keeps its draft as bytes (:func:`~bennu.store.entry.pack_draft`). The columns beside it are what queries need.
Times are milliseconds since 1970: ``time`` by the clock of the publisher, all others by the clock of the database.
"""

from __future__ import annotations

import hashlib
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from ...bus.topics import key_of

__all__ = ["PREFIX", "SQLTables", "hashed", "metadata", "shown"]

PREFIX: Final = "bennu_"
"""What the names of the tables begin with."""


class SQLTables:
    """The tables.

    Args:
        prefix: What their names begin with.

    Attributes:
        metadata: All tables.
        topics: The records of logs.
        entries: The entries of logs.
        keys: The keys of idempotent pushes.
    """

    __slots__ = ("entries", "keys", "metadata", "topics")

    def __init__(self, prefix: str = PREFIX) -> None:
        self.metadata = MetaData()
        self.topics = Table(
            f"{prefix}topics",
            self.metadata,
            Column("id", LargeBinary(32), primary_key=True),
            Column("topic", Text, nullable=False),
            Column("epoch", String(32), nullable=False),
            Column("top", BigInteger, nullable=False),
            Column("lineage", String(64), nullable=False),
            Column("appended_at", BigInteger, nullable=False),
            Column("forget_at", BigInteger, nullable=False),
        )
        self.entries = Table(
            f"{prefix}entries",
            self.metadata,
            Column("id", LargeBinary(32), primary_key=True),
            Column("offset", BigInteger, primary_key=True, autoincrement=False),
            Column("draft_id", String(64), nullable=False),
            Column("draft", LargeBinary, nullable=False),
            Column("size", Integer, nullable=False),
            Column("time", BigInteger, nullable=False),
            Column("appended_at", BigInteger, nullable=False),
            Index(f"{prefix}entries_draft", "id", "draft_id", unique=True),
        )
        self.keys = Table(
            f"{prefix}keys",
            self.metadata,
            Column("id", LargeBinary(32), primary_key=True),
            Column("owner", LargeBinary, nullable=False),
            Column("value", LargeBinary),
            Column("deadline", BigInteger, nullable=False),
            Index(f"{prefix}keys_deadline", "deadline"),
        )


def metadata(prefix: str = PREFIX) -> MetaData:
    """Return the tables, for a tool that creates them, such as Alembic.

    Args:
        prefix: What the names of the tables begin with: the ``prefix=`` of the store's address.

    Example:
        >>> sorted(metadata().tables)
        ['bennu_entries', 'bennu_keys', 'bennu_topics']
    """
    return SQLTables(prefix).metadata


def hashed(text: str) -> bytes:
    """Return the primary key of a topic or key.

    Raises:
        EncodeError: The text is too long, or has no UTF-8 form.
    """
    return hashlib.sha256(key_of(text)).digest()


def shown(topic: str) -> str:
    r"""Return a topic for people.

    Example:
        >>> shown("room:1"), shown("room:\x00")
        ('room:1', 'room:\\x00')
    """
    return topic.encode("unicode_escape").decode("ascii")
