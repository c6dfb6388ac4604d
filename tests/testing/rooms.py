"""The application of the tests of the kit: rooms, as a user would write them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from msgspec import Meta, Struct

from bennu import Channel, Endpoint, History, Presence, Refused, Socket, on, on_info, on_out

__all__ = ["NewMsg", "Room", "User", "endpoint_of_rooms"]


@dataclass(frozen=True)
class User:
    """Who is connected."""

    name: str


class Due(Struct):
    """A time that has come."""


class NewMsg(Struct):
    """A message."""

    body: Annotated[str, Meta(max_length=20)]


class Room(Channel[User]):
    """A room: people write, and see each other."""

    room_id: int
    history = History(size=100, ttl=timedelta(hours=1), ephemeral=["typing"])

    async def join(self, payload: dict[str, Any]) -> dict[str, Any]:
        if payload.get("secret"):
            raise Refused("unauthorized", hint="ask Ann")
        return {"room": self.room_id}

    async def after_join(self) -> None:
        presence: Presence = self.state
        await presence.track(self, self.assigns.name, {"device": "phone"})
        await presence.push_state(self)

    @on("new_msg", rate="3/minute")
    async def new_msg(self, message: NewMsg) -> dict[str, Any]:
        await self.broadcast("new_msg", {"body": message.body, "author": self.assigns.name})
        return {"id": 1, "length": len(message.body)}

    @on("typing")
    async def typing(self) -> None:
        await self.broadcast_from("typing", {"name": self.assigns.name})

    @on("later")
    async def later(self, payload: dict[str, float]) -> None:
        self.send_after(payload["seconds"], Due())

    @on_info(Due)
    async def due(self, message: Due) -> None:
        await self.push("now")

    @on("whisper")
    async def whisper(self, message: NewMsg) -> None:
        await self.broadcast("whisper", {"body": message.body, "author": self.assigns.name})

    @on_out("whisper")
    async def hear_whisper(self, payload: dict[str, Any]) -> None:
        if payload["author"] != self.assigns.name:
            await self.push("whisper", {"body": payload["body"]})

    @on("crash")
    async def crash(self) -> None:
        raise ValueError("crash")


async def authenticate(params: dict[str, str]) -> User:
    """Take a name; refuse who has none."""
    if "name" not in params:
        raise Refused("no name")
    return User(params["name"])


def endpoint_of_rooms(**options: Any) -> Endpoint:
    """Return an endpoint with rooms."""
    presence = Presence()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Presence]:
        yield presence

    return Endpoint(
        sockets={
            "/socket": Socket(
                connect=authenticate,
                id=lambda user: f"users:{user.name}",
                channels={"room:{room_id}": Room},
                longpoll=True,
            )
        },
        presence=presence,
        lifespan=lifespan,
        **options,
    )
