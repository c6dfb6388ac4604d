"""A driver in a test, and all that it said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bennu.bus.postgresql.address import parse_address
from bennu.bus.postgresql.driver import PostgreSQLDriver

__all__ = ["Ears", "connected"]


class Ears:
    """A driver in a test, and all that it said.

    Attributes:
        driver: The driver.
        heard: The channel and bytes of each message.
        ends: The reasons for which its connection ended.
    """

    def __init__(self, address: str) -> None:
        self.driver = PostgreSQLDriver(parse_address(address, "ears"))
        self.heard: list[tuple[str, bytes]] = []
        self.ends: list[Exception] = []

    async def connect(self) -> None:
        """Connect the driver."""
        await self.driver.connect(
            lambda channel, data: self.heard.append((channel, data)), self.ends.append
        )


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Ears]:
    """Connect a driver, and close it at the end."""
    ears = Ears(address)
    try:
        await ears.connect()
        yield ears
    finally:
        await ears.driver.close()
