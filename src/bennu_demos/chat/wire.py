"""The payloads between the page and the server, in both directions."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

__all__ = [
    "MAX_BODY",
    "MAX_NAME",
    "MAX_ROOM",
    "Before",
    "ConnectParams",
    "Crowd",
    "Device",
    "DeviceKind",
    "JoinRoom",
    "Latest",
    "MessageOut",
    "NewMessage",
    "NewRoom",
    "NewStatus",
    "Older",
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
        status: Whether the person looks at the page.
    """

    status: Status = "online"


class NewMessage(Struct):
    """A message that a person sends.

    Attributes:
        body: The text, at most 2,000 characters.
        key: A key that the page chooses for each message. If the connection was lost before the reply came, the
            page sends the message again. By the key the server recognises it, and gives the first reply again.
    """

    body: Annotated[str, Meta(min_length=1, max_length=MAX_BODY)]
    key: Annotated[str, Meta(min_length=16, max_length=64)]


class Before(Struct):
    """A request for older messages.

    Attributes:
        before: The id of the oldest message that the page has.
    """

    before: Annotated[int, Meta(ge=1, le=2**31 - 1)]


class NewStatus(Struct):
    """A change of status: whether the person looks at the page."""

    status: Status


class NewRoom(Struct):
    """A request to open a room."""

    name: str


# To the page.


class MessageOut(Struct):
    """A message of a room.

    Attributes:
        id: A number that no other message has. In a room it grows from message to message.
        sent_at: The time in milliseconds since 1970, as in JavaScript.
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
    """An open page of a person in a room: the meta of a presence. The key contains the person's name.

    Attributes:
        device: The kind of device.
        status: Whether the person looks at the page.
        since: The start of the status, in milliseconds since 1970.
    """

    device: DeviceKind
    status: Status
    since: int


class Seen(Struct):
    """A recent visitor of a room.

    Attributes:
        seen_at: The time when the person left, in milliseconds since 1970.
    """

    name: str
    seen_at: int


class RoomReply(Struct):
    """The answer to a room's join.

    Attributes:
        recent: The recent visitors, the latest first. Some of them can be back: the presences after the reply
            list the people in the room.
    """

    recent: list[Seen]


class Latest(Struct):
    """The newest messages of a room.

    Attributes:
        position: Where the history stood before the messages were read. A message after this position can also be
            among the messages: the page ignores an id that it has.
        messages: The messages, the oldest first.
    """

    position: str
    messages: list[MessageOut]


class Older(Struct):
    """The answer to :class:`Before`.

    Attributes:
        messages: The newest messages before it, the oldest first.
    """

    messages: list[MessageOut]


class RoomOut(Struct):
    """A row in the list of rooms."""

    name: str
    people: int = 0
    last: MessageOut | None = None


class RoomList(Struct):
    """All rooms: sent after the join of the list of rooms."""

    rooms: list[RoomOut]


class RoomName(Struct):
    """The answer to :class:`NewRoom`: the name in the server's spelling."""

    name: str


class Crowd(Struct):
    """The current number of people in a room."""

    room: str
    people: int
