"""The payloads between the page and the server, in both directions."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

__all__ = [
    "MAX_BODY",
    "MAX_NAME",
    "MAX_ROOM",
    "Before",
    "Body",
    "Credentials",
    "Crowd",
    "Device",
    "DeviceKind",
    "Done",
    "Edit",
    "Id",
    "JoinRoom",
    "Latest",
    "Me",
    "MessageId",
    "MessageOut",
    "Mute",
    "Name",
    "NewMessage",
    "NewRoom",
    "NewStatus",
    "NotificationKind",
    "NotificationList",
    "NotificationOut",
    "Older",
    "People",
    "PersonName",
    "Read",
    "RoomKind",
    "RoomList",
    "RoomName",
    "RoomOut",
    "RoomReply",
    "Seen",
    "Sent",
    "Status",
    "Until",
    "UpTo",
]

MAX_NAME: Final = 32
MAX_ROOM: Final = 24
MAX_BODY: Final = 2000

DeviceKind = Literal["computer", "phone"]
Status = Literal["online", "away"]
RoomKind = Literal["open", "closed", "direct"]
NotificationKind = Literal["mention", "invited", "muted", "kicked"]

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Body = Annotated[str, Meta(min_length=1, max_length=MAX_BODY)]
Id = Annotated[int, Meta(ge=1, le=2**31 - 1)]


# From the page.


class Credentials(Struct):
    """What a person writes into the dialog, to sign up or to log in."""

    name: str
    password: Annotated[str, Meta(min_length=8, max_length=200)]


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

    body: Body
    key: Annotated[str, Meta(min_length=16, max_length=64)]


class Edit(Struct):
    """A new text for a message."""

    id: Id
    body: Body


class MessageId(Struct):
    """A message: one that is removed, or the last one that a person has read."""

    id: Id


class Before(Struct):
    """A request for older messages.

    Attributes:
        before: The id of the oldest message that the page has.
    """

    before: Id


class NewStatus(Struct):
    """A change of status: whether the person looks at the page."""

    status: Status


class NewRoom(Struct):
    """A request to open a room: one for all, or a private one.

    Attributes:
        is_private: Whether only people who are invited can see it.
    """

    name: str
    is_private: bool = False


class People(Struct):
    """A request for a conversation with these people."""

    names: Annotated[list[Name], Meta(min_length=1, max_length=8)]


class PersonName(Struct):
    """A person who types, is invited, is removed from a room, or is blocked."""

    name: Name


class Mute(Struct):
    """A request to refuse a person's messages for some minutes."""

    name: Name
    minutes: Annotated[int, Meta(ge=0, le=7 * 24 * 60)] = 10


class UpTo(Struct):
    """The newest notification that the person has seen."""

    id: Id


# To the page.


class Me(Struct):
    """The answer to a login.

    Attributes:
        token: For the socket. It is valid for ``seconds``.
    """

    id: int
    name: str
    is_moderator: bool
    token: str
    seconds: int


class MessageOut(Struct):
    """A message of a room.

    Attributes:
        id: A number that counts from 1 in each room.
        body: The text; empty if the message is removed.
        sent_at: The time in milliseconds since 1970, as in JavaScript. So are the other times.
        edited_at: The time of the last edit.
        removed_at: The time when it was removed.
    """

    id: int
    room: str
    author: str
    body: str
    sent_at: int
    key: str
    edited_at: int | None = None
    removed_at: int | None = None


class Done(Struct):
    """The answer to a request that succeeded, where there is nothing to say."""


class Sent(Struct):
    """The answer to a message."""

    id: int


class Device(Struct, frozen=True):
    """An open page of a person in a room: the meta of a presence. The key contains the person's name.

    Attributes:
        device: The kind of device.
        status: Whether the person looks at the page.
        since: The start of the status.
    """

    device: DeviceKind
    status: Status
    since: int


class Seen(Struct):
    """A recent visitor of a room.

    Attributes:
        seen_at: The time when the person left.
    """

    name: str
    seen_at: int


class RoomReply(Struct):
    """The answer to a room's join.

    Attributes:
        recent: The recent visitors, the latest first. Some of them can be back: the presences after the reply
            list the people in the room.
        may_moderate: Whether the person can remove messages of others, mute them and remove them from the room.
        reads: The last read message of each member, if the room is private.
    """

    recent: list[Seen]
    may_moderate: bool = False
    reads: dict[str, int] = {}


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


class Read(Struct):
    """A read receipt: a person has read a room up to a message."""

    room: str
    name: str
    id: int


class RoomOut(Struct):
    """A row in the list of rooms.

    Attributes:
        name: The name in the topic and in the address.
        title: The name for people; empty for a conversation, whose name is that of its members.
        last_id: The id of the last message.
        read: The id of the last message that the person has read.
        members: The names of the members of a private room.
    """

    name: str
    title: str = ""
    kind: RoomKind = "open"
    people: int = 0
    last: MessageOut | None = None
    last_id: int = 0
    read: int = 0
    members: list[str] = []


class RoomList(Struct):
    """The rooms of a kind: sent after the join of the list of rooms, and of the person's own channel."""

    rooms: list[RoomOut]


class RoomName(Struct):
    """The name of a room: in the answer to :class:`NewRoom`, and when a person is in a private room no more."""

    name: str


class Until(Struct):
    """The time at which a person may come back."""

    until: int


class Crowd(Struct):
    """The current number of people in a room."""

    room: str
    people: int


class NotificationOut(Struct):
    """Something that a person should know.

    Attributes:
        by: The person who caused it.
        text: The message of a mention, the title of the room of an invitation.
    """

    id: int
    kind: NotificationKind
    room: str
    by: str
    text: str
    made_at: int
    is_read: bool


class NotificationList(Struct):
    """The newest notifications, the newest first."""

    notifications: list[NotificationOut]
