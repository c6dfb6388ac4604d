"""The phases of a channel: the whole state machine as one table. Protocol document, §2.9–2.16."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from .end import End, Trigger

__all__ = ["TRANSITIONS", "Notice", "Phase", "notice_of"]


class Phase(Enum):
    """The phases of a channel."""

    JOINING = auto()
    """``join`` runs."""
    JOINED = auto()
    """Handlers run."""
    ENDING = auto()
    """No handler runs any more. ``terminate`` runs."""
    REPLACED = auto()
    """Another join of the client replaces the channel. Its task is cancelled, and ``terminate`` does not run."""
    ENDED = auto()
    """Nothing runs any more."""


class Notice(Enum):
    """The messages to the client at a transition."""

    JOINED = auto()
    """The reply to the join, with the status "ok"."""
    REFUSED = auto()
    """The reply to the join, with the status "error"."""
    CLOSED = auto()
    """The reply to the client's leave, if the client has left, and ``phx_close``."""
    CRASHED = auto()
    """``phx_error``."""
    NOTHING = auto()


# fmt: off
TRANSITIONS: Final = {
    # phase          trigger               next phase       notice to the client
    (Phase.JOINING,  Trigger.ACCEPTED): (Phase.JOINED,   Notice.JOINED),
    (Phase.JOINING,  Trigger.REFUSED):  (Phase.ENDED,    Notice.REFUSED),
    (Phase.JOINED,   Trigger.LEFT):     (Phase.ENDING,   Notice.CLOSED),
    (Phase.JOINED,   Trigger.STOPPED):  (Phase.ENDING,   Notice.CLOSED),
    (Phase.JOINED,   Trigger.FAILED):   (Phase.ENDING,   Notice.CRASHED),
    (Phase.JOINED,   Trigger.LOST):     (Phase.ENDING,   Notice.NOTHING),  # no client is there to read it
    (Phase.JOINED,   Trigger.REPLACED): (Phase.REPLACED, Notice.NOTHING),  # the connection writes phx_close
    (Phase.ENDING,   Trigger.REPLACED): (Phase.REPLACED, Notice.NOTHING),
    (Phase.ENDING,   Trigger.OVER):     (Phase.ENDED,    Notice.NOTHING),
    (Phase.REPLACED, Trigger.OVER):     (Phase.ENDED,    Notice.NOTHING),
}
# fmt: on


def notice_of(end: End) -> Notice:
    """Return the notice to the client of a joined channel at an end."""
    return TRANSITIONS[Phase.JOINED, end.trigger][1]
