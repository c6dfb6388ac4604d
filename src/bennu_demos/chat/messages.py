"""Messages: written, read, changed and removed in transactions that also broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from bennu import Endpoint, Refused
from bennu.store.sql import SQLOutbox

from .accounts import Person
from .database import Database, now
from .models import Account, Message, Room, table_of
from .rooms import Seat, out, seat_of, upsert
from .wire import MessageOut

__all__ = ["PAGE", "Messages"]

PAGE: Final = 50
"""A page loads at most this number of messages at once."""


class Messages:
    """The messages in the database.

    The statements of a new message are built once: with SQLAlchemy to build a statement costs more than to run it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        rooms, messages = table_of(Room), table_of(Message)
        self._next_id = (
            update(rooms)
            .where(rooms.c.id == bindparam("room"))
            .values(last_id=rooms.c.last_id + 1)
            .returning(rooms.c.last_id)
        )
        self._insert = (
            database.insert(messages).on_conflict_do_nothing().returning(messages.c.account_id)
        )
        # The author has read the message.
        read: dict[str, Any] = {"last_read": bindparam("message")}
        mine: dict[str, Any] = {"room_id": bindparam("room"), "account_id": bindparam("author")}
        self._read = upsert(database, mine | read, read)

    async def add(
        self,
        endpoint: Endpoint,
        room: str,
        author: Person,
        key: str,
        body_for: Callable[[Seat | None], str],
    ) -> tuple[Seat, MessageOut, bool]:
        """Add a message and its broadcast, unless its author already sent its key.

        Both are one transaction: if the server crashes, there are both or neither. In a room, ids rise by one in the order of
        the commits, so they also rise in the history.

        Args:
            endpoint: The endpoint, whose store is this database.
            room: The name of the room.
            author: The author.
            key: The key that the page chose.
            body_for: Returns the text, or refuses it, by what the author is to the room at that moment.

        Returns:
            What the author is to the room, the message, and whether it is new.
        """

        def write(session: Session, outbox: SQLOutbox) -> tuple[Seat, MessageOut]:
            connection = session.connection()
            found = seat_of(connection, room, author.id)
            body = body_for(found)
            seat = cast("Seat", found)  # else it was refused
            # The next message of the room waits here for the commit, and then gets its id.
            number: Any = connection.scalar(self._next_id, {"room": seat.id})
            message = MessageOut(number, room, author.name, body, now(), key)
            values = {
                "room_id": seat.id,
                "id": number,
                "account_id": author.id,
                "body": body,
                "key": key,
                "sent_at": message.sent_at,
            }
            if connection.scalar(self._insert, values) is None:
                raise _KnownKey(seat)  # the id goes to another message
            read = {"room": seat.id, "author": author.id, "message": number}
            connection.execute(self._read, read)
            outbox.broadcast(f"room:{room}", "message", message)
            return seat, message

        try:
            return *await endpoint.transaction(write), True
        except _KnownKey as known:
            same = select(Message).where(Message.account_id == author.id, Message.key == key)
            async with self._database.sessions() as session:
                message = (await session.scalars(same)).one()
            return known.seat, out(message, room, author.name), False

    async def newest(self, room: Seat, before: int | None = None) -> list[MessageOut]:
        """Return the newest messages of a room, or the newest before an id. The oldest comes first."""
        query = (
            select(Message, Account.name)
            .join(Account, Account.id == Message.account_id)
            .where(Message.room_id == room.id)
            .order_by(Message.id.desc())
            .limit(PAGE)
        )
        if before is not None:
            query = query.where(Message.id < before)
        async with self._database.sessions() as session:
            found = [
                out(message, room.name, name) for message, name in await session.execute(query)
            ]
        return found[::-1]

    async def edit(
        self, endpoint: Endpoint, room: Seat, editor: Person, message_id: int, body: str
    ) -> MessageOut:
        """Change the text of a message, and broadcast the change.

        Raises:
            Refused: There is no such message, it is removed, or another person wrote it.
        """
        async with self._database.sessions.begin() as session:
            message, author = await _found(session, room, message_id)
            if message.account_id != editor.id:
                raise Refused("not_yours")
            message.body, message.edited_at = body, now()
            changed = out(message, room.name, author)
            endpoint.outbox(session).broadcast(f"room:{room.name}", "changed", changed)
        return changed

    async def remove(
        self, endpoint: Endpoint, room: Seat, remover: Person, message_id: int, *, may_all: bool
    ) -> MessageOut:
        """Remove the text of a message for good, and broadcast the change. Its place stays.

        Args:
            endpoint: The endpoint.
            room: The room.
            remover: The person who removes it.
            message_id: The id.
            may_all: Whether the person may remove the messages of others.

        Raises:
            Refused: There is no such message, or the person may not remove it.
        """
        async with self._database.sessions.begin() as session:
            message, author = await _found(session, room, message_id)
            if message.account_id != remover.id and not may_all:
                raise Refused("not_yours")
            message.body, message.removed_at = "", now()
            changed = out(message, room.name, author)
            endpoint.outbox(session).broadcast(f"room:{room.name}", "changed", changed)
        return changed


class _KnownKey(Exception):
    """The author has sent the key before."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat


async def _found(session: AsyncSession, room: Seat, message_id: int) -> tuple[Message, str]:
    query = (
        select(Message, Account.name)
        .join(Account, Account.id == Message.account_id)
        .where(Message.room_id == room.id, Message.id == message_id, Message.removed_at.is_(None))
        .with_for_update(of=Message)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise Refused("no_such_message")
    return row[0], row[1]
