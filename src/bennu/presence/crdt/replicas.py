"""The table of the other replicas: when each replica last sent a message, and whether it counts as alive.

A replica is UP after a message of it. It is DOWN after some silence. It is PERMDOWN after more silence, or after its
good-bye. It is PERMDOWN too if its node was started anew: then another replica sends under the node's name.

Messages can be late. Two rules prevent that a late message brings back a replica that has ended:

- Of two replicas with one name, the replica with the lower vsn is older. Its messages are ignored while the newer
  replica is up. If the wall clock of a node was set back, its next start has the lower vsn. The messages of that start
  are accepted when the old replica is down.
- Messages of a replica that has sent a good-bye are ignored.
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

    UP = "up"  # the replica is new, or was down
    DOWN = "down"
    PERMDOWN = "permdown"  # the replica is not in the table any more


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
        """Note that a replica has sent a message.

        Returns:
            The changes of replicas that follow, in order; None if the message must be ignored.
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
        """Note that a replica has ended. Later messages of the replica are ignored."""
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
