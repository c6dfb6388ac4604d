"""A node of a cluster, as a process: ``bennu run tests.presence.mesh_node:endpoint``.

The variable BENNU_MESH_NODE has its name, the names and the directory of all nodes, and the periods, as JSON.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import msgspec

from bennu import Channel, Endpoint, Periods, Presence, Socket, on
from bennu.bus import IPCAdapter

from ..support.cut_adapter import CutAdapter

__all__ = ["Setup", "endpoint"]


class Setup(msgspec.Struct):
    """The configuration of a node."""

    name: str
    names: list[str]
    directory: str
    periods: Periods


class Tracked(msgspec.Struct):
    """A key and its meta."""

    key: str
    meta: dict[str, Any] = msgspec.field(default_factory=dict)


setup = msgspec.json.decode(os.environ["BENNU_MESH_NODE"], type=Setup)
bus = CutAdapter(IPCAdapter(setup.directory, setup.name))
presence = Presence(periods=setup.periods)


class Room(Channel[None]):
    """Pushes the list of users. A client can ask it to track a user."""

    async def after_join(self) -> None:
        await presence.push_state(self)

    @on("track")
    async def track(self, payload: Tracked) -> dict[str, Any]:
        await presence.track(self, payload.key, payload.meta)
        return {}

    @on("update")
    async def update(self, payload: Tracked) -> dict[str, Any]:
        await presence.update(self, payload.key, payload.meta)
        return {}

    @on("list")
    async def list(self) -> dict[str, Any]:
        return await presence.list(self)

    # The network.

    @on("whole")
    async def whole(self) -> dict[str, Any]:
        while bus.nodes() != {*setup.names} - {setup.name}:  # noqa: ASYNC110 - the interface has no event for it
            await asyncio.sleep(0.01)
        return {}

    @on("cut")
    async def cut(self) -> dict[str, Any]:
        bus.is_cut = True
        return {}

    @on("heal")
    async def heal(self) -> dict[str, Any]:
        bus.is_cut = False
        return {}


async def connect() -> None:
    """Accept every client."""


endpoint = Endpoint(
    sockets={"/socket": Socket(connect=connect, channels={"room:*": Room})},
    presence=presence,
    pubsub=bus,
)
