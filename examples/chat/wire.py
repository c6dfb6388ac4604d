"""What travels between the page and the server, in both directions."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

__all__ = [
    "MAX_BODY",
    "MAX_NAME",
    "MAX_ROOM",
    "ConnectParams",
    "Crowd",
    "Device",
    "DeviceKind",
    "JoinRoom",
    "MessageOut",
    "NewMessage",
    "NewRoom",
    "NewStatus",
    "Person",
    "RoomList",
    "RoomName",
    "RoomOut",
    "RoomReply",
    "Seen",
    "Sent",
    "Status",
]

MAX_NAME: Final = 32
MAX_ROOM: Final = 24
MAX_BODY: Final = 2000

DeviceKind = Literal["computer", "phone"]
Status = Literal["online", "away"]


# From the page.


class ConnectParams(Struct):
    """The parameters of the socket."""

    name: str


class JoinRoom(Struct):
    """The parameters of a room's join.

    Attributes:
        last_id: The newest message that the page has, if it was here before.
        status: Whether anybody is looking at it.
    """

    last_id: int = 0
    status: Status = "online"


class NewMessage(Struct):
    """Something to say.

    Attributes:
        body: The text.
        key: Made up by the page. It sends a message again if the connection was lost before the
            answer came; by the key the server knows whether it has it already.
    """

    body: Annotated[str, Meta(min_length=1, max_length=MAX_BODY)]
    key: Annotated[str, Meta(min_length=16, max_length=64)]


class NewStatus(Struct):
    """Somebody has left their page alone, or is back at it."""

    status: Status


class NewRoom(Struct):
    """The name of a room that shall be there."""

    name: str


# To the page.


class MessageOut(Struct):
    """A message that was said.

    Attributes:
        id: Later messages have greater ones, in all rooms.
        sent_at: In milliseconds since 1970, as JavaScript counts.
    """

    id: int
    room: str
    author: str
    body: str
    sent_at: int
    key: str


class Sent(Struct):
    """The answer to a message."""

    id: int


class Person(Struct):
    """Somebody who types."""

    name: str


class Device(Struct, frozen=True):
    """A page that somebody has open in a room: the meta of a presence, whose key has their name.

    Attributes:
        device: What it is open on.
        status: Whether anybody is looking at it.
        since: Since when that is so, in milliseconds since 1970.
    """

    device: DeviceKind
    status: Status
    since: int


class Seen(Struct):
    """Somebody who was here.

    Attributes:
        seen_at: When they went, in milliseconds since 1970.
    """

    name: str
    seen_at: int


class RoomReply(Struct):
    """The answer to a room's join.

    Attributes:
        messages: Oldest first.
        continues: Whether they follow on the page's last one. If not, they are the room's latest,
            and what the page has is to be put away.
        recent: Who was here lately, the latest first. Some of them may be back: who is here is told by
            the presences, after this.
    """

    messages: list[MessageOut]
    continues: bool
    recent: list[Seen]


class RoomOut(Struct):
    """A room, as the list of rooms shows it."""

    name: str
    people: int = 0
    last: MessageOut | None = None


class RoomList(Struct):
    """The answer to the join of the list of rooms."""

    rooms: list[RoomOut]


class RoomName(Struct):
    """The answer to :class:`NewRoom`: what the room is really called."""

    name: str


class Crowd(Struct):
    """How many people are in a room now."""

    room: str
    people: int
