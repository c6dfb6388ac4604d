"""Events of a node: its event loop, its store, its bus, and the other nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..reasons import LossReason

__all__ = [
    "BusCutOff",
    "BusMessagesLost",
    "BusRestored",
    "LoopHeld",
    "ReplicaChanged",
    "StoreCalled",
]


@dataclass(frozen=True, slots=True)
class LoopHeld:
    """A function has held the event loop, so that no client was served in that time.

    Attributes:
        name: The handler with its event and channel, or another function's name.
        place: The line that ran, ``file:line``.
        duration: Seconds for which the loop was held.
    """

    name: str
    place: str
    duration: float


@dataclass(frozen=True, slots=True)
class StoreCalled:
    """The store of the histories has answered or failed.

    Attributes:
        store: The name of the store.
        method: The method of the store: ``"append"``, ``"read"``, ``"heads"``, ...
        result: ``"ok"`` or ``"error"``.
        duration: Seconds that the call took.
    """

    store: str
    method: str
    result: Literal["ok", "error"]
    duration: float


@dataclass(frozen=True, slots=True)
class BusCutOff:
    """This node does not hear the bus. It serves its clients, and is not ready.

    Attributes:
        node: The name of this node.
        silence: Seconds since the bus was heard.
    """

    node: str
    silence: float


@dataclass(frozen=True, slots=True)
class BusRestored:
    """This node hears the bus again, or for the first time.

    Attributes:
        node: The name of this node.
        silence: Seconds since the bus was heard before.
    """

    node: str
    silence: float


@dataclass(frozen=True, slots=True)
class BusMessagesLost:
    """Messages between two nodes were lost.

    Attributes:
        node: The other node: the publisher, or for ``LossReason.CUT`` the node that does not read.
        topic: The topic; None if it is unknown. Topics of the framework begin with ``p``, ``i`` or ``l``.
        count: The number of messages; None if it is unknown.
        reason: The reason.
    """

    node: str
    topic: str | None
    count: int | None
    reason: LossReason


@dataclass(frozen=True, slots=True)
class ReplicaChanged:
    """The status of a presence shard on another node has changed.

    Attributes:
        shard: The name of the shard, ``<presence>_shard<number>``.
        node: The name of the node.
        status: ``"up"``: messages arrive; ``"down"``: the node is silent, and its presences are hidden;
            ``"gone"``: the node has stopped, or was silent too long, and its presences are deleted.
    """

    shard: str
    node: str
    status: Literal["up", "down", "gone"]
