"""The table of the other replicas: when each was last heard, and whether it counts as alive.

A replica comes UP when it is heard. It goes DOWN after some silence. It goes PERMDOWN after more silence, when it says
good-bye, or when another replica is heard under the name of its node, which was then started anew.

Messages can be late, so two kinds of messages must not bring back a replica that has ended:

- Of two replicas of one name, the one with the lower vsn is the older. It is not heard while the newer one is up. If the
  wall clock of a node was set back, its next start has the lower vsn; it is heard when the old replica is down.
- A replica that said good-bye is not heard again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .clocks import Ref

__all__ = ["Change", "Changes", "ReplicaStatus", "Replicas"]


class ReplicaStatus(Enum):
    """Whether a replica counts as alive."""

    UP = "up"
    DOWN = "down"


class Change(Enum):
    """A change of a replica's status."""

    UP = "up"  # it is new, or was down
    DOWN = "down"
    PERMDOWN = "permdown"  # it is not in the table any more


Changes = list[tuple[Ref, Change]]
"""Replicas and their changes, in order."""

_ENDS = {
    ReplicaStatus.UP: (Change.DOWN, Change.PERMDOWN),
    ReplicaStatus.DOWN: (Change.PERMDOWN,),
}
"""The changes of a replica of each status, until it is out of the table."""


@dataclass(slots=True)
class _Replica:
    vsn: int
    status: ReplicaStatus
    heard: float


class Replicas:
    """The table of the other replicas, by the name of their node.

    Args:
        down: Seconds of silence after which a replica is down.
        permdown: Seconds of silence after which a replica is out of the table.
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
        """Note a sign of life of a replica.

        Returns:
            The changes that follow, in order; None if the replica must not be heard.
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
        """Note that a replica has ended. It is not heard any more, even if a message of it comes late."""
        self._byes[ref] = now
        known = self._table.get(ref[0])
        return self._end(ref[0]) if known and known.vsn == ref[1] else []

    def passed(self, now: float) -> Changes:
        """Return the changes of replicas that have been silent for too long."""
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
