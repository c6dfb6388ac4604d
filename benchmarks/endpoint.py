"""The endpoint under load: it only echoes, broadcasts, and lists presences.

`endpoint` is served alone, with compression under /deflate, and with long polling under /polled. `mounted` is the same endpoint inside a Starlette
application, at /rt. Every payload is decoded into its type and encoded again, as in a real application.
"""

import os
from itertools import count
from typing import ClassVar
from urllib.parse import parse_qs

from msgspec import Struct
from starlette.applications import Starlette
from starlette.routing import Mount

from bennu import Channel, Count, Endpoint, History, Presence, Rates, Socket, on

__all__ = ["KeptRoomChannel", "RoomChannel", "connect", "endpoint", "guarded", "mounted"]


class Timed(Struct):
    """The payload of wsload: the time of sending, and the number of the sender followed by filler."""

    t: str
    body: str


class RoomChannel(Channel[None]):
    @on("echo")
    async def echo(self, payload: Timed) -> Timed:
        return payload

    @on("new_msg")
    async def new_msg(self, payload: Timed) -> None:
        await self.broadcast("new_msg", payload)


class KeptRoomChannel(RoomChannel):
    """The same with history."""

    history = History()


class GuardedRoomChannel(RoomChannel):
    @on("new_msg", rate="12/minute, burst 3")
    async def new_msg(self, payload: Timed) -> None:
        await self.broadcast("new_msg", payload)


class Visitor(Struct):
    """The parameters of a join. The user_id can also be a parameter of the connect."""

    user_id: str | int | None = None


presence = Presence()
# Once a second is often enough for the size of a crowd.
crowd = Presence("crowd", mode=Count(), window=1)
strangers = count(1)


class PresenceChannel(Channel[None]):
    """Tracks each client under its user_id, or under a unique name if it has none."""

    presence: ClassVar[Presence] = presence

    async def join(self, visitor: Visitor) -> None:
        params = parse_qs(self.connection.info.uri.query)
        named = visitor.user_id or params.get("user_id", [""])[0]
        self.user_id = named or f"stranger-{os.getpid()}-{next(strangers)}"

    async def after_join(self) -> None:
        await self.presence.track(self, self.user_id, {"status": "online"})
        await self.presence.push_state(self)


class CrowdChannel(PresenceChannel):
    """The same with a count: clients get the number of presences instead of the list."""

    presence = crowd


class HallChannel(CrowdChannel):
    """A crowd that chats."""

    @on("new_msg")
    async def new_msg(self, payload: Timed) -> None:
        await self.broadcast("new_msg", payload)


async def connect() -> None:
    """Accept every client, without assigns."""


channels = {
    "room:*": RoomChannel,
    "presence:*": PresenceChannel,
    "crowd:*": CrowdChannel,
    "hall:*": HallChannel,
}
endpoint = Endpoint(
    sockets={
        "/socket": Socket(connect=connect, channels=channels),
        "/deflate": Socket(connect=connect, channels=channels, compress=True),
        "/polled": Socket(connect=connect, channels=channels, longpoll=True),
    },
    presence=[presence, crowd],
    health="/health",
)
mounted = Starlette(routes=[Mount("/rt", endpoint)], lifespan=endpoint.lifespan())
guarded = Endpoint(
    sockets={
        "/socket": Socket(
            connect=connect,
            channels={"room:*": GuardedRoomChannel},
            max_unsent=128 * 1024,
            rates=Rates(bytes="16k/second, burst 64k", close_after=None),
        )
    }
)
