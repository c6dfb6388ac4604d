"""A room: people who read each other's messages."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from typing import Annotated, ClassVar, Final

from bennu import Channel, History, Refused, on
from msgspec import Meta, Struct, convert

from .presence import Device, key_of, presence
from .users import User

__all__ = ["Joined", "MessageOut", "NewMessage", "RoomChannel", "Sent"]

ROOMS: Final = frozenset({"lobby"})
"""Replace it by a look into your database: may this user enter this room?"""

SHOWN: Final = 50
"""A page that opens gets at most this number of messages."""


class NewMessage(Struct):
    """A message from a page.

    Attributes:
        body: The text.
        key: A random text: the page makes one for each message, and repeats it.
    """

    body: Annotated[str, Meta(min_length=1, max_length=2_000)]
    key: Annotated[str, Meta(min_length=16, max_length=64)]


class MessageOut(Struct):
    """A message to all pages.

    Attributes:
        id: No other message has it.
        user_id: The author.
        sent_at: Milliseconds since 1970.
        key: The key of the :class:`NewMessage`: its page knows its own message by it.
    """

    id: str
    user_id: str
    author: str
    body: str
    sent_at: int
    key: str


class Joined(Struct):
    """The reply to a join: the latest messages, the oldest first."""

    messages: list[MessageOut]


class Sent(Struct):
    """The reply to a message."""

    id: str


class RoomChannel(Channel[User]):
    """One page in one room: ``room:lobby``.

    A page whose connection was lost gets what it missed from the history, once and in
    order.
    """

    room: str
    history = History(size=500, ttl=timedelta(days=1))
    emits: ClassVar = {"message": MessageOut}

    async def join(self) -> Joined:
        """Let the user in, and show the latest messages."""
        if self.room not in ROOMS:
            raise Refused("no_such_room")
        entries = await self.endpoint.history(self.topic, limit=SHOWN)
        return Joined([convert(entry.payload, MessageOut) for entry in entries])

    async def after_join(self) -> None:
        """Add this page to the list of people, and show the list to this page."""
        await presence.track(self, key_of(self.assigns), Device(self.assigns.name))
        await presence.push_state(self)

    async def terminate(self, reason: str | Exception) -> None:
        """Remove a page that left at once. One that was cut off may come back."""
        if reason == "left":
            await presence.untrack(self)

    @on(
        "message",
        rate="1/second, burst 10",
        idempotent_by="key",
        ttl=timedelta(hours=1),
    )
    async def message(self, new: NewMessage) -> Sent:
        """Send a message to all pages. A page that got no reply sends it again."""
        body = new.body.strip()
        if not body:
            raise Refused("empty_message")
        message = MessageOut(
            id=uuid.uuid4().hex,
            user_id=self.assigns.id,
            author=self.assigns.name,
            body=body,
            sent_at=time.time_ns() // 1_000_000,
            key=new.key,
        )
        await self.broadcast("message", message)
        return Sent(message.id)
