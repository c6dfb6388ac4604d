"""Connections to PostgreSQL, over the event loop, by SQLAlchemy's asyncio API."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from sqlalchemy.ext.asyncio import create_async_engine

from .address import SQLAddress
from .connections import CONNECT_LIMIT, Work, options_for

__all__ = ["PostgreSQLConnections"]

T = TypeVar("T")


class PostgreSQLConnections:
    """Connections to PostgreSQL.

    Args:
        address: The database.
    """

    orders_writes: ClassVar[bool] = False

    def __init__(self, address: SQLAddress) -> None:
        limit = "connect_timeout" if address.url.get_driver_name() == "psycopg" else "timeout"
        self._engine = create_async_engine(
            address.url, **options_for(address), connect_args={limit: int(CONNECT_LIMIT)}
        )
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def run(self, work: Work[T], *, reads: bool) -> T:
        """Run a function in a transaction."""
        if reads:
            async with self._reading.connect() as connection:
                return await connection.run_sync(work)
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()
