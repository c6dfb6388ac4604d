"""The server for third-party clients: `bennu run tests.interop.endpoint:endpoint`.

A test controls the server through a channel, as any client could: an event that crashes the channel, one that closes
the connection, a topic whose join waits. So the tests need no access to the server's process.

The channels with an application's protocol (Supabase's, Absinthe's), and those with presences, are in the modules
beside this one.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from bennu import (
    Channel,
    ConnectInfo,
    Endpoint,
    Error,
    History,
    LongPoll,
    Refused,
    Reply,
    Socket,
    Stop,
    on,
    on_out,
)
from bennu.errors import TokenInvalid
from bennu.refusals import Readable
from tests.interop.absinthe import absinthe
from tests.interop.histories import history_channels, history_presence
from tests.interop.presences import presence_channels, presences
from tests.interop.supabase import supabase

__all__ = ["endpoint"]

if os.environ.get("BENNU_INTEROP_HISTORY"):
    # The same tests on topics with history, which carry no binary broadcasts.
    binary = ("room:binary", "room:compressed")
    Channel.history = History.by_topic(lambda topic: None if topic in binary else History())


@dataclass
class State:
    """The state that all clients share."""

    gates: dict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    members: Counter[str] = field(default_factory=Counter)


class User(Struct, frozen=True):
    """The assigns of a client. With its own name, a test disconnects no other client."""

    name: str
    token: str | None = None


class Text(Struct):
    """A payload with text."""

    text: str


class RoomChannel(Channel[User, State]):
    """Has an event for each thing that a client can ask of a channel."""

    async def join(self, payload: dict[str, Any]) -> dict[str, Any]:
        if self.topic == "room:private":
            raise Refused("unauthorized")
        if self.topic == "room:broken":
            raise RuntimeError("this join always crashes")
        return {"user": self.assigns.name, "payload": payload}

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return payload

    @on("fail")
    async def fail(self) -> Error:
        return Error({"reason": "failed"})

    @on("refuse")
    async def refuse(self) -> None:
        raise Refused("not_today", retry_after_ms=50)

    @on("custom")
    async def custom(self) -> Reply:
        return Reply("teapot", {"short": "stout"})

    @on("silent")
    async def silent(self) -> None:
        """Send no reply."""

    @on("say")
    async def say(self, payload: Text) -> None:
        await self.broadcast("said", payload)

    @on("say_to_others")
    async def say_to_others(self, payload: Text) -> None:
        await self.broadcast_from("said", payload)

    @on("say_to_me")
    async def say_to_me(self, payload: Text) -> None:
        await self.push("said", payload)

    @on("größe")
    async def size(self, payload: bytes) -> dict[str, int]:
        return {"bytes": len(payload)}

    @on("weigh")
    async def weigh(self, payload: bytes) -> dict[str, int]:
        return {"bytes": len(payload)}

    @on("draw")
    async def draw(self, payload: bytes) -> None:
        await self.broadcast("drawn", payload)

    @on("draw_for_me")
    async def draw_for_me(self, payload: bytes) -> None:
        await self.push("drawn", payload)

    @on("to_others")
    async def to_others(self, payload: Text) -> None:
        """Crash or stop the channels of other clients, which possibly can't push."""
        await self.broadcast_from(payload.text)

    @on_out("crash")
    async def crash_with(self, _: Any) -> None:
        raise RuntimeError("another client asked for it")

    @on_out("stop")
    async def stop_with(self, _: Any) -> None:
        raise Stop

    @on("whoami")
    async def whoami(self) -> User:
        return self.assigns

    @on("crash")
    async def crash(self) -> None:
        raise RuntimeError("a client asked for it")

    @on("stop")
    async def stop(self, payload: Text) -> None:
        raise Stop(payload.text, reply={"stopping": payload.text})

    @on("disconnect")
    async def disconnect(self) -> None:
        await self.endpoint.disconnect(f"users:{self.assigns.name}")

    @on("open_gate")
    async def open_gate(self, payload: Text) -> dict[str, str]:
        self.state.gates[payload.text].set()
        return {"opened": payload.text}


class GateChannel(RoomChannel):
    """A room whose join waits until its gate is opened."""

    name: str

    async def join(self, payload: dict[str, Any]) -> dict[str, Any]:
        await self.state.gates[self.name].wait()
        return payload


class RosterChannel(Channel[User, State]):
    """Tells its clients how many they are."""

    async def join(self) -> dict[str, int]:
        self.state.members[self.topic] += 1
        return {"members": self.state.members[self.topic]}

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return payload

    async def terminate(self, reason: str | Exception) -> None:
        self.state.members[self.topic] -= 1
        members = {"members": self.state.members[self.topic]}
        await self.endpoint.broadcast(self.topic, "left", members)


class Params(Struct):
    """The query parameters of a client. Clients add their own parameters."""

    user: str = "anonymous"
    refuse: bool = False


async def connect(params: Params) -> User:
    if params.refuse:
        raise Refused("asked to")
    return User(params.user)


async def connect_with_token(params: Params, info: ConnectInfo) -> User:
    if info.auth_token is None or not info.auth_token.isdigit():
        raise Refused("bad token")
    return User(params.user, info.auth_token)


async def connect_for_a_while(params: Params, info: ConnectInfo) -> User:
    info.expire_at(time.time() + 20)
    return User(params.user, info.auth_token)


async def refresh(token: str, info: ConnectInfo) -> None:
    """Use the number of seconds in the token as the time for which it is valid."""
    if not token.isdigit():
        raise TokenInvalid(token)
    info.expire_at(time.time() + int(token))


@asynccontextmanager
async def lifespan() -> AsyncIterator[State]:
    yield State()


def name_of(user: User) -> str:
    return f"users:{user.name}"


channels: dict[str, type[Channel[Any, Any]]] = {
    "room:*": RoomChannel,
    "gate:{name}": GateChannel,
    "roster:*": RosterChannel,
    **presence_channels,
    **history_channels,
}
endpoint = Endpoint(
    sockets={
        "/socket": Socket(connect=connect, id=name_of, channels=channels, longpoll=True),
        "/quick": Socket(connect=connect, channels=channels, longpoll=LongPoll(window=1)),
        "/compressed": Socket(connect=connect, id=name_of, channels=channels, compress=True),
        "/auth": Socket(
            connect=connect_with_token,
            id=name_of,
            channels=channels,
            auth_token=True,
            longpoll=True,
        ),
        "/expiring": Socket(
            connect=connect_for_a_while,
            id=name_of,
            channels=channels,
            auth_token=True,
            refresh=refresh,
        ),
        "/readable": Socket(
            connect=connect, id=name_of, channels=channels, refusals=Readable(hold=1)
        ),
        "/realtime/v1": supabase,
        "/graphql": absinthe,
    },
    lifespan=lifespan,
    presence=[*presences, history_presence],
    debug=True,
)
