"""Chooses who announces new entries, by the address of a store. :mod:`.notify` needs asyncpg, so it is imported only if it is used."""

from __future__ import annotations

from ...logs.log import Log
from ..feed import Feed
from ..store import Announce
from .address import SQLAddress
from .statements import SQLStatements
from .tables import SQLTables

__all__ = ["feed_for", "statements_for"]


def statements_for(address: SQLAddress, tables: SQLTables) -> SQLStatements:
    """Return the statements of a store."""
    if address.notifies:
        from .notify import NotifyingStatements  # noqa: PLC0415 - its package is optional

        return NotifyingStatements(tables, address.prefix, trusts=address.trusts)
    return SQLStatements(tables, address.url.get_backend_name(), trusts=address.trusts)


def feed_for(address: SQLAddress, announce: Announce, log: Log) -> Feed | None:
    """Return what hears of new entries, not started; None if the store does not announce.

    Raises:
        DefinitionError: asyncpg can't use the address.
    """
    if not address.notifies:
        return None
    from .notify import feed_of  # noqa: PLC0415 - its package is optional

    return feed_of(address.url, address.prefix, announce, log)
