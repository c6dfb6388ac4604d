"""The two channels: the list of rooms, and a room."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Final

from bennu import Channel, Refused, on

from .presence import RoomPresence, key_of
from .store import Store
from .wire import (
    MAX_ROOM,
    Crowd,
    Device,
    DeviceKind,
    JoinRoom,
    MessageOut,
    NewMessage,
    NewRoom,
    NewStatus,
    Person,
    RoomList,
    RoomName,
    RoomOut,
    RoomReply,
    Sent,
    Status,
)

__all__ = ["Chat", "RoomChannel", "RoomsChannel", "User"]

MAX_ROOMS: Final = 100
ROOM_NAME: Final = re.compile(r"[^\W_]+(-[^\W_]+)*")


@dataclass(frozen=True)
class User:
    """Who is connected: what ``connect`` returned, ``self.assigns`` in every channel."""

    name: str
    device: DeviceKind


@dataclass(frozen=True)
class Chat:
    """What all channels share: what the lifespan yielded, ``self.state`` in every channel.

    Attributes:
        store: What is remembered.
        presence: Who is in which room.
        turn: Held while something is stored and told, and while a join reads. So everybody hears
            the messages in the order of their ids, and a join falls between two of them: what it
            did not read, it will hear.
    """

    store: Store
    presence: RoomPresence
    turn: asyncio.Lock


class RoomChannel(Channel[User, Chat]):
    """A room: ``room:lobby``."""

    room: str
    device: Device
    emits = {"message": MessageOut, "typing": Person}

    async def join(self, params: JoinRoom) -> RoomReply:
        """Let everybody into a room that exists, and tell what was said there, and who was there."""
        self.device = self._device(params.status)
        async with self.state.turn:
            if not await self.state.store.has_room(self.room):
                raise Refused("no_such_room")
            messages, continues = await self.state.store.history(self.room, params.last_id)
            return RoomReply(messages, continues, await self.state.store.recent(self.room))

    async def after_join(self) -> None:
        """Be seen by all, and see them."""
        await self.state.presence.track(self, key_of(self.assigns.name), self.device)
        await self.state.presence.push_state(self)

    async def terminate(self, reason: str | Exception) -> None:
        """Be gone at once if the page said goodbye; if it was lost, it may be back in a moment."""
        if reason == "left":
            await self.state.presence.untrack(self)

    @on("status")
    async def status(self, new: NewStatus) -> None:
        """Show whether anybody is looking at the page."""
        if new.status != self.device.status:
            self.device = self._device(new.status)
            await self.state.presence.update(self, key_of(self.assigns.name), self.device)

    def _device(self, status: Status) -> Device:
        return Device(self.assigns.device, status, time.time_ns() // 1_000_000)

    @on("message")
    async def message(self, new: NewMessage) -> Sent:
        """Keep a message, and send it to everybody in the room, its author too."""
        body = new.body.strip()
        if not body:
            raise Refused("empty_message")
        async with self.state.turn:
            message, is_new = await self.state.store.add_message(
                self.room, self.assigns.name, body, new.key
            )
            if is_new:
                await self.broadcast("message", message)
                await self.endpoint.broadcast("rooms", "message", message)
        return Sent(message.id)

    @on("typing")
    async def typing(self) -> None:
        """Tell the others that this person types; the page says so every few seconds."""
        await self.broadcast_from("typing", Person(self.assigns.name))


class RoomsChannel(Channel[User, Chat]):
    """The list of rooms: ``rooms``. It also hears every message, so that it can show what is new."""

    emits = {"room": RoomOut, "message": MessageOut, "crowd": Crowd}

    async def join(self) -> RoomList:
        """Tell which rooms there are."""
        async with self.state.turn:
            rooms = await self.state.store.rooms()
            for room in rooms:
                room.people = (await self.state.presence.count(f"room:{room.name}")).keys
            return RoomList(rooms)

    @on("new_room")
    async def new_room(self, wanted: NewRoom) -> RoomName:
        """Add a room, if there is none of this name, and tell everybody."""
        name = "-".join(wanted.name.lower().split())
        if len(name) > MAX_ROOM or not ROOM_NAME.fullmatch(name):
            raise Refused("bad_room_name")
        async with self.state.turn:
            if not await self.state.store.has_room(name):
                if len(await self.state.store.rooms()) >= MAX_ROOMS:
                    raise Refused("too_many_rooms")
                await self.state.store.add_room(name)
                await self.broadcast("room", RoomOut(name))
        return RoomName(name)
