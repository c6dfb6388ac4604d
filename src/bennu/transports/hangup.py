"""Whether a client has hung up, asked of the kernel: who does not read from a socket does not meet its end."""

from __future__ import annotations

import select
from asyncio import BaseTransport
from typing import Final

__all__ = ["has_hung_up"]

CLOSED_BY_PEER: Final = getattr(select, "POLLRDHUP", 0)
"""What the kernel says when the other side has closed; 0 where it can't say so before all is read: Linux can."""


def has_hung_up(transport: BaseTransport) -> bool:
    """Return whether the other side of a socket has closed, also if there is more to read before that.

    Args:
        transport: On TCP, TLS or a Unix socket. False for others, and where the kernel does not tell.
    """
    socket = transport.get_extra_info("socket")
    if not CLOSED_BY_PEER or socket is None or socket.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(
        socket.fileno(), CLOSED_BY_PEER
    )  # errors and an end of both sides are told anyway
    return bool(poll.poll(0))
