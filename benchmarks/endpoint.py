"""The endpoint under load: it echoes, it broadcasts, and it does nothing else; and it shows who is here.

`endpoint` is served as it is, with compression under /deflate; `mounted` is the same one inside a Starlette application, at /rt.
Every payload is decoded into its type and encoded again, as in a real application.
"""

from itertools import count
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


presence = Presence()
crowd = Presence("crowd", mode=Count(), window=1)
unique = count(1)


class PresentChannel(Channel[None]):
    """It is present under the parameter ``user_id``, or as somebody new."""

    presence = presence

    async def after_join(self) -> None:
        found = parse_qs(self.connection.info.uri.query).get("user_id")
        key = found[0] if found else f"user-{next(unique)}"
        await self.presence.track(self, key, {"status": "online"})
        await self.presence.push_state(self)


class CrowdChannel(PresentChannel):
    """The same in a crowd that is only counted."""

    presence = crowd


async def connect() -> None:
    """Everybody is welcome, and nobody has a name."""


channels = {"room:*": RoomChannel, "presence:*": PresentChannel, "crowd:*": CrowdChannel}
endpoint = Endpoint(
    presence=[presence, crowd],
    sockets={
        "/socket": Socket(connect=connect, channels=channels),
        "/deflate": Socket(connect=connect, channels=channels, compress=True),
    },
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
