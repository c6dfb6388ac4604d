"""Rooms, and what each person is to them: member, reader, muted, barred."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import Connection, bindparam, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert

from bennu import Refused

from .database import Database, now
from .models import Account, Membership, Message, Room, Visit
from .wire import MessageOut, RoomKind, RoomOut, Seen

__all__ = [
    "MAX_MEMBERS",
    "RECENT",
    "RECENTLY",
    "ROOMS",
    "Rooms",
    "Seat",
    "is_private",
    "out",
    "seat_of",
    "upsert",
]

RECENT: Final = 20
"""The reply to a join has at most this number of recent visitors."""

RECENTLY: Final = 7 * 24 * 60 * 60 * 1000
"""A visit counts as recent for this number of milliseconds: a week."""

ROOMS: Final = ("lobby", "python", "coffee")
"""The open rooms of a new chat."""

MAX_MEMBERS: Final = 20
"""People in a private room. All of them get each other's read receipts."""

SEAT: Final = (
    select(
        Room.id,
        Room.title,
        Room.kind,
        Room.owner_id,
        Membership.account_id,
        Membership.muted_until,
        Membership.barred_until,
    )
    .outerjoin(
        Membership,
        (Membership.room_id == Room.id) & (Membership.account_id == bindparam("person")),
    )
    .where(Room.name == bindparam("room"))
)
"""What a person is to a room. It is asked for each message, so it is built once."""

PRIVATE: Final = "~"
"""The names of private rooms begin with it. The name of an open room can't."""


@dataclass(frozen=True)
class Seat:
    """What a person is to a room.

    Attributes:
        id: The id of the room.
        is_owner: Whether the person has made the room.
        muted_until, barred_until: Times in milliseconds since 1970.
    """

    id: int
    name: str
    title: str
    kind: RoomKind
    is_owner: bool
    muted_until: int
    barred_until: int


def is_private(name: str) -> bool:
    """Return whether a name is that of a private room or a direct conversation."""
    return name.startswith(PRIVATE)


def out(message: Message, room: str, author: str) -> MessageOut:
    """Return a message as pages get it. A removed one has no text."""
    return MessageOut(
        message.id,
        room,
        author,
        "" if message.removed_at else message.body,
        message.sent_at,
        message.key,
        message.edited_at,
        message.removed_at,
    )


def seat_of(connection: Connection, room: str, account_id: int) -> Seat | None:
    """Return what a person is to a room: None if there is no such room, or none for this person."""
    row: Any = connection.execute(SEAT, {"room": room, "person": account_id}).one_or_none()
    if row is None:
        return None
    number, title, kind, owner_id, member_id, muted_until, barred_until = row
    if member_id is None and kind != "open":
        return None
    is_owner = owner_id == account_id
    return Seat(number, room, title, kind, is_owner, muted_until or 0, barred_until or 0)


