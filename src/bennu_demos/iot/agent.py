"""The program on a device: it sends readings until the server has them, and obeys each command once.

It knows nothing of how a device measures: a :class:`Body` does. A device with real sensors has another body.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from contextlib import suppress
from typing import Final, Protocol

from bennu.client import Backoff, Client, ClientError, PushLost, PushRefused, RemoteChannel

from .wire import MAX_BATCH, Accepted, Command, Hello, Reading, Result, Telemetry, Welcome

__all__ = ["Agent", "Body"]

QUEUE: Final = 5_000
"""The readings that wait for the server. If more wait, the oldest are lost."""

REMEMBERED: Final = 100
"""The commands whose results are remembered."""

PATIENCE: Final = 5.0
"""Seconds for the reply to a push, and between two heartbeats."""

RECONNECT: Final = Backoff((0.1, 0.5, 1, 2, 5, 10))
"""Seconds before each connect, half more or less."""


class Body(Protocol):
    """The sensors and the lamp of a device."""

    def measure(self, at: int) -> Reading:
        """Return a reading with this time."""
        ...

    def obey(self, command: Command) -> Result | None:
        """Carry out a command, and return the result; None if the device does not answer."""
        ...


class Agent:
    """Keeps a device connected.

    Args:
        url: The URL of the socket for devices, such as ``ws://127.0.0.1:4000/devices``.
        device: The id of the device.
        token: Its token.
        hello: What it says of itself.
        body: Its sensors and lamp.
        interval: Seconds between two readings, until the server says otherwise.
        reconnect: The waits before each connect.

    Attributes:
        waiting: The readings that the server has not confirmed, the oldest first.
        lost: The number of readings that were dropped, because too many waited.
    """

    def __init__(
        self,
        url: str,
        device: str,
        token: str,
        hello: Hello,
        body: Body,
        *,
        interval: float = 2.0,
        reconnect: Backoff = RECONNECT,
    ) -> None:
        self.waiting: deque[Reading] = deque()
        self.lost = 0
        self._url, self._device, self._token, self._hello = url, device, token, hello
        self._body = body
        self._interval = interval
        self._reconnect = reconnect
        self._last_at = 0
        self._has_reading = asyncio.Event()
        self._changed = asyncio.Event()
        self._results: OrderedDict[str, Result | None] = OrderedDict()

    async def run(self) -> None:
        """Measure and send until cancelled. Then leave."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.keep_measuring())
            group.create_task(self.connect())

    async def connect(self) -> None:
        """Send what waits, and obey commands, until cancelled. Then leave: the device is away on purpose."""
        client, channel = self._open()
        try:
            await self._send(channel)
        finally:
            await channel.leave(timeout=1)
            await client.close()

    async def connect_and_vanish(self, seconds: float) -> None:
        """Do the same for some seconds, and lose the connection without a leave."""
        client, channel = self._open()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._send(channel)
        finally:
            await client.close(4000, "link lost")

    def add(self, reading: Reading) -> None:
        """Queue a reading."""
        if len(self.waiting) == QUEUE:
            self.waiting.popleft()
            self.lost += 1
        self.waiting.append(reading)
        self._has_reading.set()

    def measure(self) -> None:
        """Measure now, and queue the reading."""
        self._last_at = max(time.time_ns() // 1_000_000, self._last_at + 1)
        self.add(self._body.measure(self._last_at))

    async def keep_measuring(self) -> None:
        """Measure at the interval until cancelled."""
        while True:
            self._changed.clear()
            self.measure()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._changed.wait()

    def _open(self) -> tuple[Client, RemoteChannel]:
        client = Client(
            self._url,
            auth_token=self._token,
            heartbeat=PATIENCE,
            timeout=PATIENCE,
            reconnect=self._reconnect,
        )
        channel = client.channel(
            f"device:{self._device}", {"name": self._hello.name, "will": self._hello.will}
        )
        channel.on_join(self._joined, reply=Welcome)

        async def obey(command: Command) -> None:
            await self._obey(channel, command)

        channel.on("command", obey, payload=Command)
        client.start()
        _ = channel.join()
        return client, channel

    def _joined(self, welcome: Welcome) -> None:
        """Forget the readings that the server has: the reply to them was lost."""
        self._forget(welcome.last_at)
        if welcome.interval is not None:
            self._set_interval(welcome.interval)

    def _forget(self, last_at: int) -> None:
        while self.waiting and self.waiting[0].at <= last_at:
            self.waiting.popleft()
        self._last_at = max(self._last_at, last_at)  # also if the clock of the device was set back

    def _set_interval(self, seconds: float) -> None:
        if seconds != self._interval:
            self._interval = seconds
            self._changed.set()

    async def _send(self, channel: RemoteChannel) -> None:
        while True:
            if not self.waiting:
                self._has_reading.clear()
                await self._has_reading.wait()
            batch = Telemetry([self.waiting[n] for n in range(min(MAX_BATCH, len(self.waiting)))])
            try:
                accepted = await channel.push("telemetry", batch, reply=Accepted)
            except PushRefused as refused:
                if refused.reason != "rate_limited":
                    raise
                await asyncio.sleep(1)
            except ClientError:  # no reply: the same readings are sent again, after the next join
                continue
            else:
                self._forget(accepted.last_at)

    async def _obey(self, channel: RemoteChannel, command: Command) -> None:
        """Obey a command once, and send its result until the server has it."""
        if command.id not in self._results:
            self._results[command.id] = self._body.obey(command)
            if len(self._results) > REMEMBERED:
                self._results.popitem(last=False)
            if command.name == "set_interval":
                self._set_interval(command.value)
        result = self._results[command.id]
        while result is not None:
            try:
                await channel.push("result", result)
            except (PushLost, PushRefused):
                return  # after the next join the server sends the command again
            except ClientError:
                continue
            return
