"""What the reply to a join says of recovery. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from .position import Position

__all__ = ["NotRecovered", "RecoveryAnswer"]


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
