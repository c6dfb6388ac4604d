"""The payloads of the events of a presence, as types."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from ..presence import BySize, Count, Full, Presence, Sample
from ..presence.diffs import PresenceCount
from .model import EventOrigin, ServerEvent

__all__ = ["PresenceDiff", "PresenceMeta", "PresentKey", "events_of"]


class PresenceMeta(Struct):
    """A device or tab of a person, with the fields that the application gave it."""

    phx_ref: str
    phx_ref_prev: str = ""


Metas = Annotated[list[PresenceMeta], Meta(description="One for each device or tab.")]


class PresentKey(Struct):
    """A person, or another thing that is present, with the fields that the presence's `fetch` added."""

    metas: Metas


class PresenceDiff(Struct):
    """The metas that joined and left, by key."""

    joins: dict[str, PresentKey]
    leaves: dict[str, PresentKey]


STATE: Final = ServerEvent("presence_state", dict[str, PresentKey], EventOrigin.PRESENCE)
DIFF: Final = ServerEvent("presence_diff", PresenceDiff, EventOrigin.PRESENCE)
COUNT: Final = ServerEvent("presence_count", PresenceCount, EventOrigin.PRESENCE)

OF_MODES: Final[dict[type, tuple[ServerEvent, ...]]] = {
    Full: (STATE, DIFF),
    Sample: (STATE, DIFF, COUNT),
    Count: (COUNT,),
    BySize: (STATE, DIFF, COUNT),
}


def events_of(presence: Presence) -> tuple[ServerEvent, ...]:
    """Return the events that clients get of a presence, by its mode.

    Args:
        presence: The presence.
    """
    return OF_MODES[type(presence.mode)]
