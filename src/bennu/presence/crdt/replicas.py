"""Which other replicas there are, and whether they live: a table of when each was last heard.

A replica comes UP when it is heard, goes DOWN after some silence, and PERMDOWN after more of it, or when it
says goodbye, or when another one is heard under its name: then its node was started anew.

Messages may come late, so two kinds of them must not bring back what is over. Of two replicas of one name
the one with the lower vsn is the older; it is not heard while the newer one is up. (Not forever: if the wall
clock of a node was set back, its next start has the lower vsn, and is heard when the old one is down.) And
one that said goodbye is not heard again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .clocks import Ref

__all__ = ["Change", "Changes", "ReplicaStatus", "Replicas"]


class ReplicaStatus(Enum):
    """Whether a replica lives, as far as is known."""

    UP = "up"
    DOWN = "down"


class Change(Enum):
    """What became of a replica."""

    UP = "up"  # it is new, or was down
    DOWN = "down"
    PERMDOWN = "permdown"  # it is not in the table any more


Changes = list[tuple[Ref, Change]]
"""What became of which replica, in order."""

_ENDS = {
    ReplicaStatus.UP: (Change.DOWN, Change.PERMDOWN),
    ReplicaStatus.DOWN: (Change.PERMDOWN,),
}
"""What happens to a replica of which status until it is out of the table."""


@dataclass(slots=True)
class _Replica:
    vsn: int
    status: ReplicaStatus
    heard: float


class Replicas:
    """The table of the other replicas, by the name of their node.

    Args:
        down: Seconds of silence after which one is down.
        permdown: Seconds of silence after which one is out of the table.
    """

    __slots__ = ("_byes", "_down", "_permdown", "_table")

    def __init__(self, down: float, permdown: float) -> None:
        self._down = down
        self._permdown = permdown
        self._table: dict[str, _Replica] = {}
        self._byes: dict[Ref, float] = {}

    def statuses(self) -> dict[str, ReplicaStatus]:
        """Return the status of each replica, by the name of its node."""
        return {name: replica.status for name, replica in self._table.items()}

    def heard(self, ref: Ref, now: float) -> Changes | None:
        """A replica gave a sign of life.

        Returns:
            What that changes, in order; None if it must not be listened to.
        """
        name, vsn = ref
        known = self._table.get(name)
        if ref in self._byes or (known and vsn < known.vsn and known.status is ReplicaStatus.UP):
            return None
        changes: Changes = []
        if known and known.vsn == vsn:
            was, known.status, known.heard = known.status, ReplicaStatus.UP, now
            return changes if was is ReplicaStatus.UP else [(ref, Change.UP)]
        if known:
            changes += self._end(name)
        self._table[name] = _Replica(vsn, ReplicaStatus.UP, now)
        return [*changes, (ref, Change.UP)]

    def said_goodbye(self, ref: Ref, now: float) -> Changes:
        """A replica has ended. It is not heard any more, whatever comes late."""
        self._byes[ref] = now
        known = self._table.get(ref[0])
        return self._end(ref[0]) if known and known.vsn == ref[1] else []

    def passed(self, now: float) -> Changes:
        """Return who has been silent for too long by now."""
        changes: Changes = []
        for name, replica in list(self._table.items()):
            silence = now - replica.heard
            if silence > self._permdown:
                changes += self._end(name)
            elif silence > self._down and replica.status is ReplicaStatus.UP:
                replica.status = ReplicaStatus.DOWN
                changes.append(((name, replica.vsn), Change.DOWN))
        self._byes = {ref: said for ref, said in self._byes.items() if now - said <= self._permdown}
        return changes

    def _end(self, name: str) -> Changes:
        replica = self._table.pop(name)
        return [((name, replica.vsn), change) for change in _ENDS[replica.status]]
