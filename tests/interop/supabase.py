"""The part of Supabase's application protocol that its clients need to subscribe and to broadcast.

All of their messages here are plain Phoenix: a join with a `config`, and the events `broadcast` and `access_token`.
Their V2 also has binary frames of kinds that Phoenix does not know (3 and 4). These are Supabase's own. Bennu closes
a connection that sends one, as Phoenix does.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from bennu import Channel, Ok, Refused, Socket, Stop, on

__all__ = ["supabase"]

API_KEY = "anon-key"
ACCESS_TOKEN = "user-jwt"


class BroadcastConfig(Struct):
    """The client's options for its broadcasts."""

    ack: bool = False
    own: bool = field(name="self", default=False)


class Config(Struct):
    """The client's options for a subscription."""

    broadcast: BroadcastConfig
    private: bool = False


class Subscription(Struct):
    """The payload of a join."""

    config: Config
    access_token: str | None = None


class UserBroadcast(Struct):
    """A broadcast of a client, which is sent out unchanged."""

    event: str
    payload: dict[str, Any]
    type: Literal["broadcast"] = "broadcast"


class AccessToken(Struct):
    """A token that replaces the join's."""

    access_token: str


class RealtimeChannel(Channel[str]):
    """A channel of Supabase Realtime. A client can only broadcast: it has no other events."""

    wants: BroadcastConfig
    token: str | None

    async def join(self, payload: Subscription) -> dict[str, list[Any]]:
        if payload.config.private and payload.access_token != ACCESS_TOKEN:
            raise Refused(
                "Unauthorized: You do not have permissions to read from this Channel topic"
            )
        self.wants = payload.config.broadcast
        self.token = payload.access_token
        return {"postgres_changes": []}

    @on("broadcast")
    async def spread(self, payload: UserBroadcast) -> Ok | None:
        match payload.event:
            case "crash":
                raise RuntimeError("a client asked for it")
            case "close":
                raise Stop("normal")
            case "disconnect":
                await self.endpoint.disconnect(self.connection.id)
            case _ if self.wants.own:
                await self.broadcast("broadcast", payload)
            case _:
                await self.broadcast_from("broadcast", payload)
        return Ok() if self.wants.ack else None

    @on("access_token")
    async def refresh(self, payload: AccessToken) -> None:
        self.token = payload.access_token
        await self.push(
            "broadcast", UserBroadcast("token", {"refreshed": self.token == ACCESS_TOKEN})
        )

    @on("echo")
    async def echo(self, payload: dict[str, Any]) -> dict[str, Any]:
        return payload

    @on("fail")
    async def fail(self) -> None:
        raise Refused("failed")


class Params(Struct):
    """The query parameters of a connect."""

    apikey: str
    user: str = "anonymous"


async def connect(params: Params) -> str:
    if params.apikey != API_KEY:
        raise Refused("invalid api key")
    return params.user


def name_of(user: str) -> str:
    return f"supabase:{user}"


supabase = Socket(connect=connect, id=name_of, channels={"realtime:*": RealtimeChannel})
