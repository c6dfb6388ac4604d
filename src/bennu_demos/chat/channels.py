"""The two channels: the list of rooms, and a room."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bennu import Channel, History, Refused, on

from .presence import RoomPresence, key_of
from .store import Store
from .wire import (
    MAX_ROOM,
    Before,
    Crowd,
    Device,
    DeviceKind,
    JoinRoom,
    Latest,
    MessageOut,
    NewMessage,
    NewRoom,
    NewStatus,
    Older,
    Person,
    RoomList,
    RoomName,
    RoomOut,
    RoomReply,
    Sent,
    Status,
)

__all__ = ["Chat", "RoomChannel", "RoomsChannel", "User"]

KEPT: Final = int(os.environ.get("CHAT_HISTORY") or 1_000)
"""A page that was away gets at most this number of messages from the history of a room."""

MAX_ROOMS: Final = 100
ROOM_NAME: Final = re.compile(r"[^\W_]+(-[^\W_]+)*")


@dataclass(frozen=True)
class User:
    """The person of a connection: ``connect`` returns it, and every channel has it as ``self.assigns``."""

    name: str
    device: DeviceKind


@dataclass(frozen=True)
class Chat:
    """The resources of all channels: the lifespan yields it, and every channel has it as ``self.state``.

    Attributes:
        store: The database.
        presence: The people in each room.
    """

    store: Store
    presence: RoomPresence


class RoomChannel(Channel[User, Chat]):
    """A room: ``room:lobby``.

    The page loads the latest messages when it opens the room. After that it gets each message through the history of
    the room, also those that were sent while its connection was lost.
    """

    room: str
    device: Device
    history = History(size=KEPT, ttl=timedelta(days=1), ephemeral=["typing"])
    emits = {"message": MessageOut, "typing": Person}

    async def join(self, params: JoinRoom) -> RoomReply:
        """Accept every client if the room exists, and reply with its recent visitors."""
        self.device = self._device(params.status)
        if not await self.state.store.has_room(self.room):
            raise Refused("no_such_room")
        return RoomReply(await self.state.store.recent(self.room))

    async def after_join(self) -> None:
        """Add this person to the list of people, and send the list to this page."""
        await self.state.presence.track(self, key_of(self.assigns.name), self.device)
        await self.state.presence.push_state(self)

    async def terminate(self, reason: str | Exception) -> None:
        """Remove this person at once if the page left. After a lost connection the page can come back."""
        if reason == "left":
            await self.state.presence.untrack(self)

    @on("latest", rate="1/second, burst 10")
    async def latest(self) -> Latest:
        """Return the newest messages.

        The position is read first. So a message that is stored between the two reads comes after the position: the page
        gets it twice, and ignores the second one. Read in the other order, the page would never get it.
        """
        position = await self.endpoint.position(self.topic)
        return Latest(str(position), await self.state.store.messages(self.room))

    @on("older", rate="2/second, burst 10")
    async def older(self, params: Before) -> Older:
        """Return older messages: the page scrolls back."""
        return Older(await self.state.store.messages(self.room, params.before))

    @on("status", rate="1/second, burst 10")
    async def status(self, new: NewStatus) -> None:
        """Tell the others whether this person looks at the page."""
        if new.status != self.device.status:
            self.device = self._device(new.status)
            await self.state.presence.update(self, key_of(self.assigns.name), self.device)

    def _device(self, status: Status) -> Device:
        return Device(self.assigns.device, status, time.time_ns() // 1_000_000)

    @on("message", rate="1/second, burst 20", idempotent_by="key", ttl=timedelta(days=1))
    async def message(self, new: NewMessage) -> Sent:
        """Store a message, and send it to all clients in the room, including its author.

        A page that got no reply sends the message again. Then this method does not run: the page gets the first reply.
        """
        body = new.body.strip()
        if not body:
            raise Refused("empty_message")
        message, is_new = await self.state.store.add_message(
            self.endpoint, self.room, self.assigns.name, body, new.key
        )
        if is_new:
            await self.endpoint.broadcast("rooms", "message", message)
        return Sent(message.id)

    @on("typing", rate="1/second, burst 10")
    async def typing(self) -> None:
        """Tell the others that this person types. The page repeats the event every few seconds."""
        await self.broadcast_from("typing", Person(self.assigns.name))


class RoomsChannel(Channel[User, Chat]):
    """The list of rooms: ``rooms``. It also broadcasts every message, so that the page can mark unread rooms."""

    emits = {"rooms": RoomList, "room": RoomOut, "message": MessageOut, "crowd": Crowd}

    async def after_join(self) -> None:
        """Send the rooms. This channel already hears all changes, so none is lost between them and the list."""
        rooms = await self.state.store.rooms()
        for room in rooms:
            room.people = (await self.state.presence.count(f"room:{room.name}")).keys
        await self.push("rooms", RoomList(rooms))

    @on("new_room", rate="10/minute")
    async def new_room(self, wanted: NewRoom) -> RoomName:
        """Add a room unless it exists, and tell all clients.

        If several people open rooms at the same moment, there can be a few more than ``MAX_ROOMS``.
        """
        name = "-".join(wanted.name.lower().split())
        if len(name) > MAX_ROOM or not ROOM_NAME.fullmatch(name):
            raise Refused("bad_room_name")
        rooms = [room.name for room in await self.state.store.rooms()]
        if name not in rooms:
            if len(rooms) >= MAX_ROOMS:
                raise Refused("too_many_rooms")
            if await self.state.store.add_room(name):
                await self.broadcast("room", RoomOut(name))
        return RoomName(name)
