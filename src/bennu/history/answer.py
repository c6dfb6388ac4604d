"""What the reply to a join says of recovery. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from ..errors import EncodeError
from ..protocol.encoding import encode_json
from .position import KEY, Position

__all__ = ["NotRecovered", "RecoveryAnswer", "add_recovery"]

_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode


class NotRecovered(Enum):
    """Why a client does not get what it missed.

    Attributes:
        value: The ``reason`` in the reply.
        meaning: The explanation in the docs.
    """

    NEW = ("new", "the client has not said a position: this is its first join")
    INVALID = ("invalid", "what the client sent under the key `recovery` has another shape")
    EPOCH = (
        "epoch",
        "the log has begun anew, because the store was restarted, reset or lost entries",
    )
    AHEAD = ("ahead", "the position is above the newest entry")
    TRIMMED = (
        "trimmed",
        "entries that the client has not seen are no longer kept, or it may not read them",
    )
    TOO_MANY = (
        "too_many",
        "the client has missed more than `History(max_recovered=...)` entries, or too many bytes",
    )

    def __init__(self, text: str, meaning: str) -> None:
        self.text = text
        self.meaning = meaning


class RecoveryAnswer(NamedTuple):
    """What the reply says.

    Attributes:
        start: The position after which the frames that follow start.
        entries: How many entries follow, the client's own included. It counts only if nothing was missed.
        missed: Why the client does not get what it missed; None if it gets everything.
    """

    start: Position
    entries: int
    missed: NotRecovered | None

    def payload(self) -> dict[str, Any]:
        """Return the value of the key ``recovery`` in the response."""
        epoch, offset = self.start
        if self.missed is not None:
            return {
                "recovered": False,
                "epoch": epoch,
                "offset": offset,
                "reason": self.missed.text,
            }
        return {"recovered": True, "epoch": epoch, "offset": offset, "count": self.entries}


def add_recovery(response: Any, answer: RecoveryAnswer) -> Raw:
    """Return the response to a join with the key ``recovery``.

    Raises:
        EncodeError: The response is no JSON object, or has the key already.
    """
    text = encode_json({} if response is None else response)
    fields = None if isinstance(response, bytes) else _fields(text)
    if fields is None or KEY in fields:
        raise EncodeError(
            "a channel with history answers a join that asks for recovery with a JSON object without the key"
            f" {KEY!r}, because Bennu adds that key; got {type(response).__name__}"
        )
    return Raw(encode_json({**fields, KEY: answer.payload()}))


def _fields(text: bytes) -> dict[str, Raw] | None:
    """Return the fields of a JSON object; None for any other text."""
    try:
        return _decode_object(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
