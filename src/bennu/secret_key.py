"""Secrets that sign what clients bring back: one secret, or several during a rotation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

from .errors import DefinitionError

__all__ = ["MIN_SECRET", "SECRET_VARIABLE", "Secret", "given_secret", "secrets_of"]

Secret = str | bytes | Sequence[str | bytes]
"""A secret of at least 20 bytes, or several: the first signs, and each is accepted."""

SECRET_VARIABLE: Final = "BENNU_SECRET_KEY"  # noqa: S105 - the name of a variable
"""The variable with the secret of an endpoint that is given none."""

MIN_SECRET: Final = 20
"""Bytes of the shortest secret that is accepted."""


def secrets_of(secret: Any) -> list[bytes]:
    """Return one secret or several as a list of bytes, the current one first.

    Args:
        secret: A :data:`Secret`, of any type: a missing setting gives None.

    Raises:
        TypeError: The value is neither text, bytes nor a sequence.
        ValueError: There is no secret, or one of them is too short.

    Example:
        >>> secrets_of("at least 20 bytes, in text")
        [b'at least 20 bytes, in text']
    """
    if secret is None or isinstance(secret, (str, bytes)):
        secret = (secret,)
    known = [one.encode() if isinstance(one, str) else one for one in secret]
    sizes = [len(one) if isinstance(one, bytes) else 0 for one in known]
    if not sizes or min(sizes) < MIN_SECRET:
        raise ValueError(
            f"a secret is text or bytes, at least {MIN_SECRET} of them; "
            "take one from secrets.token_urlsafe(48)"
        )
    return known


def given_secret(given: Secret | None) -> Secret | None:
    """Return the secret of ``Endpoint(secret_key=...)``, or else of the variable BENNU_SECRET_KEY; None without both.

    Raises:
        DefinitionError: The secret is too short.
    """
    if given is None:
        given = os.environ.get(SECRET_VARIABLE) or None
    if given is not None:
        try:
            secrets_of(given)
        except (TypeError, ValueError) as error:
            raise DefinitionError(
                "Endpoint(secret_key=...)",
                expected="a secret of at least 20 bytes, or several, the current one first",
                got=str(error),
                write='secret_key=os.environ["SECRET_KEY"]',
            ) from error
    return given
