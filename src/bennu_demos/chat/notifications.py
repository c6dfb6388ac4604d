"""Notifications: mentions, invitations, and acts of moderators. A person has read them on all devices or on none."""

from __future__ import annotations

import re
from typing import Final, cast

from sqlalchemy import select, update

from .database import Database, now
from .models import Notification
from .wire import NotificationKind, NotificationOut

__all__ = ["Notifications", "mentioned"]

SHOWN: Final = 30
"""A page shows at most this number of notifications."""

MAX_MENTIONS: Final = 10
MAX_WORDS: Final = 4
"""Words of a name that can be mentioned."""

MENTION: Final = re.compile(r"(?<!\w)@(\S+(?: \S+){0,3})")


def mentioned(body: str) -> set[str]:
    """Return the texts after each @ that can be names: "@Ann Lee, hi" can mean "Ann" and "Ann Lee"."""
    names = set[str]()
    for start in [found.start(1) for found in MENTION.finditer(body)][:MAX_MENTIONS]:
        words = body[start:].split()[:MAX_WORDS]
        for end in range(1, len(words) + 1):
            name = " ".join(words[:end])
            names |= {name, name.rstrip(".,:;!?)")}
    return names


class Notifications:
    """The notifications in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, account_id: int, kind: NotificationKind, room: str, by: str, text: str = ""
    ) -> NotificationOut:
        """Add a notification for a person, and return it."""
        made = Notification(
            account_id=account_id, kind=kind, room=room, by=by, text=text, made_at=now()
        )
        async with self._database.sessions.begin() as session:
            session.add(made)
        return _out(made)

    async def newest(self, account_id: int) -> list[NotificationOut]:
        """Return the newest notifications of a person, the newest first."""
        query = (
            select(Notification)
            .where(Notification.account_id == account_id)
            .order_by(Notification.id.desc())
            .limit(SHOWN)
        )
        async with self._database.sessions() as session:
            return [_out(one) for one in await session.scalars(query)]

    async def read(self, account_id: int, up_to: int) -> None:
        """Mark the notifications up to an id as read."""
        unread = (
            update(Notification)
            .where(Notification.account_id == account_id, Notification.id <= up_to)
            .where(Notification.read_at.is_(None))
            .values(read_at=now())
        )
        async with self._database.sessions.begin() as session:
            await session.execute(unread)


def _out(one: Notification) -> NotificationOut:
    kind = cast("NotificationKind", one.kind)
    return NotificationOut(
        one.id, kind, one.room, one.by, one.text, one.made_at, one.read_at is not None
    )