class Rooms:
    """The rooms in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def seat(self, name: str, account_id: int) -> Seat | None:
        """Return what a person is to a room: None if there is no such room, or none for this person."""
        async with self._database.sessions() as session:
            return await (await session.connection()).run_sync(seat_of, name, account_id)

    async def open_rooms(self, account_id: int) -> list[RoomOut]:
        """Return the open rooms, with what this person has read."""
        return await self._list(account_id, Room.kind == "open")

    async def private_rooms(self, account_id: int) -> list[RoomOut]:
        """Return the private rooms and the conversations of a person."""
        mine = select(Membership.room_id).where(Membership.account_id == account_id)
        return await self._list(account_id, Room.kind != "open", Room.id.in_(mine))

    async def one(self, name: str, account_id: int) -> RoomOut:
        """Return a room, as a person has it in the list."""
        return (await self._list(account_id, Room.name == name))[0]

    async def _list(self, account_id: int, *conditions: Any) -> list[RoomOut]:
        query = (
            select(Room, Membership.last_read, Message, Account.name)
            .outerjoin(
                Membership,
                (Membership.room_id == Room.id) & (Membership.account_id == account_id),
            )
            .outerjoin(Message, (Message.room_id == Room.id) & (Message.id == Room.last_id))
            .outerjoin(Account, Account.id == Message.account_id)
            .where(*conditions)
            .order_by(Room.name)
        )
        async with self._database.sessions() as session:
            rows = cast(
                "list[tuple[Room, int | None, Message | None, str]]",
                (await session.execute(query)).all(),
            )
            members = await _members(session, [room.id for room, *_ in rows if room.kind != "open"])
        return [
            RoomOut(
                room.name,
                room.title,
                cast("RoomKind", room.kind),
                last=None if message is None else out(message, room.name, author),
                last_id=room.last_id,
                read=read or 0,
                members=sorted(name for name, _, _ in members.get(room.id, ())),
            )
            for room, read, message, author in rows
        ]

    async def add_open(self, name: str, owner_id: int | None = None) -> bool:
        """Add an open room, and return whether it is new."""
        values = {"name": name, "title": name, "kind": "open", "owner_id": owner_id, "last_id": 0}
        async with self._database.sessions.begin() as session:
            added = self._database.insert(Room).values(values).on_conflict_do_nothing()
            return await session.scalar(added.returning(Room.id)) is not None

    async def add_private(self, title: str, owner_id: int) -> str:
        """Add a private room with one member, and return its name, which nobody can guess."""
        async with self._database.sessions.begin() as session:
            room = Room(name=_new_name(), title=title, kind="closed", owner_id=owner_id, last_id=0)
            session.add(room)
            await session.flush()
            session.add(Membership(room_id=room.id, account_id=owner_id))
        return room.name

    async def direct(self, account_ids: Collection[int]) -> tuple[str, bool]:
        """Return the conversation of two or more people, and whether it is new."""
        key = "-".join(str(number) for number in sorted(account_ids))
        values = {
            "name": _new_name(),
            "title": "",
            "kind": "direct",
            "members": key,
            "last_id": 0,
        }
        async with self._database.sessions.begin() as session:
            added = self._database.insert(Room).values(values).on_conflict_do_nothing()
            room = await session.scalar(added.returning(Room))
            if room is None:
                found = select(Room.name).where(Room.members == key)
                return (await session.scalars(found)).one(), False
            session.add_all(
                Membership(room_id=room.id, account_id=number) for number in account_ids
            )
        return room.name, True

    # Members.

    async def members(self, room_id: int) -> Sequence[tuple[str, int, int]]:
        """Return the members of a private room: name, id, and the id of the last message that they have read."""
        async with self._database.sessions() as session:
            return (await _members(session, [room_id])).get(room_id, [])

    async def invite(self, room_id: int, account_id: int) -> bool:
        """Make a person a member, and return whether this is new.

        Raises:
            Refused: The room is full.
        """
        async with self._database.sessions.begin() as session:
            room = (
                await session.scalars(select(Room).where(Room.id == room_id).with_for_update())
            ).one()
            count = select(func.count()).where(Membership.room_id == room_id)
            if (await session.scalars(count)).one() >= MAX_MEMBERS:
                raise Refused("room_full")
            values = {"room_id": room_id, "account_id": account_id, "last_read": room.last_id}
            return await session.scalar(upsert(self._database, values, {})) is not None

    async def leave(self, room_id: int, account_id: int) -> None:
        """End a membership."""
        async with self._database.sessions.begin() as session:
            await session.execute(
                delete(Membership).where(
                    Membership.room_id == room_id, Membership.account_id == account_id
                )
            )

    async def read(self, room_id: int, account_id: int, message_id: int) -> int | None:
        """Store up to which message a person has read. Return its id, or None if this is no news."""
        async with self._database.sessions.begin() as session:
            last = (await session.scalars(select(Room.last_id).where(Room.id == room_id))).one()
            changes = {"last_read": min(message_id, last)}
            values = {"room_id": room_id, "account_id": account_id, **changes}
            newer = Membership.last_read < changes["last_read"]
            is_news = (
                await session.scalar(upsert(self._database, values, changes, where=newer))
                is not None
            )
        return changes["last_read"] if is_news else None

    async def mute(self, room_id: int, account_id: int, until: int) -> None:
        """Refuse a person's messages in a room for a time."""
        await self._set(room_id, account_id, {"muted_until": until})

    async def bar(self, room_id: int, account_id: int, until: int) -> None:
        """Keep a person out of an open room for a time."""
        await self._set(room_id, account_id, {"barred_until": until})

    async def _set(self, room_id: int, account_id: int, changes: dict[str, int]) -> None:
        async with self._database.sessions.begin() as session:
            values = {"room_id": room_id, "account_id": account_id, **changes}
            await session.execute(upsert(self._database, values, changes))

    # Visits.

    async def add_visit(self, room: str, name: str, seen_at: int) -> None:
        """Store when a person was last in a room."""
        visit = self._database.insert(Visit).values(room=room, name=name, seen_at=seen_at)
        latest = visit.on_conflict_do_update(
            index_elements=[Visit.room, Visit.name], set_={"seen_at": visit.excluded.seen_at}
        )
        async with self._database.sessions.begin() as session:
            await session.execute(latest)

    async def recent(self, room: str) -> list[Seen]:
        """Return the recent visitors of a room, the latest first."""
        lately = (
            select(Visit)
            .where(Visit.room == room, Visit.seen_at > now() - RECENTLY)
            .order_by(Visit.seen_at.desc())
            .limit(RECENT)
        )
        async with self._database.sessions() as session:
            return [Seen(visit.name, visit.seen_at) for visit in await session.scalars(lately)]


def upsert(
    database: Database, values: Mapping[str, Any], changes: Mapping[str, Any], *, where: Any = None
) -> ReturningInsert[tuple[int]]:
    """Return what adds a membership or changes it. It returns None if nothing was done."""
    row = {"last_read": 0, "muted_until": 0, "barred_until": 0, **values}
    adding = database.insert(Membership).values(row)
    keys = [Membership.room_id, Membership.account_id]
    if changes:
        adding = adding.on_conflict_do_update(index_elements=keys, set_=changes, where=where)
    else:
        adding = adding.on_conflict_do_nothing(index_elements=keys)
    found: ReturningInsert[tuple[int]] = adding.returning(Membership.room_id)
    return found


async def _members(
    session: AsyncSession, room_ids: Sequence[int]
) -> dict[int, list[tuple[str, int, int]]]:
    query = (
        select(Membership.room_id, Account.name, Account.id, Membership.last_read)
        .join(Account, Account.id == Membership.account_id)
        .where(Membership.room_id.in_(room_ids))
    )
    found: dict[int, list[tuple[str, int, int]]] = {}
    if room_ids:
        for room_id, name, account_id, read in await session.execute(query):
            found.setdefault(room_id, []).append((name, account_id, read))
    return found


def _new_name() -> str:
    return PRIVATE + secrets.token_hex(8)
