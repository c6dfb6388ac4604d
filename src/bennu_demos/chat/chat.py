"""What all channels share: the parts of the chat, and the person of a connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bennu import Endpoint, Refused

from .accounts import Accounts
from .filters import Filter
from .messages import Messages
from .notifications import Notifications
from .presence import RoomPresence
from .rooms import Rooms, Seat
from .wire import DeviceKind, NotificationKind, RoomName

__all__ = ["Chat", "User", "topic_of"]


@dataclass(frozen=True)
class User:
    """The person of a connection: ``connect`` returns it, and every channel has it as ``self.assigns``."""

    id: int
    name: str
    is_moderator: bool
    login_id: int
    device: DeviceKind


def topic_of(account_id: int) -> str:
    """Return the topic of a person's own channel, which all devices of the person join."""
    return f"user:{account_id}"


@dataclass(frozen=True)
class Chat:
    """The parts of the chat: the lifespan yields it, and every channel has it as ``self.state``.

    Attributes:
        secret: Signs the tokens of sockets.
    """

    endpoint: Endpoint
    accounts: Accounts
    rooms: Rooms
    messages: Messages
    notifications: Notifications
    filter: Filter
    presence: RoomPresence
    secret: str

    async def account(self, name: str) -> tuple[int, str]:
        """Return the id and the name of an account.

        Raises:
            Refused: There is none.
        """
        for found, account_id in (await self.accounts.named([name])).items():
            return account_id, found
        raise Refused("no_such_person")

    async def tell(self, account_ids: Sequence[int], event: str, payload: Any) -> None:
        """Send an event to all devices of these people."""
        for account_id in account_ids:
            await self.endpoint.broadcast(topic_of(account_id), event, payload)

    async def notify(
        self, account_id: int, kind: NotificationKind, room: str, by: str, text: str = ""
    ) -> None:
        """Store a notification, and show it on all devices of a person."""
        made = await self.notifications.add(account_id, kind, room, by, text)
        await self.tell([account_id], "notification", made)

    async def show_room(self, name: str, account_ids: Sequence[int]) -> None:
        """Send the present row of a private room to the lists of these people."""
        for account_id in account_ids:
            await self.tell([account_id], "room", await self.rooms.one(name, account_id))

    async def take_out(self, room: Seat, account_id: int) -> None:
        """End a membership of a private room, and tell all members."""
        await self.rooms.leave(room.id, account_id)
        await self.tell([account_id], "room_gone", RoomName(room.name))
        members = await self.rooms.members(room.id)
        await self.show_room(room.name, [number for _, number, _ in members])
