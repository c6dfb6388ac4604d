"""The list of open rooms, and the channel of a person: private rooms, conversations and notifications."""

from __future__ import annotations

import re
from typing import Final

from bennu import Channel, Refused, on

from .chat import Chat, User
from .wire import (
    MAX_ROOM,
    Crowd,
    Done,
    MessageOut,
    NewRoom,
    NotificationList,
    NotificationOut,
    People,
    PersonName,
    Read,
    RoomList,
    RoomName,
    RoomOut,
    UpTo,
)

__all__ = ["MAX_ROOMS", "RoomsChannel", "UserChannel"]

MAX_ROOMS: Final = 100
"""Open rooms, and private rooms and conversations of a person."""

ROOM_NAME: Final = re.compile(r"[^\W_]+(-[^\W_]+)*")


class RoomsChannel(Channel[User, Chat]):
    """The list of open rooms: ``rooms``. It also broadcasts every message, so that the page can count the unread ones."""

    emits = {
        "rooms": RoomList,
        "room": RoomOut,
        "message": MessageOut,
        "changed": MessageOut,
        "crowd": Crowd,
    }

    async def after_join(self) -> None:
        """Send the rooms. This channel already hears all changes, so none is lost between them and the list."""
        rooms = await self.state.rooms.open_rooms(self.assigns.id)
        for room in rooms:
            room.people = (await self.state.presence.count(f"room:{room.name}")).keys
        await self.push("rooms", RoomList(rooms))

    @on("new_room", rate="10/minute")
    async def new_room(self, wanted: NewRoom) -> RoomName:
        """Add an open room unless it exists, and tell all clients.

        If several people open rooms at the same moment, there can be a few more than ``MAX_ROOMS``.
        """
        name = "-".join(wanted.name.lower().split())
        if len(name) > MAX_ROOM or not ROOM_NAME.fullmatch(name):
            raise Refused("bad_room_name")
        rooms = [room.name for room in await self.state.rooms.open_rooms(self.assigns.id)]
        if name not in rooms:
            if len(rooms) >= MAX_ROOMS:
                raise Refused("too_many_rooms")
            if await self.state.rooms.add_open(name, self.assigns.id):
                await self.broadcast("room", RoomOut(name, name))
        return RoomName(name)


class UserChannel(Channel[User, Chat]):
    """The channel of a person: ``user:7``. All devices of the person join it, and nobody else can."""

    user_id: int
    emits = {
        "rooms": RoomList,
        "room": RoomOut,
        "room_gone": RoomName,
        "message": MessageOut,
        "changed": MessageOut,
        "read": Read,
        "notifications": NotificationList,
        "notification": NotificationOut,
        "notifications_read": UpTo,
    }

    async def join(self) -> None:
        """Accept the person whose channel it is."""
        if self.user_id != self.assigns.id:
            raise Refused("not_yours")

    async def after_join(self) -> None:
        """Send the private rooms and the notifications. This channel already hears all changes."""
        rooms = await self.state.rooms.private_rooms(self.assigns.id)
        await self.push("rooms", RoomList(rooms))
        newest = await self.state.notifications.newest(self.assigns.id)
        await self.push("notifications", NotificationList(newest))

    @on("new_room", rate="10/minute")
    async def new_room(self, wanted: NewRoom) -> RoomName:
        """Open a private room: its members invite others."""
        title = " ".join(wanted.name.split())
        if len(title) > MAX_ROOM or not any(character.isalnum() for character in title):
            raise Refused("bad_room_name")
        await self._expect_space()
        name = await self.state.rooms.add_private(title, self.assigns.id)
        await self.state.show_room(name, [self.assigns.id])
        return RoomName(name)

    @on("direct", rate="20/minute")
    async def direct(self, people: People) -> RoomName:
        """Open the conversation with these people, or return the one that there is."""
        numbers = {(await self.state.account(name))[0] for name in people.names}
        if not numbers - {self.assigns.id}:
            raise Refused("yourself")
        await self._expect_space()
        numbers.add(self.assigns.id)
        name, is_new = await self.state.rooms.direct(numbers)
        if is_new:
            await self.state.show_room(name, sorted(numbers))
        return RoomName(name)

    async def _expect_space(self) -> None:
        if len(await self.state.rooms.private_rooms(self.assigns.id)) >= MAX_ROOMS:
            raise Refused("too_many_rooms")

    @on("read_notifications", rate="1/second, burst 10")
    async def read_notifications(self, up_to: UpTo) -> Done:
        """Mark notifications as read, on all devices."""
        await self.state.notifications.read(self.assigns.id, up_to.id)
        await self.broadcast("notifications_read", up_to)
        return Done()

    @on("block", rate="10/minute")
    async def block(self, person: PersonName) -> Done:
        """Keep a person out of the whole chat for a day: all devices are disconnected, and logged out."""
        if not self.assigns.is_moderator:
            raise Refused("not_a_moderator")
        number, _ = await self.state.account(person.name)
        if number == self.assigns.id:
            raise Refused("yourself")
        await self.state.accounts.block(number)
        await self.endpoint.disconnect(f"users:{number}")
        return Done()
