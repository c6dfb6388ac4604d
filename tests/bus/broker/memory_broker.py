"""A broker in memory, and its driver, with failures on request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Final

from bennu.bus.broker.driver import Broken, Driver, Hear

__all__ = ["MemoryBroker", "MemoryDriver"]

MAX_BYTES: Final = 1024 * 1024 + 64 * 1024


class MemoryBroker:
    """A broker. Each message is delivered in a later turn of the event loop, in order.

    Attributes:
        is_down: Whether it refuses connections.
        is_hung: Whether it takes everything, and answers and delivers nothing until :meth:`wake`.
        refuses: The exception of a refused connection.
        drops: Says of a driver's name, a channel and a frame whether the message is lost on its way to this driver.
        confirms: Set while subscriptions are confirmed.
        takes: Set while the broker takes messages.
        messages: The messages that it took.
        channels: The drivers that have subscribed, by channel.
        connections: The drivers that are connected.
        connects: The number of connections so far.
        attempts: The times of all attempts to connect.
    """

    def __init__(self) -> None:
        self.is_down = False
        self.is_hung = False
        self.refuses: Exception = ConnectionRefusedError("nobody listens")
        self.drops: Callable[[str, str, bytes], bool] = lambda driver, channel, frame: False
        self.confirms = asyncio.Event()
        self.confirms.set()
        self.takes = asyncio.Event()
        self.takes.set()
        self.messages: list[tuple[str, bytes]] = []
        self.channels: dict[str, list[MemoryDriver]] = {}
        self.connections: list[MemoryDriver] = []
        self.connects = 0
        self.attempts: list[float] = []
        self._held: list[tuple[str, bytes]] = []
        self._woken = asyncio.Event()

    def driver(self, name: str = "") -> MemoryDriver:
        """Return a driver, not connected."""
        return MemoryDriver(self, name)

    def stop(self) -> None:
        """End all connections, and refuse new ones. What is on its way is lost."""
        self.is_down = True
        for driver in [*self.connections]:
            driver.cut()

    def start(self) -> None:
        """Accept connections again."""
        self.is_down = False

    def hang(self) -> None:
        """Answer nothing until :meth:`wake`."""
        self.is_hung = True
        self._woken.clear()

    def wake(self) -> None:
        """Do all that was asked for meanwhile."""
        self.is_hung = False
        self._woken.set()
        held, self._held = self._held, []
        for channel, frame in held:
            self.publish(channel, frame)

    # What the drivers call.

    async def answer(self) -> None:
        """Wait for an answer of the broker."""
        await asyncio.sleep(0)
        while self.is_hung:
            await self._woken.wait()

    def publish(self, channel: str, frame: bytes) -> None:
        """Take a message."""
        if self.is_hung:
            self._held.append((channel, frame))
            return
        self.messages.append((channel, frame))
        loop = asyncio.get_running_loop()
        for driver in self.channels.get(channel, ()):
            if not self.drops(driver.node, channel, frame):
                loop.call_soon(driver.deliver, driver.connection, channel, frame)

    def leave(self, driver: MemoryDriver) -> None:
        """Forget a connection."""
        if driver in self.connections:
            self.connections.remove(driver)
        for channel in [*driver.channels]:
            self.unsubscribe(driver, channel)

    def subscribe(self, driver: MemoryDriver, channel: str) -> None:
        """Add a subscription. A second one would double all messages."""
        assert channel not in driver.channels
        driver.channels.add(channel)
        self.channels.setdefault(channel, []).append(driver)

    def unsubscribe(self, driver: MemoryDriver, channel: str) -> None:
        """Remove a subscription."""
        driver.channels.remove(channel)
        self.channels[channel].remove(driver)
        if not self.channels[channel]:
            del self.channels[channel]


class MemoryDriver(Driver):
    """A driver of a :class:`MemoryBroker`.

    Attributes:
        node: A name for ``drops``.
        channels: The channels that it has subscribed to.
        connection: The number of the connection; 0 if there is none.
    """

    def __init__(self, broker: MemoryBroker, node: str) -> None:
        self.node = node
        self.channels: set[str] = set()
        self.connection = 0
        self.calls: list[str] = []
        self.is_frozen = False
        self._fds: list[int] = []
        self._broker = broker
        self._hear: Hear | None = None
        self._broken: Broken | None = None

    @property
    def name(self) -> str:
        return "memory://broker"

    @property
    def max_bytes(self) -> int:
        return MAX_BYTES

    @property
    def fds(self) -> list[int]:
        return self._fds

    @fds.setter
    def fds(self, fds: list[int]) -> None:
        self._fds = fds

    async def connect(self, hear: Hear, broken: Broken) -> None:
        assert not self.connection
        assert not self.channels
        if self.is_frozen:
            await asyncio.Event().wait()
        self._broker.attempts.append(asyncio.get_running_loop().time())
        await self._broker.answer()
        if self._broker.is_down:
            raise self._broker.refuses
        self._hear, self._broken = hear, broken
        self._broker.connects += 1
        self.connection = self._broker.connects
        self._broker.connections.append(self)

    async def close(self) -> None:
        self._broker.leave(self)
        self.connection = 0

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        for channel, frame in [*messages]:
            if self.is_frozen:
                return
            self._expect()
            if not self._broker.takes.is_set():
                await self._broker.takes.wait()
                self._expect()
            self._broker.publish(channel, frame)

    async def subscribe(self, channels: Collection[str]) -> None:
        self._expect()
        self.calls += [f"+{channel}" for channel in channels]
        await self._broker.answer()
        self._expect()
        for channel in channels:
            self._broker.subscribe(self, channel)
        await self._broker.confirms.wait()
        self._expect()

    async def unsubscribe(self, channels: Collection[str]) -> None:
        self._expect()
        self.calls += [f"-{channel}" for channel in channels]
        for channel in channels:
            self._broker.unsubscribe(self, channel)
        await asyncio.sleep(0)

    def freeze(self) -> None:
        """Do nothing any more, as the driver of a process that was killed."""
        self._broker.leave(self)
        self.is_frozen = True

    def cut(self, error: Exception | None = None) -> None:
        """End the connection. What is on its way is lost."""
        broken = self._broken
        self._broker.leave(self)
        self.connection = 0
        assert broken is not None
        broken(error or ConnectionResetError("the broker has closed the connection"))

    def deliver(self, connection: int, channel: str, frame: bytes) -> None:
        """Take a message from the broker."""
        if connection == self.connection and self._hear is not None:
            self._hear(channel, frame)

    def _expect(self) -> None:
        if not self.connection:
            raise ConnectionError("not connected")
