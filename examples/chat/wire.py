"""The payloads between the page and the server, in both directions."""

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
        last_id: The id of the newest message that the page has; 0 if it has none.
        status: Whether the person looks at the page.
    """

    last_id: int = 0
    status: Status = "online"


class NewMessage(Struct):
    """A message that a person sends.

    Attributes:
        body: The text, at most 2,000 characters.
        key: Chosen by the page, a new one for each message. The page sends a message again if the
            connection was lost before the reply came; the key tells the server that it has the message.
    """

    body: Annotated[str, Meta(min_length=1, max_length=MAX_BODY)]
    key: Annotated[str, Meta(min_length=16, max_length=64)]


class NewStatus(Struct):
    """Whether the person looks at the page, when that changes."""

    status: Status


class NewRoom(Struct):
    """The name of a room to open."""

    name: str


# To the page.


class MessageOut(Struct):
    """A message that was said.

    Attributes:
        id: Grows from message to message, across all rooms.
        sent_at: In milliseconds since 1970, as in JavaScript.
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
    """A person who types."""

    name: str


class Device(Struct, frozen=True):
    """A page that a person has open in a room: the meta of a presence. The key has the person's name.

    Attributes:
        device: The kind of device.
        status: Whether the person looks at the page.
        since: When the status began, in milliseconds since 1970.
    """

    device: DeviceKind
    status: Status
    since: int


class Seen(Struct):
    """A person who was in a room.

    Attributes:
        seen_at: When the person left, in milliseconds since 1970.
    """

    name: str
    seen_at: int


class RoomReply(Struct):
    """The answer to a room's join.

    Attributes:
        messages: The oldest first.
        continues: Whether the messages follow the newest message of the page. If not, they are the latest
            messages of the room, and the page must drop the messages that it has.
        recent: The people who were here lately, the latest first. Some of them may be back: the presences,
            which come after the reply, tell who is here.
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
    """The answer to :class:`NewRoom`: the name as the server spells it."""

    name: str


class Crowd(Struct):
    """How many people are in a room now."""

    room: str
    people: int
