"""Asks the kernel whether a client has hung up: while reading is paused, the end of the stream is not read."""

from __future__ import annotations

import select
from asyncio import BaseTransport
from typing import Final

__all__ = ["has_hung_up"]

CLOSED_BY_PEER: Final = getattr(select, "POLLRDHUP", 0)
"""The kernel's flag for a closed peer, which Linux reports before all bytes are read; 0 on other systems."""


def has_hung_up(transport: BaseTransport) -> bool:
    """Return whether the client has closed its side of a connection, also if there are unread bytes.

    Args:
        transport: A transport of TCP, TLS or a Unix socket. For others, and on other systems than Linux, the result
            is False.
    """
    socket = transport.get_extra_info("socket")
    if not CLOSED_BY_PEER or socket is None or socket.fileno() < 0:
        return False
    poll = select.poll()
    # Errors and a close of both sides are reported without a flag.
    poll.register(socket.fileno(), CLOSED_BY_PEER)
    return bool(poll.poll(0))
