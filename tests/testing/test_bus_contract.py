"""The contract holds for the bus in memory. ``tests/bus/ipc`` runs it on ``ipc://``."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from bennu.bus import BusAdapter, MemoryNetwork
from bennu.testing.bus_contract import BusContract


class TestMemory(BusContract):
    """The bus in memory."""

    @pytest.fixture(autouse=True)
    def network(self) -> None:
        self.bus = MemoryNetwork()

    def adapter(self, node: str) -> BusAdapter:
        return self.bus.adapter(node)

    @asynccontextmanager
    async def interrupted(self, one: BusAdapter, other: BusAdapter) -> AsyncGenerator[None]:
        self.bus.cut(one.node, other.node)
        yield
        await one.confirm()  # what is under way is lost too
        self.bus.heal()
