"""The two channels: the list of rooms, and a room."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Final

from bennu import Channel, Refused, on

from .people import People
from .store import Store
from .wire import (
    MAX_ROOM,
    Crowd,
    JoinRoom,
    MessageOut,
    NewMessage,
    NewRoom,
    Person,
    RoomList,
    RoomName,
    RoomOut,
    RoomReply,
    Sent,
)

__all__ = ["Chat", "RoomChannel", "RoomsChannel", "User"]

MAX_ROOMS: Final = 100
ROOM_NAME: Final = re.compile(r"[^\W_]+(-[^\W_]+)*")


@dataclass(frozen=True)
class User:
    """Who is connected: what ``connect`` returned, ``self.assigns`` in every channel."""

    name: str


@dataclass(frozen=True)
class Chat:
    """What all channels share: what the lifespan yielded, ``self.state`` in every channel.

    Attributes:
        store: What is remembered.
        people: Who is where.
        turn: Held while something is stored and told, and while a join reads. So everybody hears
            the messages in the order of their ids, and a join falls between two of them: what it
            did not read, it will hear.
    """

    store: Store
    people: People
    turn: asyncio.Lock


class RoomChannel(Channel[User, Chat]):
    """A room: ``room:lobby``."""

    room: str
    emits = {"message": MessageOut, "joined": Person, "left": Person, "typing": Person}

    async def join(self, params: JoinRoom) -> RoomReply:
        """Let everybody into a room that exists, and tell what was said there."""
        async with self.state.turn:
            if not await self.state.store.has_room(self.room):
                raise Refused("no_such_room")
            messages, continues = await self.state.store.history(self.room, params.last_id)
            return RoomReply(messages, continues, self.state.people.names(self.room))

    async def after_join(self) -> None:
        """Tell the others, unless they see this person here already."""
        if self.state.people.enter(self.room, self.connection, self.assigns.name):
            await self.broadcast_from("joined", Person(self.assigns.name))
            await self.tell_crowd()

    async def terminate(self, reason: str | Exception) -> None:
        """Tell the others, unless this person is still here with another page."""
        if self.state.people.leave(self.room, self.connection):
            await self.broadcast_from("left", Person(self.assigns.name))
            await self.tell_crowd()

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

    async def tell_crowd(self) -> None:
        """Tell the lists of rooms how many people are here."""
        people = len(self.state.people.names(self.room))
        await self.endpoint.broadcast("rooms", "crowd", Crowd(self.room, people))


class RoomsChannel(Channel[User, Chat]):
    """The list of rooms: ``rooms``. It also hears every message, so that it can show what is new."""

    emits = {"room": RoomOut, "message": MessageOut, "crowd": Crowd}

    async def join(self) -> RoomList:
        """Tell which rooms there are."""
        async with self.state.turn:
            rooms = await self.state.store.rooms()
            for room in rooms:
                room.people = len(self.state.people.names(room.name))
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
