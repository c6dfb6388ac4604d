"""The channel of a device, and the channel of the page."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from bennu import Channel, Endpoint, Presence, Refused, on

from .store import Store
from .wire import (
    Accepted,
    Changes,
    Command,
    CommandOut,
    Hello,
    NewCommand,
    Operator,
    Result,
    Snapshot,
    Telemetry,
    Welcome,
)

__all__ = ["Clock", "DeviceChannel", "Fleet", "FleetChannel", "milliseconds"]

LOG: Final = logging.getLogger(__name__)

Clock = Callable[[], int]
"""Returns the time in milliseconds since 1970."""

PERIOD: Final = 0.25
"""Seconds in which changes are collected, before the pages get them in one message."""

WAITING: Final = 20
"""The most commands that wait for the answer of one device."""


def milliseconds() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000


class Fleet(Struct, frozen=True):
    """What all channels have as ``self.state``.

    Attributes:
        store: The database.
        presence: The devices that are connected. They are present in the topic of the pages.
        clock: The time.
    """

    store: Store
    presence: Presence
    clock: Clock

    async def run(self, endpoint: Endpoint) -> None:
        """Tell the pages of this worker what has changed, and give up commands in time, until cancelled."""
        version, _, _ = await self.store.since(0)
        while True:
            await asyncio.sleep(PERIOD)
            try:
                await self.store.expire(self.clock())
                version, devices, commands = await self.store.since(version)
            except sqlite3.Error:  # such as a disk that is full: the next round can succeed
                LOG.exception(
                    "The changes of the devices could not be read; the pages get them later"
                )
                continue
            if devices or commands:
                await endpoint.local_broadcast("fleet", "changes", Changes(devices, commands))

    def to_device(self, command: CommandOut) -> Command:
        """Return what a device gets of a command."""
        left = max(command.deadline - self.clock(), 0) / 1000
        return Command(command.id, command.name, command.value, left)


class DeviceChannel(Channel[str, Fleet]):
    """A device: ``device:pump-7``. Its assigns are its id, which its token contains."""

    device: str
    emits = {"command": Command}

    async def join(self, hello: Hello) -> Welcome:
        """Accept a device for its own topic."""
        if self.device != self.assigns:
            raise Refused("not_your_topic")
        self.will = hello.will
        return Welcome(*await self.state.store.meet(self.device, hello.name))

    async def after_join(self) -> None:
        """List the device as present, and push the commands that it has not answered yet."""
        await self.state.presence.track(self, self.device, topic="fleet")
        for command in await self.state.store.waiting(self.device):
            await self.push("command", self.state.to_device(command))

    async def terminate(self, reason: str | Exception) -> None:
        """Carry out the last will of a device that lost its connection. One that has left is away on purpose."""
        if reason == "left":
            await self.state.presence.untrack(self, self.device, topic="fleet")
        elif reason not in ("draining", "shutdown"):  # that is the end of the server
            await self.state.store.lose(self.device, self.will)

    @on("telemetry", rate="5/second, burst 40")
    async def telemetry(self, telemetry: Telemetry) -> Accepted:
        """Store readings. The reply is the receipt: until then the device keeps them, and sends them again."""
        return Accepted(await self.state.store.add(self.device, telemetry.readings))

    @on("result", rate="5/second, burst 40")
    async def result(self, result: Result) -> dict[str, Any]:
        """Note the answer to a command. A repeat changes nothing."""
        await self.state.store.answer(self.device, result, self.state.clock())
        return {}


class FleetChannel(Channel[Operator, Fleet]):
    """The page of an operator: ``fleet``."""

    emits = {"changes": Changes}

    async def join(self) -> Snapshot:
        """Reply with all devices and their last values."""
        self.version, devices, commands = await self.state.store.since(0)
        return Snapshot(self.state.clock(), devices, commands)

    async def after_join(self) -> None:
        """Push the presences, and what has changed between the snapshot and the first broadcast that comes."""
        await self.state.presence.push_state(self)
        _, devices, commands = await self.state.store.since(self.version)
        await self.push("changes", Changes(devices, commands))

    @on("command", rate="2/second, burst 20")
    async def command(self, new: NewCommand) -> CommandOut:
        """Store a command, and send it to its device, which is connected to any worker or to none."""
        command = await self.state.store.order(new, self.assigns.name, self.state.clock(), WAITING)
        if command.state == "pending":
            await self.endpoint.broadcast(
                f"device:{command.device}", "command", self.state.to_device(command)
            )
        return command
