"""The heartbeat of a connection. Pure."""

from __future__ import annotations

from enum import Enum, auto

__all__ = ["Beat", "Pulse"]


class Beat(Enum):
    """What to do at the end of an interval."""

    SEND = auto()
    """Send a heartbeat."""
    DEAD = auto()
    """The last heartbeat has no answer: the connection is dead."""


class Pulse:
    """Whether the last heartbeat of a connection was answered.

    Each answer counts that has the ref of the heartbeat, whatever its topic and event (protocol document, §5.4).

    Example:
        >>> pulse = Pulse()
        >>> pulse.due("7"), pulse.heard("7"), pulse.due("8"), pulse.due("9")
        (<Beat.SEND: 1>, True, <Beat.SEND: 1>, <Beat.DEAD: 2>)
    """

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending: str | None = None

    def due(self, ref: str) -> Beat:
        """Return what to do at the end of an interval.

        Args:
            ref: The ref of the heartbeat that is sent now.
        """
        if self._pending is not None:
            self._pending = None
            return Beat.DEAD
        self._pending = ref
        return Beat.SEND

    def heard(self, ref: object) -> bool:
        """Return whether the ref of a message answers the heartbeat: then the interval begins anew."""
        if ref is None or ref != self._pending:
            return False
        self._pending = None
        return True
