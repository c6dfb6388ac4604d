"""A room: its messages, its people, and what its moderators can do."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import Final

from bennu import Broadcast, Channel, History, Refused, Stop, on, on_info

from .accounts import Person
from .chat import Chat, User
from .database import now
from .notifications import mentioned
from .presence import key_of
from .rooms import Seat
from .wire import (
    Before,
    Device,
    Done,
    Edit,
    JoinRoom,
    Latest,
    MessageId,
    MessageOut,
    Mute,
    NewMessage,
    NewStatus,
    Older,
    PersonName,
    Read,
    RoomReply,
    Sent,
    Status,
    Until,
)

__all__ = ["RoomChannel"]

KEPT: Final = int(os.environ.get("CHAT_HISTORY") or 1_000)
"""A page that was away gets at most this number of messages from the history of a room."""

BARRED_FOR: Final = 10 * 60 * 1000
"""Milliseconds for which a person who was removed from an open room can't come back."""


class RoomChannel(Channel[User, Chat]):
    """A room: ``room:lobby``. The names of private rooms and of conversations can't be guessed.

    The page loads the latest messages when it opens the room. After that it gets each message through the history of
    the room, also those that were sent while its connection was lost.
    """

    room: str
    device: Device
    history = History(size=KEPT, ttl=timedelta(days=1), ephemeral=["typing", "read"])
    emits = {
        "message": MessageOut,
        "changed": MessageOut,
        "typing": PersonName,
        "read": Read,
        "kicked": Until,
    }

    async def join(self, params: JoinRoom) -> RoomReply:
        """Accept the people whom the database lets in, and reply with the recent visitors."""
        self.device = self._device(params.status)
        room = await self._seat()
        if room.kind == "open":
            recent, reads = await self.state.rooms.recent(self.room), {}
        else:
            members = await self.state.rooms.members(room.id)
            recent, reads = [], {name: read for name, _, read in members}
        return RoomReply(recent, self._may_moderate(room), reads)

    async def after_join(self) -> None:
        """Add this person to the list of people, and send the list to this page."""
        self.subscribe(f"kicks:{self.room}")
        await self.state.presence.track(self, key_of(self.assigns.name), self.device)
        await self.state.presence.push_state(self)

    async def terminate(self, reason: str | Exception) -> None:
        """Remove this person at once if the page left. After a lost connection the page can come back."""
        if reason in ("left", "shutdown:kicked"):
            await self.state.presence.untrack(self)

    async def _seat(self) -> Seat:
        """Return what this person is to the room now: it can have changed since the join.

        Raises:
            Refused: There is no such room for this person. A private room looks as if it did not exist.
        """
        return _let_in(await self.state.rooms.seat(self.room, self.assigns.id))

    def _may_moderate(self, room: Seat) -> bool:
        return room.kind != "direct" and (
            room.is_owner or (self.assigns.is_moderator and room.kind == "open")
        )

    @property
    def _me(self) -> Person:
        me = self.assigns
        return Person(me.id, me.name, me.is_moderator, me.login_id)

    # Messages.

    @on("latest", rate="1/second, burst 10")
    async def latest(self) -> Latest:
        """Return the newest messages.

        The position is read first. So a message that is stored between the two reads comes after the position: the page
        gets it twice, and ignores the second one. Read in the other order, the page would never get it.
        """
        position = await self.endpoint.position(self.topic)
        return Latest(str(position), await self.state.messages.newest(await self._seat()))

    @on("older", rate="2/second, burst 10")
    async def older(self, params: Before) -> Older:
        """Return older messages: the page scrolls back."""
        return Older(await self.state.messages.newest(await self._seat(), params.before))

    @on("message", rate="30/minute", idempotent_by="key", ttl=timedelta(days=1))
    async def message(self, new: NewMessage) -> Sent:
        """Store a message, and send it to all clients in the room, including its author.

        A page that got no reply sends the message again. Then this method does not run: the page gets the first reply.
        """
        room, message, is_new = await self.state.messages.add(
            self.endpoint,
            self.room,
            self._me,
            new.key,
            lambda room: self._checked(_let_in(room), new.body),
        )
        if is_new:
            await self._show("message", room, message)
            await self._mention(room, message)
        return Sent(message.id)

    @on("edit", rate="30/minute")
    async def edit(self, new: Edit) -> Done:
        """Change a message of this person."""
        room = await self._seat()
        body = self._checked(room, new.body)
        changed = await self.state.messages.edit(self.endpoint, room, self._me, new.id, body)
        await self._show("changed", room, changed)
        return Done()

    @on("remove", rate="30/minute")
    async def remove(self, message: MessageId) -> Done:
        """Remove a message of this person; a moderator can remove all."""
        room = await self._seat()
        may_all = self._may_moderate(room)
        changed = await self.state.messages.remove(
            self.endpoint, room, self._me, message.id, may_all=may_all
        )
        await self._show("changed", room, changed)
        return Done()

    def _checked(self, room: Seat, text: str) -> str:
        if room.muted_until > now():
            raise Refused("muted", until=room.muted_until)
        body = text.strip()
        if not body:
            raise Refused("empty_message")
        return self.state.filter.check(body)

    async def _show(self, event: str, room: Seat, message: MessageOut) -> None:
        """Show a message in the lists of rooms: of everybody, or of the members."""
        if room.kind == "open":
            await self.endpoint.broadcast("rooms", event, message)
        else:
            members = await self.state.rooms.members(room.id)
            await self.state.tell([number for _, number, _ in members], event, message)

    async def _mention(self, room: Seat, message: MessageOut) -> None:
        names = mentioned(message.body)
        found = await self.state.accounts.named(names) if names else {}
        if room.kind != "open" and found:
            members = {number for _, number, _ in await self.state.rooms.members(room.id)}
            found = {name: number for name, number in found.items() if number in members}
        for number in set(found.values()) - {self.assigns.id}:
            await self.state.notify(number, "mention", room.name, message.author, message.body)

    # Reading, typing, status.

    @on("read", rate="2/second, burst 10")
    async def read(self, message: MessageId) -> None:
        """Store up to where this person has read. In a private room the others see it."""
        room = await self._seat()
        known = await self.state.rooms.read(room.id, self.assigns.id, message.id)
        if known is None:
            return
        read = Read(room.name, self.assigns.name, known)
        await self.state.tell([self.assigns.id], "read", read)
        if room.kind != "open":
            await self.broadcast("read", read)

    @on("typing", rate="1/second, burst 10")
    async def typing(self) -> None:
        """Tell the others that this person types. The page repeats the event every few seconds."""
        await self.broadcast_from("typing", PersonName(self.assigns.name))

    @on("status", rate="1/second, burst 10")
    async def status(self, new: NewStatus) -> None:
        """Tell the others whether this person looks at the page."""
        if new.status != self.device.status:
            self.device = self._device(new.status)
            await self.state.presence.update(self, key_of(self.assigns.name), self.device)

    def _device(self, status: Status) -> Device:
        return Device(self.assigns.device, status, time.time_ns() // 1_000_000)

    # Members and moderators.

    @on("invite", rate="30/minute")
    async def invite(self, person: PersonName) -> Done:
        """Let a person into a private room: each member can."""
        room = await self._seat()
        if room.kind != "closed":
            raise Refused("not_private")
        number, _ = await self.state.account(person.name)
        if await self.state.rooms.invite(room.id, number):
            members = await self.state.rooms.members(room.id)
            await self.state.show_room(room.name, [number for _, number, _ in members])
            await self.state.notify(number, "invited", room.name, self.assigns.name, room.title)
        return Done()

    @on("quit", rate="10/minute")
    async def quit(self) -> None:
        """Leave a private room for good."""
        room = await self._seat()
        if room.kind != "closed":
            raise Refused("not_private")
        await self.state.take_out(room, self.assigns.id)
        raise Stop("shutdown:kicked", reply={})

    @on("mute", rate="20/minute")
    async def mute(self, person: Mute) -> Done:
        """Refuse a person's messages in this room for some minutes."""
        room, number = await self._moderated(person.name)
        await self.state.rooms.mute(room.id, number, now() + person.minutes * 60_000)
        text = f"{person.minutes} minutes" if person.minutes else ""
        await self.state.notify(number, "muted", room.name, self.assigns.name, text)
        return Done()

    @on("kick", rate="20/minute")
    async def kick(self, person: PersonName) -> Done:
        """Remove a person from this room, on all devices. The other rooms of the person go on."""
        room, number = await self._moderated(person.name)
        until = now() + BARRED_FOR
        if room.kind == "open":
            await self.state.rooms.bar(room.id, number, until)
        else:
            await self.state.take_out(room, number)
        kick = {"id": number, "until": until}
        await self.endpoint.broadcast(f"kicks:{self.room}", "kick", kick)
        if room.kind == "open":
            await self.state.notify(number, "kicked", room.name, self.assigns.name)
        return Done()

    @on_info(Broadcast)
    async def kicked(self, kick: Broadcast) -> None:
        """End this channel, if its person was removed from the room."""
        if kick.payload["id"] == self.assigns.id:
            await self.push("kicked", Until(kick.payload["until"]))
            raise Stop("shutdown:kicked")

    async def _moderated(self, name: str) -> tuple[Seat, int]:
        room = await self._seat()
        if not self._may_moderate(room):
            raise Refused("not_a_moderator")
        number, _ = await self.state.account(name)
        if number == self.assigns.id:
            raise Refused("yourself")
        return room, number


def _let_in(room: Seat | None) -> Seat:
    if room is None:
        raise Refused("no_such_room")
    if room.barred_until > now():
        raise Refused("kicked", until=room.barred_until)
    return room
