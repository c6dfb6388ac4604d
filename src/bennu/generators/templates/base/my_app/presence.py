"""Who is in a room."""

from __future__ import annotations

from bennu import Presence
from msgspec import Struct

from .users import User

__all__ = ["Device", "key_of", "presence"]

presence = Presence(grace=5)  # seconds in which a page can reload without a leave


class Device(Struct, frozen=True):
    """One open page of a user: the meta of a presence."""

    name: str


def key_of(user: User) -> str:
    """Return the key of a user. No key with a prefix means anything to JavaScript."""
    return f"user:{user.id}"
