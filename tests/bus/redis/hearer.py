"""A driver in a test, and all that it heard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bennu.bus.broker.driver import Driver
from bennu.bus.redis.drivers import drivers_for
from bennu.bus.redis.options import read_address

__all__ = ["Hearer", "connected", "driver_for"]


class Hearer:
    """What a driver heard, and why its connection ended.

    Attributes:
        driver: The driver.
        heard: The channel and bytes of each message, in their order.
        reasons: What `broken` was called with.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.heard: list[tuple[str, bytes]] = []
        self.reasons: list[Exception] = []

    async def connect(self) -> None:
        await self.driver.connect(self.hear, self.reasons.append)

    def hear(self, channel: str, data: bytes) -> None:
        assert not self.reasons, "a message after the end"
        self.heard.append((channel, data))

    def has(self, count: int) -> bool:
        """Return whether this many messages came."""
        return len(self.heard) >= count

    def data(self, channel: str) -> list[bytes]:
        """Return the bytes that came under a channel."""
        return [data for name, data in self.heard if name == channel]


def driver_for(address: str) -> Driver:
    """Return the driver for an address that names one bus."""
    (driver,) = drivers_for(read_address(address))
    return driver


@asynccontextmanager
async def connected(driver: Driver) -> AsyncIterator[Hearer]:
    """Connect a driver, and close it at the end."""
    hearer = Hearer(driver)
    try:
        await hearer.connect()
        yield hearer
    finally:
        await driver.close()
