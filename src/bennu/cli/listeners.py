"""What ``bennu run`` asks of its listeners, which pass it on to what they accept.

The kernel keeps little for a client that does not read, and finds out in a minute about one that has gone without a
word: nobody answers its probes. TLS has as long as a request's head.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

__all__ = ["GONE_AFTER", "NOT_SENT", "TLS_SHUTDOWN", "bounded_handshakes", "keep_little"]

NOT_SENT: Final = 128 * 1024
"""Bytes that the kernel keeps for a client beyond those under way to it; else it keeps megabytes."""

GONE_AFTER: Final = 60
"""Seconds after which a silent client is found out to have gone. Heartbeats come sooner than the first probe."""

PROBES: Final = 3
PROBE_INTERVAL: Final = 5

TLS_SHUTDOWN: Final = 5.0
"""Seconds that a client has to say good-bye in TLS."""


class Listener(Protocol):
    """A socket, or what an event loop shows instead of one."""

    def fileno(self) -> int:
        """Return its number."""
        ...


def keep_little(listeners: Iterable[Listener]) -> None:
    """Let the kernel keep little for clients that do not read, and notice those that have gone.

    Only Linux passes it on to what is accepted; elsewhere nothing is done.
    """
    if sys.platform != "linux":
        return
    tcp = {
        socket.TCP_NOTSENT_LOWAT: NOT_SENT,
        socket.TCP_KEEPIDLE: GONE_AFTER - PROBES * PROBE_INTERVAL,
        socket.TCP_KEEPINTVL: PROBE_INTERVAL,
        socket.TCP_KEEPCNT: PROBES,
    }
    for listener in listeners:
        with socket.socket(fileno=socket.dup(listener.fileno())) as same, suppress(OSError):
            same.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in tcp.items():
                same.setsockopt(socket.IPPROTO_TCP, option, value)


@contextmanager
def bounded_handshakes(loop: asyncio.AbstractEventLoop, seconds: float) -> Generator[None]:
    """Give TLS a time in all listeners that are made meanwhile: uvicorn leaves it at a minute.

    Args:
        loop: That they are made on.
        seconds: What a handshake may take.
    """
    makers = ("create_server", "create_unix_server")
    own: Any = loop

    def bounded(make: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def made(*args: Any, **options: Any) -> Any:
            if options.get("ssl") is not None:
                options["ssl_handshake_timeout"] = seconds
                options["ssl_shutdown_timeout"] = TLS_SHUTDOWN
            return await make(*args, **options)

        return made

    for name in makers:
        setattr(own, name, bounded(getattr(own, name)))
    try:
        yield
    finally:
        for name in makers:
            delattr(own, name)
