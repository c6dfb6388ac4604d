"""The channel of the topics ``TOPIC``."""

from __future__ import annotations

from typing import Annotated, ClassVar

from bennu import Channel, Ok, on
from msgspec import Meta, Struct

from .users import User

__all__ = ["ThingChannel"]


class Say(Struct):
    """What a client sends."""

    body: Annotated[str, Meta(min_length=1, max_length=2_000)]


class Said(Struct):
    """What all clients of the topic get."""

    author: str
    body: str


class ThingChannel(Channel[User]):
    """One client in one topic ``TOPIC``."""

    PARAMETERS
    emits: ClassVar = {"said": Said}

    async def join(self) -> None:
        """Let every user in: ``raise Refused("unauthorized")`` refuses."""

    @on("say", rate="5/second, burst 20")
    async def say(self, new: Say) -> Ok:
        """Send a text to all clients of the topic."""
        await self.broadcast("said", Said(self.assigns.name, new.body))
        return Ok()
