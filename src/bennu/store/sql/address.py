"""Reads the address of a store in a SQL database.

The address is a URL of SQLAlchemy. These parameters are Bennu's, all others are the driver's:

==============  ====================================================================================================
parameter       what it says
==============  ====================================================================================================
``prefix``      what the names of the tables begin with; default ``bennu_``
``create``      ``true``: missing tables are created at the start. This is the default. ``false``: you create them,
                for example with Alembic and :func:`bennu.store.sql.metadata`
``announce``    PostgreSQL only. ``bus``: the node that appends tells the others over the bus. This is the default.
                ``notify``: the database tells all nodes. :mod:`.notify` says which to choose
``pool_size``   the most connections of a process, from 1 to 100; default 5
``on_restart``  PostgreSQL only. ``epoch``: when a standby was promoted, or a backup was restored at a point in time, all
                logs begin a new epoch, because the newest entries can be lost. This is the default. ``trust``: no
                entry is ever lost, so logs go on. Choose it only with synchronous standbys
==============  ====================================================================================================
"""

from __future__ import annotations

import importlib
import re
import sqlite3
from typing import Final, NamedTuple

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ...bus.address import without_password
from ...errors import DefinitionError
from .tables import PREFIX

__all__ = ["SQLAddress", "read_sql_address"]

DRIVERS: Final = {
    "postgresql+asyncpg": "asyncpg",
    "postgresql+psycopg": "psycopg",
    "sqlite": "sqlite3",
    "sqlite+aiosqlite": "sqlite3",  # the URL of the user's own engine
}
"""The packages of the drivers, by the schemes of addresses."""

EXAMPLES: Final = {
    "postgresql": 'store="postgresql+asyncpg://user:password@localhost:5432/chat"',
    "sqlite": 'store="sqlite:///chat.db"',
}

OLDEST_SQLITE: Final = (3, 35)
"""The oldest version of SQLite with RETURNING."""


class SQLAddress(NamedTuple):
    """What an address says.

    Attributes:
        url: The URL for the driver, with the password.
        name: The address for the log, without secrets.
        prefix: What the names of the tables begin with.
        creates: Whether missing tables are created.
        pool_size: The most connections.
        trusts: Whether a server that was replaced is trusted to have lost nothing.
        notifies: Whether the database announces new entries.
    """

    url: URL
    name: str
    prefix: str
    creates: bool
    pool_size: int
    trusts: bool
    notifies: bool

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file of SQLite."""
        return self.url.get_backend_name() == "sqlite"

    def __repr__(self) -> str:
        return f"SQLAddress({self.name!r})"


def read_sql_address(address: str) -> SQLAddress:
    """Read an address.

    Raises:
        DefinitionError: The address can't be used, or its driver is not installed. Its text shows no secret.

    Example:
        >>> read_sql_address("sqlite+aiosqlite:///chat.db?prefix=chat_").prefix
        'chat_'
    """
    scheme = address.partition("://")[0].lower()

    def wrong(expected: str, got: str, write: str | None = None) -> DefinitionError:
        example = EXAMPLES[scheme.partition("+")[0]] if scheme in DRIVERS else EXAMPLES["sqlite"]
        return DefinitionError(
            f"the store {without_password(address)}",
            expected=expected,
            got=got,
            write=example if write is None else write,
        )

    if scheme not in DRIVERS:
        raise wrong(
            f"an address that begins with {', '.join(f'{one}://' for one in DRIVERS)}", scheme
        )
    try:
        url = make_url(scheme + address[len(scheme) :])
    except (ArgumentError, ValueError):  # its text can show a part of the password
        raise wrong("a URL of SQLAlchemy", "another text") from None
    if any(not isinstance(value, str) for value in url.query.values()):
        raise wrong("each parameter once", "a parameter twice")
    query = {name: str(value) for name, value in url.query.items()}
    prefix = query.pop("prefix", PREFIX)
    creates = query.pop("create", "true")
    pool_size = query.pop("pool_size", "5")
    on_restart = query.pop("on_restart", "epoch")
    announce = query.pop("announce", "bus")
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,39}", prefix) is None:
        raise wrong("a prefix of 1 to 40 letters, digits and underscores", repr(prefix))
    if creates not in ("true", "false"):
        raise wrong("create=true or false", creates)
    if re.fullmatch(r"[0-9]{1,3}", pool_size) is None or not 1 <= int(pool_size) <= 100:
        raise wrong("a pool_size from 1 to 100", pool_size)
    if on_restart not in ("epoch", "trust"):
        raise wrong("on_restart=epoch or trust", on_restart)
    if announce not in ("bus", "notify"):
        raise wrong("announce=bus or notify", announce)
    url = url.set(query=query)
    if scheme.startswith("sqlite"):
        if "on_restart" in url.query or on_restart == "trust":
            raise wrong("no on_restart: SQLite has no standbys", "on_restart=trust")
        if announce == "notify":
            raise wrong("no announce: SQLite has no notifications", "announce=notify")
        if _is_in_memory(url):
            raise wrong(
                "the path of a file: each connection of the pool would have a database of its own",
                "a database in memory",
                EXAMPLES["sqlite"] + ', or for one process store="memory://"',
            )
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise wrong("SQLite 3.35 or newer", f"SQLite {sqlite3.sqlite_version}")
    drivers = {DRIVERS[scheme]}
    if announce == "notify":
        drivers.add("asyncpg")  # it listens
    for driver in drivers:
        try:
            importlib.import_module(driver)
        except ImportError as error:
            raise wrong(
                f"the package {driver}", str(error), f'pip install "bennu[sql]" {driver}'
            ) from None
    shown = URL.create(scheme, host=url.host, port=url.port, database=url.database)
    return SQLAddress(
        url,
        shown.render_as_string(),
        prefix,
        creates == "true",
        int(pool_size),
        on_restart == "trust",
        announce == "notify",
    )


def _is_in_memory(url: URL) -> bool:
    database = url.database or ""
    return (
        database in ("", ":memory:")
        or url.query.get("mode") == "memory"
        or (database.startswith("file:") and ("memory" in database or database == "file:"))
    )
