"""Messages: written, read, changed and removed in transactions that also broadcast."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bennu import Endpoint, Refused

from .accounts import Person
from .database import Database, now
from .models import Account, Message, Room
from .rooms import Seat, out, upsert
from .wire import MessageOut

__all__ = ["PAGE", "Messages"]

PAGE: Final = 50
"""A page loads at most this number of messages at once."""


class Messages:
    """The messages in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, endpoint: Endpoint, room: Seat, author: Person, body: str, key: str
    ) -> tuple[MessageOut, bool]:
        """Add a message and its broadcast, unless its author already sent its key.

        Both are one transaction: if the server crashes, there are both or neither. In a room, ids rise by one in the order of
        the commits, so they also rise in the history.

        Args:
            endpoint: The endpoint, whose store is this database.
            room: The room.
            author: The author.
            body: The text.
            key: The key that the page chose.

        Returns:
            The message, and whether it is new.
        """
        same = select(Message).where(Message.account_id == author.id, Message.key == key)
        async with self._database.sessions() as session, session.begin() as transaction:
            # The next message of the room waits here for the commit, and then gets its id.
            count = update(Room).where(Room.id == room.id).values(last_id=Room.last_id + 1)
            values = {
                "room_id": room.id,
                "id": await session.scalar(count.returning(Room.last_id)),
                "account_id": author.id,
                "body": body,
                "key": key,
                "sent_at": now(),
            }
            added = self._database.insert(Message).values(values).on_conflict_do_nothing()
            stored = await session.scalar(added.returning(Message))
            if stored is not None:
                read = {"last_read": stored.id}  # the author has read it
                mine = {"room_id": room.id, "account_id": author.id, **read}
                await upsert(self._database, session, mine, read)
                message = out(stored, room.name, author.name)
                endpoint.outbox(session).broadcast(f"room:{room.name}", "message", message)
                return message, True
            await transaction.rollback()  # the id goes to another message
        async with self._database.sessions() as session:
            return out((await session.scalars(same)).one(), room.name, author.name), False

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
