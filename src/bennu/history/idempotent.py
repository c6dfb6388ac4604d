"""What ``@on(..., idempotent_by=...)`` says, and the key of a push in the store. Pure.

The *scope* of a key is the topic, the event and the id of the client's connection. So a key of one user never gets the
reply of another user. The key in the store is a hash of all four: it has a fixed length, and shows no data of users.
"""

from __future__ import annotations

import json
import types
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from hashlib import blake2b, sha256
from typing import Any, Final, Literal, NamedTuple, TypeVar, Union, get_args, get_origin
from uuid import UUID

import msgspec

from ..errors import DefinitionError
from ..user_code.fields import MISSING, field_type, plain_type, value_of

__all__ = ["DAY", "LONGEST_KEY", "Idempotent", "digest_of", "idempotent_of", "key_of"]

DAY: Final = timedelta(hours=24)
LONGEST_KEY: Final = 255
"""Characters of the longest key."""
_LARGEST: Final = 2**63
_LONGEST_TTL: Final = timedelta(days=366)


class Idempotent(NamedTuple):
    """The option of a handler.

    Attributes:
        field: The field of the payload that has the key.
        ttl: Seconds for which the reply is kept.
    """

    field: str
    ttl: float

    def key_in(self, payload: Any) -> str | int | None:
        """Return the key in a payload; None if there is none, or none that can be used."""
        value = value_of(payload, self.field)
        if isinstance(value, UUID):
            return str(value)
        if isinstance(value, str) and not isinstance(value, Enum):
            return value if 0 < len(value) <= LONGEST_KEY else None
        if isinstance(value, int) and not isinstance(value, bool | Enum):
            return value if -_LARGEST <= value < _LARGEST else None
        return None


def key_of(topic: str, event: str, user: str, key: str | int) -> str:
    """Return the name of a push's key in the store. Two scopes, or two keys, never have the same name.

    Args:
        topic: The topic.
        event: The event.
        user: The id of the client's connection.
        key: The key in the payload. The text ``"1"`` and the number 1 are two keys.
    """
    return f"push:{sha256(json.dumps([topic, event, user, key]).encode()).hexdigest()}"


def digest_of(payload: bytes) -> bytes:
    """Return 16 bytes that only an equal payload has. The order of its keys and its spaces don't count.

    Args:
        payload: The payload as JSON.
    """
    with suppress(
        msgspec.MsgspecError, UnicodeError
    ):  # of a part that the handler's type did not look at
        payload = msgspec.json.encode(msgspec.json.decode(payload), order="sorted")
    return blake2b(payload, digest_size=16).digest()


def idempotent_of(
    field: Any, ttl: Any, annotation: Any, *, subject: str, where: str | None
) -> Idempotent | None:
    """Return the option of a handler, which is checked; None if it has none.

    Args:
        field: ``idempotent_by``, as the user wrote it.
        ttl: ``ttl``, as the user wrote it.
        annotation: The type of the payload; ``MISSING`` if the handler takes none.
        subject: The handler, for errors.
        where: The ``file:line`` of the handler, for errors.

    Raises:
        DefinitionError: The options are wrong, or the payload has no such field.
    """
    if field is None:
        if ttl is not None:
            raise DefinitionError(
                f"the ttl of {subject}",
                expected="idempotent_by=..., whose replies the ttl is for",
                got="a ttl without it",
                write=f'idempotent_by="key", ttl={ttl!r}',
                where=where,
            )
        return None
    seconds = _seconds(ttl, subject, where)
    if not isinstance(field, str):
        raise DefinitionError(
            f"idempotent_by of {subject}",
            expected="the name of a field of the payload",
            got=repr(field),
            write='idempotent_by="key"',
            where=where,
        )
    kind = MISSING if annotation is MISSING else field_type(annotation, field)
    if kind is MISSING:
        raise DefinitionError(
            f"idempotent_by of {subject}",
            expected=f"a payload that is a JSON object with the field {field!r}",
            got="no payload" if annotation is MISSING else f"{_name(annotation)}, which has none",
            write=f"class NewPayment(Struct): {field}: str; ...",
            where=where,
        )
    if not _can_be_key(kind):
        raise DefinitionError(
            f"the field {field!r}, which is idempotent_by of {subject}",
            expected="text, a whole number or a UUID",
            got=_name(kind),
            write=f"{field}: str",
            where=where,
        )
    return Idempotent(field, seconds)


def _seconds(ttl: Any, subject: str, where: str | None) -> float:
    if ttl is None:
        ttl = DAY
    if not isinstance(ttl, timedelta) or not timedelta(seconds=1) <= ttl <= _LONGEST_TTL:
        is_number = isinstance(ttl, int | float) and not isinstance(ttl, bool) and ttl >= 1
        raise DefinitionError(
            f"the ttl of {subject}",
            expected="a timedelta from 1 second to 366 days",
            got=repr(ttl),
            write=f"ttl=timedelta(seconds={ttl})" if is_number else "ttl=timedelta(hours=24)",
            where=where,
        )
    return ttl.total_seconds()


def _can_be_key(annotation: Any) -> bool:
    """Return whether values of a type can be keys, apart from None, which the client gets an error for."""
    annotation = plain_type(annotation)
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return all(_can_be_key(one) for one in get_args(annotation) if one is not type(None))
    if annotation in (Any, object) or origin is Literal or isinstance(annotation, TypeVar):
        return True
    return (
        isinstance(annotation, type)
        and issubclass(annotation, str | int | UUID)
        and not issubclass(annotation, bool | Enum)
    )


def _name(annotation: Any) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
