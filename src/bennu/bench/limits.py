"""The limits of the system that a number of connections meets: open files, and ports."""

from __future__ import annotations

import ipaddress
import resource
from pathlib import Path
from typing import Final

from ..errors import BennuError

__all__ = ["TooManyClients", "explain_files", "explain_ports", "raise_limits"]

OTHERS: Final = 100
"""Files that the process has open beside its connections."""

PORTS: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOOPBACK_SOURCES: Final = 20_000
"""Connections that the C engine opens from each address of 127.0.0.0/8."""


class TooManyClients(BennuError):
    """The system allows fewer connections than were asked for."""


def raise_limits(clients: int, host: str, *, engine: str) -> None:
    """Raise the limit of open files of this process, if that is needed.

    Args:
        clients: The number of connections.
        host: The host to which they go.
        engine: ``C`` or ``Python``.

    Raises:
        TooManyClients: The system allows fewer files or ports.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = clients + OTHERS
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raised = hard
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (needed, needed))  # root may do it
            except (OSError, ValueError):
                raise TooManyClients(explain_files(clients, raised)) from None
        else:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    try:
        first, last = map(int, PORTS.read_text().split())
    except (OSError, ValueError):
        return  # not Linux
    why = explain_ports(clients, last - first + 1, host, engine=engine)
    if why is not None:
        raise TooManyClients(why)


def explain_files(clients: int, hard: int) -> str:
    """Return why a number of connections exceeds the limit of open files, and what to do."""
    return (
        f"{clients:,} clients need {clients + OTHERS:,} open files, and this process may have {hard:,}: write"
        f" --clients {max(hard - OTHERS, 1)}, or raise the limit: LimitNOFILE= in systemd, --ulimit nofile= in Docker,"
        " /etc/security/limits.conf for a login"
    )


def explain_ports(clients: int, ports: int, host: str, *, engine: str) -> str | None:
    """Return why a number of connections exceeds the ports of an address, and what to do; None if it does not.

    The C engine opens connections to 127.0.0.1 from several addresses of the loopback network.

    Args:
        clients: The number of connections.
        ports: The ports that the system gives to connections.
        host: The host to which they go.
        engine: ``C`` or ``Python``.
    """
    if clients <= ports:
        return None
    if engine == "C" and is_loopback(host) and ports >= LOOPBACK_SOURCES:
        return None
    return (
        f"{clients:,} clients need as many ports, and the system gives {ports:,} for connections to one address: write"
        f" --clients {ports}, or widen net.ipv4.ip_local_port_range by sysctl, or run bennu bench on several machines"
    )


def is_loopback(host: str) -> bool:
    """Return whether a host is in the loopback network of IPv4."""
    try:
        return host == "localhost" or ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False
