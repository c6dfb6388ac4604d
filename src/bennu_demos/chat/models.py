"""The tables. ``migrations`` creates them and changes them."""

from __future__ import annotations

from typing import cast

from sqlalchemy import BigInteger, ForeignKey, Index, MetaData, Table, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = [
    "Account",
    "Base",
    "Login",
    "Membership",
    "Message",
    "Notification",
    "Room",
    "Setting",
    "Visit",
    "table_of",
]


class Base(DeclarativeBase):
    """The tables. Times are milliseconds since 1970, as in JavaScript."""

    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_name)s",
            "uq": "%(table_name)s_%(column_0_name)s_key",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )


class Setting(Base):
    """A value that all processes share."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class Account(Base):
    """A person. The key is the name in the form in which two names are compared."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]
    is_moderator: Mapped[bool] = mapped_column(default=False)
    blocked_until: Mapped[int] = mapped_column(BigInteger, default=0)


class Login(Base):
    """A device on which a person is logged in. Of the cookie's token only the hash is stored."""

    __tablename__ = "logins"

    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class Room(Base):
    """A room. Its name is in addresses and topics; ``members`` makes a direct conversation unique."""

    __tablename__ = "rooms"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    kind: Mapped[str]
    members: Mapped[str | None] = mapped_column(unique=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    last_id: Mapped[int] = mapped_column(default=0)


class Membership(Base):
    """What a person is to a room. In a private room only people with a row are let in."""

    __tablename__ = "memberships"

    room_id: Mapped[int] = mapped_column(ForeignKey("rooms.id"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True, index=True)
    last_read: Mapped[int] = mapped_column(default=0)
    muted_until: Mapped[int] = mapped_column(BigInteger, default=0)
    barred_until: Mapped[int] = mapped_column(BigInteger, default=0)


class Message(Base):
    """A message. Its id counts from 1 in each room.

    The constraint on account and key is a second net. The channel handles a repeat by ``idempotent_by``, which keeps the
    reply to the first push. But if the server crashes after the commit and before it has kept the reply, a repeat is
    handled anew. Without the constraint the message would be stored and sent twice.
    """

    __tablename__ = "messages"
    __table_args__ = (UniqueConstraint("account_id", "key"),)

    room_id: Mapped[int] = mapped_column(ForeignKey("rooms.id"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    body: Mapped[str]
    key: Mapped[str]
    sent_at: Mapped[int] = mapped_column(BigInteger)
    edited_at: Mapped[int | None] = mapped_column(BigInteger)
    removed_at: Mapped[int | None] = mapped_column(BigInteger)


class Visit(Base):
    """The last visit of a person to a room."""

    __tablename__ = "visits"
    __table_args__ = (Index("visits_of_room", "room", "seen_at"),)

    room: Mapped[str] = mapped_column(ForeignKey("rooms.name"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[int] = mapped_column(BigInteger)


class Notification(Base):
    """What a person should know: a mention, an invitation, or an act of a moderator."""

    __tablename__ = "notifications"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    kind: Mapped[str]
    room: Mapped[str] = mapped_column(ForeignKey("rooms.name"))
    by: Mapped[str]
    text: Mapped[str]
    made_at: Mapped[int] = mapped_column(BigInteger)
    read_at: Mapped[int | None] = mapped_column(BigInteger)


def table_of(model: type[Base]) -> Table:
    """Return the table of a model, for statements without objects."""
    return cast("Table", model.__table__)
