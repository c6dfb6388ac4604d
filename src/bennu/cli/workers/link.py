"""The connection between the supervisor and a worker: a socketpair that carries orders and listeners.

An order is a line of JSON. An order can bring listeners (SCM_RIGHTS). If one of the two processes ends, the kernel closes
the connection, and the other process notices.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Final

import msgspec

__all__ = ["ControlLink", "Order", "OrderKind"]

READ: Final = 65536
MAX_LISTENERS: Final = 64
"""Listeners of one order, at most. A host name has fewer addresses."""


class OrderKind(StrEnum):
    """What an order asks for, or says."""

    READY = "ready"
    """From a worker: it serves. ``lines`` names its sockets."""
    ALIVE = "alive"
    """From a worker: its event loop runs."""
    TOLD = "told"
    """From a worker: it got a SIGTERM. It waits for STOP or LEAVE."""
    TAKE = "take"
    """To a worker: accept also from the listeners of a slot that nobody serves."""
    RETURN = "return"
    """To a worker: stop accepting from these listeners."""
    LEAVE = "leave"
    """To a worker: others accept its clients. Stop accepting, drain, end."""
    STOP = "stop"
    """To a worker: the whole command ends. Drain, end."""


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """An order, or an answer.

    Attributes:
        kind: What it asks for.
        slot: The number of the slot.
        listeners: How many listeners it brings.
        lines: Lines of the banner.
    """

    kind: OrderKind
    slot: int = 0
    listeners: int = 0
    lines: list[str] = []


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Order).decode

Receive = Callable[[Order, list[socket.socket]], None]


class ControlLink:
    """One end of the connection.

    Args:
        end: The end of a socketpair.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rest = b""
        self._listeners: list[socket.socket] = []
        self._receive: Receive = _ignore
        self._lost: Callable[[], None] = _nothing

    def start(self, receive: Receive, lost: Callable[[], None]) -> None:
        """Read on the running event loop.

        Args:
            receive: Called with each order, and the listeners that it brings.
            lost: Called once, when the other process has ended.
        """
        self._receive, self._lost = receive, lost
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._end.fileno(), self.read)

    def send(self, order: Order, listeners: Sequence[socket.socket] = ()) -> bool:
        """Send an order; return whether the connection has taken it.

        The connection takes nothing if the other process has ended, or has not read hundreds of orders.
        """
        fds = array.array("i", [one.fileno() for one in listeners])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else []
        try:
            self._end.sendmsg([_encode(order) + b"\n"], rights)
        except OSError:
            return False
        return True

    def read(self) -> None:
        """Read all that has arrived."""
        while self._end.fileno() >= 0:
            try:
                data, fds, _, _ = socket.recv_fds(self._end, READ, MAX_LISTENERS)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            for fd in fds:
                os.set_inheritable(fd, False)
                self._listeners.append(socket.socket(fileno=fd))
            if not data:
                self.close()
                self._lost()
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                order = _decode(line)
                brought = self._listeners[: order.listeners]
                del self._listeners[: order.listeners]
                self._receive(order, brought)

    def close(self) -> None:
        """Close this end. A second call has no effect."""
        if self._loop is not None:
            with suppress(OSError, ValueError):
                self._loop.remove_reader(self._end.fileno())
            self._loop = None
        self._end.close()
        for listener in self._listeners:
            listener.close()


def _ignore(order: Order, listeners: list[socket.socket]) -> None:
    """Take nothing, before the start."""


def _nothing() -> None:
    """Do nothing, before the start."""
