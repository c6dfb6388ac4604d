"""The places of workers, and the listeners of each place."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING

from ..listeners import bind_again
from .backoff import delay_after

if TYPE_CHECKING:
    from .process import WorkerProcess

__all__ = ["Slot", "SlotListeners"]


class SlotListeners:
    """The listeners of each slot.

    On Linux each slot has a listener of its own for each TCP address (SO_REUSEPORT), and the kernel spreads connections
    evenly over them. Elsewhere, and for a Unix socket or an inherited socket, all slots have the same listeners.

    Args:
        opened: The listeners that the command has opened, bound and not listening.
        can_spread: Whether the command itself has bound them to addresses of TCP.
    """

    def __init__(self, opened: list[socket.socket], *, can_spread: bool) -> None:
        self._opened = opened
        self._of_slot: dict[int, list[socket.socket]] = {1: opened}
        self.are_shared = not (can_spread and _can_repeat(opened))

    def of(self, number: int) -> list[socket.socket]:
        """Return the listeners of a slot; they are made at the first call.

        Args:
            number: The number of the slot, from 1.

        Raises:
            OSError: The system refuses another listener.
        """
        if self.are_shared:
            return self._opened
        known = self._of_slot.get(number)
        if known is None:
            known = self._of_slot[number] = [bind_again(one) for one in self._opened]
        return known

    def close(self) -> None:
        """Close all listeners."""
        for listeners in self._of_slot.values():
            for listener in listeners:
                listener.close()


def _can_repeat(listeners: list[socket.socket]) -> bool:
    """Allow other sockets on the addresses of listeners; return whether the system spreads clients over these.

    The option is set after the address is bound, because it would also allow a second server of this user.
    """
    if sys.platform != "linux":
        return False
    try:
        for listener in listeners:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        return False
    return True


class Slot:
    """The place of one worker, which outlives the worker.

    Args:
        number: From 1.
        listeners: Its listeners.

    Attributes:
        worker: The worker that serves or starts here; None between two workers.
        is_wanted: Whether there shall be a worker.
        was_served: Whether a worker has ever accepted here: then clients can wait in the listeners.
        settled: Set when the first worker of the slot serves, or has failed.
        keeper: The supervisor's task for the slot.
    """

    def __init__(self, number: int, listeners: list[socket.socket]) -> None:
        self.number = number
        self.listeners = listeners
        self.worker: WorkerProcess | None = None
        self.is_wanted = True
        self.was_served = False
        self.settled = asyncio.Event()
        self.keeper: asyncio.Task[None] | None = None
        self._delay = 0.0

    @property
    def is_served(self) -> bool:
        """Whether a worker accepts clients here."""
        return self.worker is not None and self.worker.is_accepting

    def delay(self, served: float) -> float:
        """Return the seconds until the next start of a worker here.

        Args:
            served: The seconds that the last worker has served.
        """
        self._delay = delay_after(self._delay, served)
        return self._delay
