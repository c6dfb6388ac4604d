"""The contract of a bus holds for PostgreSQL, on both event loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from bennu.bus import BusAdapter
from bennu.bus.address import adapter_for
from bennu.testing.bus_contract import BusContract

from ...support.brokers.postgresql import PostgreSQL


class TestPostgreSQL(BusContract):
    """On asyncio's loop. A test gets a prefix of its own, so one server is enough for all tests."""

    @pytest.fixture(autouse=True)
    def bus(self, server: PostgreSQL, request: pytest.FixtureRequest) -> None:
        self.server = server
        self.address = f"{server.address}?prefix={abs(hash(request.node.nodeid))}"

    def adapter(self, node: str) -> BusAdapter:
        return adapter_for(self.address, node)

    @asynccontextmanager
    async def interrupted(self, one: BusAdapter, other: BusAdapter) -> AsyncGenerator[None]:
        """End all connections, as an administrator would."""
        for pid in self.server.clients():
            await asyncio.to_thread(self.server.terminate, pid)
        yield


class TestPostgreSQLOnUvloop(TestPostgreSQL):
    """On uvloop."""

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        uvloop.run(test)
