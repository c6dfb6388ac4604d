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
    """The person of a connection: ``connect`` returns it, and every channel has it as ``self.assigns``."""

    name: str
    device: DeviceKind


@dataclass(frozen=True)
class Chat:
    """The resources of all channels: the lifespan yields it, and every channel has it as ``self.state``.

    Attributes:
        store: The database.
        presence: The people in each room.
        turn: A lock. Each message is stored and broadcast while holding it, and each join reads while holding it.
            So the clients of one process get its messages in the order of their ids. Messages of another process
            can come late: the page puts them in their place.
    """

    store: Store
    presence: RoomPresence
    turn: asyncio.Lock


class RoomChannel(Channel[User, Chat]):
    """A room: ``room:lobby``."""

    room: str
    device: Device
    last_id: int
    emits = {"message": MessageOut, "typing": Person}

    async def join(self, params: JoinRoom) -> RoomReply:
        """Accept every client if the room exists, and reply with its messages and its recent visitors."""
        self.device = self._device(params.status)
        async with self.state.turn:
            if not await self.state.store.has_room(self.room):
                raise Refused("no_such_room")
            messages, continues = await self.state.store.history(self.room, params.last_id)
            self.last_id = messages[-1].id if messages else params.last_id
            return RoomReply(messages, continues, await self.state.store.recent(self.room))

    async def after_join(self) -> None:
        """Add this person to the list of people, and send the list to this page. Send what the join could not have.

        A message that another process stored after the join had read, and broadcast before this page was in the room,
        has reached this page by neither way.
        """
        missed, _ = await self.state.store.history(self.room, self.last_id)
        for message in missed:
            await self.push("message", message)
        await self.state.presence.track(self, key_of(self.assigns.name), self.device)
        await self.state.presence.push_state(self)

    async def terminate(self, reason: str | Exception) -> None:
        """Remove this person at once if the page left. After a lost connection the page can come back."""
        if reason == "left":
            await self.state.presence.untrack(self)

    @on("status", rate="1/second, burst 10")
    async def status(self, new: NewStatus) -> None:
        """Tell the others whether this person looks at the page."""
        if new.status != self.device.status:
            self.device = self._device(new.status)
            await self.state.presence.update(self, key_of(self.assigns.name), self.device)

    def _device(self, status: Status) -> Device:
        return Device(self.assigns.device, status, time.time_ns() // 1_000_000)

    @on("message", rate="1/second, burst 20")
    async def message(self, new: NewMessage) -> Sent:
        """Store a message, and send it to all clients in the room, including its author."""
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

    @on("typing", rate="1/second, burst 10")
    async def typing(self) -> None:
        """Tell the others that this person types. The page repeats the event every few seconds."""
        await self.broadcast_from("typing", Person(self.assigns.name))


class RoomsChannel(Channel[User, Chat]):
    """The list of rooms: ``rooms``. It also broadcasts every message, so that the page can mark unread rooms."""

    emits = {"room": RoomOut, "message": MessageOut, "crowd": Crowd}

    async def join(self) -> RoomList:
        """Reply with the rooms."""
        async with self.state.turn:
            rooms = await self.state.store.rooms()
            for room in rooms:
                room.people = (await self.state.presence.count(f"room:{room.name}")).keys
            return RoomList(rooms)

    @on("new_room", rate="10/minute")
    async def new_room(self, wanted: NewRoom) -> RoomName:
        """Add a room unless it exists, and tell all clients."""
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
