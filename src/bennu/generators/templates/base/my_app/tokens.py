"""Tokens: a page shows one to the socket, so that the socket knows the user."""

from __future__ import annotations

from typing import Final

from bennu import Refused
from bennu.phoenix import token
from msgspec import ValidationError, convert, structs

from .secret_key import secret_key
from .users import User

__all__ = ["MAX_AGE", "PURPOSE", "issue", "read"]

PURPOSE: Final = "user socket"
"""A token for another purpose opens no socket."""

MAX_AGE: Final = 3_600
"""Seconds. A page gets a new token before it connects again."""


def issue(user: User) -> str:
    """Return a token for a user whom the server has authenticated."""
    return token.sign(secret_key(), PURPOSE, structs.asdict(user), max_age=MAX_AGE)


def read(text: str | None) -> User:
    """Return the user of a token.

    Raises:
        Refused: There is no token, it is too old, or it is none of ours.
    """
    claims = token.verify(secret_key(), PURPOSE, text)
    try:
        return convert(claims, User)
    except (
        ValidationError
    ) as error:  # an older version of this application has issued it
        raise Refused("token_invalid") from error
