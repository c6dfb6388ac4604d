"""The connections of a store to its database: how one function runs in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Protocol, TypeVar

from sqlalchemy import Connection

from .address import SQLAddress

__all__ = ["CONNECT_LIMIT", "Connections", "Work", "options_for"]

T = TypeVar("T")

Work = Callable[[Connection], T]
"""Runs statements in a transaction."""

CONNECT_LIMIT: Final = 5.0
"""Seconds for a connection to PostgreSQL, or for the lock of a SQLite file."""


class Connections(Protocol):
    """The connections to one database. It connects when the first function runs.

    Attributes:
        orders_writes: Whether functions that write run in the order of the calls, and any number of them can wait.
    """

    orders_writes: ClassVar[bool]

    async def run(self, work: Work[T], *, reads: bool) -> T:
        """Run a function in a transaction.

        Args:
            work: The function.
            reads: Whether it is one statement that reads, which needs no transaction of its own.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


def options_for(address: SQLAddress) -> dict[str, Any]:
    """Return the options of an engine."""
    return {
        "pool_size": address.pool_size,
        "max_overflow": 0,
        "pool_use_lifo": True,
        "hide_parameters": True,
    }
