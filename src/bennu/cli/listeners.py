"""What ``bennu run`` asks of the kernel for its connections: it is set on the listeners, which pass it on."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, Protocol

__all__ = ["NOT_SENT", "keep_little"]

NOT_SENT: Final = 128 * 1024
"""Bytes that the kernel keeps for a client beyond those under way to it; else it keeps megabytes."""


class Listener(Protocol):
    """A socket, or what an event loop shows instead of one."""

    def fileno(self) -> int:
        """Return its number."""
        ...


def keep_little(listeners: Iterable[Listener]) -> None:
    """Let the kernel keep little for clients that do not read, so that we learn of it while it is news.

    Only Linux passes it on to what is accepted; elsewhere nothing is done.
    """
    if sys.platform != "linux":
        return
    for listener in listeners:
        with socket.socket(fileno=socket.dup(listener.fileno())) as same, suppress(OSError):
            same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOT_SENT)
