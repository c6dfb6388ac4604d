"""The contract of a store holds for PostgreSQL and SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from bennu.store.sql import SQLStore
from bennu.store.store import Store
from bennu.testing.store_contract import StoreContract
from tests.support.brokers.postgresql import PostgreSQL, postgresql


class KeepsInSQL(StoreContract):
    """What the kinds share.

    Attributes:
        address: The address of the database, which all tests of a class share.
    """

    too_large = 16_000_001
    address: str

    def store(self) -> Store:
        return SQLStore(self.address)


class TestSQLite(KeepsInSQL):
    """A file."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def data(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        path: Path = tmp_path_factory.mktemp("sqlite")
        cls.address = f"sqlite+aiosqlite:///{path}/log.db"


class TestPostgreSQL(KeepsInSQL):
    """One server."""

    server: PostgreSQL

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def data(cls) -> Iterator[None]:
        with postgresql() as server:
            cls.server = server
            cls.address = server.address.replace("postgresql://", "postgresql+asyncpg://")
            yield

    async def restart(self) -> None:
        await asyncio.to_thread(self.server.restart)


@pytest.mark.long
class TestPostgreSQLOnUvloop(TestPostgreSQL):
    """One server, on uvloop."""

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        uvloop.run(test)
