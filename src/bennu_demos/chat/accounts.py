"""Accounts, passwords, and the devices on which people are logged in."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import ColumnElement, delete, exists, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bennu import Refused

from .database import Database, now
from .models import Account, Login, Membership, Room, Setting
from .wire import MAX_NAME

__all__ = ["Accounts", "Person", "key_of_name", "tidied"]

LOGIN_LASTS: Final = 30 * 24 * 60 * 60 * 1000
"""Milliseconds until a person must log in again."""

BLOCKED_FOR: Final = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Person:
    """A person who is logged in on a device.

    Attributes:
        login_id: The id of the device's login.
    """

    id: int
    name: str
    is_moderator: bool
    login_id: int


def tidied(name: str) -> str:
    """Return a name with single spaces.

    Raises:
        Refused: The name is too long, or has no letter and no digit.
    """
    name = " ".join(name.split())
    if len(name) > MAX_NAME or not any(character.isalnum() for character in name):
        raise Refused("bad_name")
    return name


def key_of_name(name: str) -> str:
    """Return the form in which names are compared: "Ann" and "ANN" are one name."""
    return unicodedata.normalize("NFKC", " ".join(name.split())).casefold()


class Accounts:
    """The accounts in the database.

    Args:
        database: The database.
        hasher: Hashes passwords with Argon2. One hash takes about 0.1 s and 64 MB, so it runs in a thread, two at a time.
    """

    def __init__(self, database: Database, hasher: PasswordHasher) -> None:
        self._database = database
        self._hasher = hasher
        self._turn = asyncio.Semaphore(2)
        self._nobody: str | None = None

    async def sign_up(self, name: str, password: str) -> tuple[Person, str]:
        """Make an account, and log in. The first account is that of a moderator.

        Returns:
            The person, and the token for the cookie.

        Raises:
            Refused: The name is no name, or another person has it.
        """
        name = tidied(name)
        async with self._turn:
            hashed = await asyncio.to_thread(self._hasher.hash, password)
        async with self._database.sessions.begin() as session:
            is_first = not await session.scalar(select(exists().select_from(Account)))
            values = {
                "name": name,
                "key": key_of_name(name),
                "password": hashed,
                "is_moderator": is_first,
                "blocked_until": 0,
            }
            added = self._database.insert(Account).values(values).on_conflict_do_nothing()
            account = await session.scalar(added.returning(Account))
            if account is None:
                raise Refused("name_taken")
            none = literal(0)
            rooms = select(Room.id, literal(account.id), Room.last_id, none, none).where(
                Room.kind == "open"
            )
            columns = ["room_id", "account_id", "last_read", "muted_until", "barred_until"]
            # What was said before is not unread.
            await session.execute(self._database.insert(Membership).from_select(columns, rooms))
            return await _log_in(session, account)

    async def log_in(self, name: str, password: str) -> tuple[Person, str]:
        """Log in. Returns as :meth:`sign_up`.

        Raises:
            Refused: The name or the password is wrong, or the person is blocked.
        """
        async with self._database.sessions() as session:
            found = select(Account).where(Account.key == key_of_name(name))
            account = (await session.scalars(found)).one_or_none()
        async with self._turn:
            if account is None:  # as slow as a known name, so that nobody learns who has an account
                if self._nobody is None:
                    self._nobody = await asyncio.to_thread(self._hasher.hash, "nobody")
                await asyncio.to_thread(self._is_right, self._nobody, password)
                raise Refused("wrong_login")
            if not await asyncio.to_thread(self._is_right, account.password, password):
                raise Refused("wrong_login")
            changes: dict[str, str] = {}
            if self._hasher.check_needs_rehash(account.password):
                changes["password"] = await asyncio.to_thread(self._hasher.hash, password)
        if account.blocked_until > now():
            raise Refused("blocked", until=account.blocked_until)
        async with self._database.sessions.begin() as session:
            if changes:
                change = update(Account).where(Account.id == account.id).values(changes)
                await session.execute(change)
            return await _log_in(session, account)

    def _is_right(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except VerifyMismatchError:
            return False

    async def log_out(self, token: str) -> int | None:
        """Forget a device. Return the id of its login, or None if there was none."""
        async with self._database.sessions.begin() as session:
            gone = delete(Login).where(Login.token == _hash(token)).returning(Login.id)
            return (await session.scalars(gone)).one_or_none()

    async def who(self, token: str) -> Person | None:
        """Return the person with this cookie; None if nobody is logged in with it."""
        return await self._find(Login.token == _hash(token))

    async def logged_in(self, login_id: int) -> Person | None:
        """Return the person of a login; None if it has ended."""
        return await self._find(Login.id == login_id)

    async def _find(self, condition: ColumnElement[bool]) -> Person | None:
        query = select(Account, Login.id).join(Login, Login.account_id == Account.id)
        good = (Login.expires_at > now(), Account.blocked_until <= now())
        async with self._database.sessions() as session:
            row = (await session.execute(query.where(condition, *good))).one_or_none()
        return None if row is None else _person(row[0], row[1])

    async def named(self, names: Collection[str]) -> dict[str, int]:
        """Return the ids of the accounts with these names, by their names as they are written."""
        keys = {key_of_name(name) for name in names}
        query = select(Account.name, Account.id).where(Account.key.in_(keys))
        async with self._database.sessions() as session:
            return {row.name: row.id for row in await session.execute(query)}

    async def block(self, account_id: int) -> None:
        """Keep a person out for a day, and end all logins. The caller disconnects the open connections."""
        async with self._database.sessions.begin() as session:
            until = update(Account).where(Account.id == account_id)
            await session.execute(until.values(blocked_until=now() + BLOCKED_FOR))
            await session.execute(delete(Login).where(Login.account_id == account_id))

    async def secret(self) -> str:
        """Return the secret that signs the tokens of sockets. The first process makes it."""
        new = {"name": "secret", "value": secrets.token_urlsafe(48)}
        async with self._database.sessions.begin() as session:
            added = self._database.insert(Setting).values(new).on_conflict_do_nothing()
            await session.execute(added)
            value = select(Setting.value).where(Setting.name == "secret")
            return (await session.scalars(value)).one()


async def _log_in(session: AsyncSession, account: Account) -> tuple[Person, str]:
    token = secrets.token_urlsafe(32)
    await session.execute(delete(Login).where(Login.expires_at <= now()))
    login = Login(token=_hash(token), account_id=account.id, expires_at=now() + LOGIN_LASTS)
    session.add(login)
    await session.flush()
    return _person(account, login.id), token


def _person(account: Account, login_id: int) -> Person:
    return Person(account.id, account.name, account.is_moderator, login_id)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
