"""The ends of a channel or of a raw handler, and what else moves it from one phase to the next."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from ..message import Message

__all__ = ["End", "Trigger"]


class Trigger(Enum):
    """What moves a channel or a raw handler on."""

    ACCEPTED = auto()
    """``join`` has let the client in."""
    REFUSED = auto()
    """``join`` has refused the client, raised, or taken too long."""
    LEFT = auto()
    """The client leaves."""
    STOPPED = auto()
    """A handler raised ``Stop()``: a wanted end."""
    FAILED = auto()
    """A handler raised an exception or a ``Stop`` for a failure, the mailbox overflowed, or the task was killed."""
    LOST = auto()
    """The connection is gone."""
    REPLACED = auto()
    """The client joins the same topic again."""
    OVER = auto()
    """Nothing of it runs any more."""


class End(NamedTuple):
    """An end that is due.

    Attributes:
        trigger: What caused it.
        reason: What ``terminate`` gets.
        leave: The client's leave, which is answered.
    """

    trigger: Trigger
    reason: str | Exception
    leave: Message | None = None
