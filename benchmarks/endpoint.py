"""The endpoint under load: it echoes, it broadcasts, it says who is present, and it does nothing else.

`endpoint` is served as it is, with compression under /deflate; `mounted` is the same one inside a Starlette application, at /rt.
Every payload is decoded into its type and encoded again, as in a real application.
"""

from itertools import count
from typing import ClassVar
from urllib.parse import parse_qs

from msgspec import Struct
from starlette.applications import Starlette
from starlette.routing import Mount

from bennu import Channel, Count, Endpoint, Presence, Rates, Socket, on

__all__ = ["endpoint", "guarded", "mounted"]


class Timed(Struct):
    """What wsload sends: the time of sending, and the number of the sender with filling behind it."""

    t: str
    body: str


class RoomChannel(Channel[None]):
    @on("echo")
    async def echo(self, payload: Timed) -> Timed:
        return payload

    @on("new_msg")
    async def new_msg(self, payload: Timed) -> None:
        await self.broadcast("new_msg", payload)


class GuardedRoomChannel(RoomChannel):
    @on("new_msg", rate="12/minute, burst 3")
    async def new_msg(self, payload: Timed) -> None:
        await self.broadcast("new_msg", payload)


class Visitor(Struct):
    """The parameters of a join; the user_id may also be among those of the connect."""

    user_id: str | int | None = None


presence = Presence()
# Nobody needs the size of a crowd more often than once a second.
crowd = Presence("crowd", mode=Count(), window=1)
strangers = count(1)


class PresenceChannel(Channel[None]):
    """Whoever joins is present under their user_id, or as a stranger whom nobody else is."""

    presence: ClassVar[Presence] = presence

    async def join(self, visitor: Visitor) -> None:
        params = parse_qs(self.connection.info.uri.query)
        named = visitor.user_id or params.get("user_id", [""])[0]
        self.user_id = named or f"stranger-{next(strangers)}"

    async def after_join(self) -> None:
        await self.presence.track(self, self.user_id, {"status": "online"})
        await self.presence.push_state(self)


class CrowdChannel(PresenceChannel):
    """The same, where clients are told how many there are."""

    presence = crowd


async def connect() -> None:
    """Everybody is welcome, and nobody has a name."""


channels = {"room:*": RoomChannel, "presence:*": PresenceChannel, "crowd:*": CrowdChannel}
endpoint = Endpoint(
    sockets={
        "/socket": Socket(connect=connect, channels=channels),
        "/deflate": Socket(connect=connect, channels=channels, compress=True),
    },
    presence=[presence, crowd],
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
