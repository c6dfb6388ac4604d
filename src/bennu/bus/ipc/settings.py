"""What the connections of a node share."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The name of a node, and the limits of its connections.

    Attributes:
        node: The name of this node.
        epoch: Its epoch.
        max_queue: Bytes that wait for one node, at most.
        patience: Seconds for which publishers wait for a node that does not read.
    """

    node: str
    epoch: int
    max_queue: int
    patience: float
