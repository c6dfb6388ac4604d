"""What travels between the page and the server, in both directions."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

__all__ = [
    "MAX_BODY",
    "MAX_NAME",
    "MAX_ROOM",
    "ConnectParams",
    "Crowd",
    "JoinRoom",
    "MessageOut",
    "NewMessage",
    "NewRoom",
    "Person",
    "RoomList",
    "RoomName",
    "RoomOut",
    "RoomReply",
    "Sent",
]

MAX_NAME: Final = 32
MAX_ROOM: Final = 24
MAX_BODY: Final = 2000


# From the page.


class ConnectParams(Struct):
    """The parameters of the socket."""

    name: str


class JoinRoom(Struct):
    """The parameters of a room's join.

    Attributes:
        last_id: The newest message that the page has, if it was here before.
    """

    last_id: int = 0


class NewMessage(Struct):
    """Something to say.

    Attributes:
        body: The text.
        key: Made up by the page. It sends a message again if the connection was lost before the
            answer came; by the key the server knows whether it has it already.
    """

    body: Annotated[str, Meta(min_length=1, max_length=MAX_BODY)]
    key: Annotated[str, Meta(min_length=16, max_length=64)]


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
    """Somebody who joined, left, or types."""

    name: str


class RoomReply(Struct):
    """The answer to a room's join.

    Attributes:
        messages: Oldest first.
        continues: Whether they follow on the page's last one. If not, they are the room's latest,
            and what the page has is to be put away.
        people: Who else is here.
    """

    messages: list[MessageOut]
    continues: bool
    people: list[str]


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
