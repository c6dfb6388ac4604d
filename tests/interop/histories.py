"""A channel with history for third-party clients, with presences in the same topic."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from bennu import Channel, History, Presence, on

__all__ = ["history_channels", "history_presence"]

history_presence = Presence("logged")


class LoggedArrival(Struct):
    """The payload of a join. A client's ``recovery`` is no part of it."""

    name: str


class Said(Struct):
    """What a client says."""

    text: str


class LoggedChannel(Channel[Any]):
    """Keeps what is said."""

    history = History()

    async def join(self, arrival: LoggedArrival) -> dict[str, str]:
        self.name = arrival.name
        return {"name": arrival.name}

    async def after_join(self) -> None:
        await history_presence.track(self, self.name, {})
        await history_presence.push_state(self)

    @on("say")
    async def say(self, payload: Said) -> dict[str, Any]:
        await self.broadcast("said", payload)
        return {}

    @on("say_to_others")
    async def say_to_others(self, payload: Said) -> dict[str, Any]:
        await self.broadcast_from("said", payload)
        return {}


history_channels: dict[str, type[Channel[Any, Any]]] = {"logged:*": LoggedChannel}
