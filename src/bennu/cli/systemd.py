"""What systemd gives to a service, and what a service tells systemd: sockets, and the state of the service.

Both are environment variables with a simple protocol (``sd_listen_fds(3)``, ``sd_notify(3)``), so there is no library.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import Final

__all__ = ["FIRST_FD", "VARIABLES", "given_sockets", "notify", "reloading"]

FIRST_FD: Final = 3
"""The number of the first socket that systemd passes on."""

VARIABLES: Final = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


def given_sockets() -> list[tuple[int, str]]:
    """Return the number and the name of each socket that systemd has opened for this process.

    The variables are removed: they hold for this process only. So a second call returns nothing.
    """
    count, pid, names = (os.environ.pop(name, "") for name in VARIABLES)
    if not count.isdecimal() or pid != str(os.getpid()):
        return []
    named = names.split(":") if names else []
    found: list[tuple[int, str]] = []
    for place in range(int(count)):
        fd = FIRST_FD + place
        with suppress(OSError):
            os.set_inheritable(fd, False)
            found.append((fd, named[place] if place < len(named) else ""))
    return found


def notify(*lines: str) -> bool:
    """Tell systemd something, for example ``READY=1``.

    Returns:
        Whether there was somebody to tell: a service with ``Type=notify``.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")) or not hasattr(socket, "AF_UNIX"):
        return False
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto("\n".join(lines).encode(), name)
        return True
    return False


def reloading() -> bool:
    """Tell systemd that a reload begins. ``READY=1`` ends it."""
    microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    return notify("RELOADING=1", f"MONOTONIC_USEC={microseconds}")
