"""Applications for the tests of the inspector, and a connection that is recorded."""

from __future__ import annotations

from typing import Any

from bennu import Channel, Endpoint, Error, LongPoll, Ok, RawHandler, RawSocket, Socket, on, on_out

__all__ = ["Room", "endpoint_of_rooms"]


class Room(Channel[Any]):
    """A room in which people speak, and which has a fault."""

    async def join(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"topic": self.topic}

    @on("say")
    async def say(self, payload: dict[str, Any]) -> dict[str, Any]:
        await self.broadcast("said", payload)
        return {"id": 7}

    @on("say_to_others")
    async def say_to_others(self, payload: dict[str, Any]) -> Ok | Error:
        await self.broadcast_from("said", payload)
        return Ok() if payload else Error({"reason": "empty"})

    @on("whisper")
    async def whisper(self, payload: dict[str, Any]) -> None:
        await self.broadcast("whisper", payload)

    @on_out("whisper")
    async def hear(self, payload: dict[str, Any]) -> None:
        await self.push("whisper", payload)

    @on("boom")
    async def boom(self, payload: dict[str, Any]) -> None:
        raise ValueError("boom")


class Shout(RawHandler[Any]):
    """Answers in capitals."""

    async def receive(self, message: str | bytes) -> str | bytes:
        return message.upper()


def endpoint_of_rooms() -> Endpoint:
    """Return an endpoint with rooms and a raw socket."""
    socket = Socket(
        connect=lambda params: params,
        id=lambda params: f"users:{params['name']}" if "name" in params else None,
        channels={"room:*": Room},
        longpoll=LongPoll(),
    )
    raw = RawSocket(connect=lambda: None, handler=Shout)
    return Endpoint(sockets={"/socket": socket, "/raw": raw})
