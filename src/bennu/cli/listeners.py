"""Sets options of the listeners of ``bennu run``. Accepted connections inherit these options.

For a client that does not read, the kernel keeps at most 128 KB of unsent bytes. A client that has disappeared is
detected within one minute, because it does not answer keep-alive probes. A TLS handshake has as much time as the head
of a request.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

__all__ = [
    "KEEPALIVE_TIMEOUT",
    "TLS_SHUTDOWN",
    "UNSENT_BYTES",
    "bounded_handshakes",
    "limit_clients",
]

UNSENT_BYTES: Final = 128 * 1024
"""Unsent bytes that the kernel keeps for a client. Without this limit it keeps megabytes."""

KEEPALIVE_TIMEOUT: Final = 60
"""Seconds after which a client that has disappeared is detected. Heartbeats arrive before the first probe."""

PROBES: Final = 3
PROBE_INTERVAL: Final = 5

TLS_SHUTDOWN: Final = 5.0
"""Seconds that a client has to close TLS."""


class Listener(Protocol):
    """A socket, or an event loop's object for a socket."""

    def fileno(self) -> int:
        """Return the file descriptor."""
        ...


def limit_clients(listeners: Iterable[Listener]) -> None:
    """Limit the kernel's unsent bytes of each client, and set keep-alive probes.

    Accepted connections inherit these options only on Linux. On other systems this does nothing.

    Args:
        listeners: The listening sockets.
    """
    if sys.platform != "linux":
        return
    tcp = {
        socket.TCP_NOTSENT_LOWAT: UNSENT_BYTES,
        socket.TCP_KEEPIDLE: KEEPALIVE_TIMEOUT - PROBES * PROBE_INTERVAL,
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
    """Limit the time of TLS handshakes for all listeners that are made within the ``with`` block.

    uvicorn itself has no option for this time, which is then one minute.

    Args:
        loop: The event loop that makes the listeners.
        seconds: The time limit of a handshake.
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
