"""The contract of a bus holds for every broker."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from bennu.bus import BusAdapter
from bennu.bus.broker.adapter import BrokerAdapter
from bennu.testing.bus_contract import BusContract

from .memory_broker import MemoryBroker


class TestBroker(BusContract):
    """On a broker in memory."""

    @pytest.fixture(autouse=True)
    def broker(self) -> None:
        self.bus = MemoryBroker()

    def adapter(self, node: str) -> BusAdapter:
        return BrokerAdapter(self.bus.driver(node), node)

    @asynccontextmanager
    async def interrupted(self, one: BusAdapter, other: BusAdapter) -> AsyncGenerator[None]:
        """Stop the broker, and start it again."""
        self.bus.stop()
        yield
        self.bus.start()
