"""Positions in logs, and what a join asks for. Recovery on the wire: docs/recovery.md. Pure.

A client that joins a topic with history can send its position in the key ``recovery`` of the payload. Frames then carry
positions in their field ``ref``, as ``"<offset>:<epoch>"``: a text that is never the ref of a message of the client,
because clients count their refs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeGuard, cast

import msgspec
from msgspec import Raw

from ..errors import DecodeError

__all__ = ["KEY", "MAX_OFFSET", "Asked", "Position", "split_payload"]

KEY: Final = "recovery"
"""The reserved key in the payload of a join, and in the response to it."""

MAX_OFFSET: Final = 2**53 - 1
"""The largest offset: JavaScript has exact integers up to here."""

MAX_REQUEST: Final = 256
"""The most bytes of what a join says under the key."""

_EPOCH: Final = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
_CLIENT: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)

_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Position(NamedTuple):
    """A place in a log.

    Attributes:
        epoch: The epoch of the log.
        offset: The offset of an entry; 0 is before the first one.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.offset}:{self.epoch}"

    @staticmethod
    def of(given: Position | str | Mapping[str, Any]) -> Position:
        """Return a position in any of its forms.

        Args:
            given: A position, its text, or an object with ``epoch`` and ``offset`` as a client has it.

        Raises:
            DecodeError: It is none of these.

        Example:
            >>> Position.of("17:k3") == Position.of({"epoch": "k3", "offset": 17}) == Position("k3", 17)
            True
        """
        epoch: object = None
        offset: object = None
        if isinstance(given, Position):
            epoch, offset = given
        elif isinstance(given, str):
            number, _, epoch = given.partition(":")
            offset = int(number) if _NUMBER.fullmatch(number) else None
        elif isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - a client sends anything
            epoch, offset = given.get("epoch"), given.get("offset")
        if not _is_epoch(epoch) or not _is_offset(offset):
            raise DecodeError(
                'expected a position, such as "17:k3" or {"epoch": "k3", "offset": 17}, got '
                + repr(given)[:MAX_REQUEST]
            )
        return Position(epoch, offset)


class Asked(NamedTuple):
    """What a join asks for.

    Attributes:
        position: Where the client stands; None if it says none.
        client: The token of the page, which tells its own messages from those of others; "" without one.
        is_valid: Whether what the client sent has the right shape. If not, the rest is empty.
    """

    position: Position | None
    client: str
    is_valid: bool

    @staticmethod
    def read(text: Raw) -> Asked:
        """Return what a join asks for, from the JSON under the key. Any other shape refuses nobody.

        Example:
            >>> Asked.read(Raw(b'{"epoch": "k3", "offset": 17, "client": "f1f1f1f1f1f1f1f1"}')).position
            Position(epoch='k3', offset=17)
            >>> Asked.read(Raw(b'[]')).is_valid
            False
        """
        data = bytes(text)
        try:
            given: Any = _decode(data) if len(data) <= MAX_REQUEST else None
        except (msgspec.MsgspecError, UnicodeDecodeError):  # half a character
            given = None
        if not isinstance(given, dict):
            return INVALID
        fields = cast("dict[str, Any]", given)
        epoch, offset, client = fields.get("epoch"), fields.get("offset"), fields.get("client", "")
        if not isinstance(client, str) or (client and _CLIENT.fullmatch(client) is None):
            return INVALID
        if epoch is None and offset is None:
            return Asked(None, client, is_valid=True)
        if not _is_epoch(epoch) or not _is_offset(offset):
            return INVALID
        return Asked(Position(epoch, offset), client, is_valid=True)


def _is_epoch(given: object) -> TypeGuard[str]:
    return isinstance(given, str) and _EPOCH.fullmatch(given) is not None


def _is_offset(given: object) -> TypeGuard[int]:
    return isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= MAX_OFFSET


INVALID: Final = Asked(None, "", is_valid=False)
"""What a join asks for that has the key with something else."""


def split_payload(payload: Raw) -> tuple[Raw, Asked | None]:
    """Take the key out of the payload of a join.

    Args:
        payload: Raw JSON; or the bytes of a binary join, which can't ask.

    Returns:
        The payload without the key, and what the join asks for; None if it does not ask.
    """
    given: object = payload
    if not isinstance(given, Raw) or b'"recovery"' not in bytes(given):
        return payload, None
    try:
        fields = _decode_object(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return payload, None  # no object: the handler's type decides
    asked = fields.pop(KEY, None)
    if asked is None:
        return payload, None  # the text stands somewhere else
    return Raw(_encode(fields)), Asked.read(asked)
