"""The triggers that move a channel or a raw handler from one phase to the next, and its ends."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from ..message import Message

__all__ = ["End", "Trigger"]


class Trigger(Enum):
    """The causes of transitions of a channel or a raw handler."""

    ACCEPTED = auto()
    """``join`` has accepted the client."""
    REFUSED = auto()
    """``join`` has refused the client, raised, or taken too long."""
    LEFT = auto()
    """The client leaves."""
    STOPPED = auto()
    """A handler raised ``Stop()``: a regular end."""
    FAILED = auto()
    """A handler raised an exception or a ``Stop`` for a failure, the mailbox overflowed, or the task was killed."""
    LOST = auto()
    """The connection is gone."""
    REPLACED = auto()
    """The client joins the same topic again."""
    OVER = auto()
    """No code of the channel or handler runs any more."""


class End(NamedTuple):
    """An end that is due.

    Attributes:
        trigger: The cause of the end.
        reason: The argument of ``terminate``.
        leave: The client's leave, which must be answered; None if the client has not left.
    """

    trigger: Trigger
    reason: str | Exception
    leave: Message | None = None
