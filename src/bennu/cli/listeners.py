"""The listeners of ``bennu run``: opened before the application is imported, and what they pass on.

A port that is in use is found before any of the user's code runs. A listener is only bound at first: the server
accepts connections when the application has started.

Accepted connections inherit the options of their listener. For a client that does not read, the kernel keeps at most
128 KB of unsent bytes. A client that has disappeared is detected within one minute, because it does not answer
keep-alive probes. A TLS handshake has as much time as the head of a request.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
import sys
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, cast

import click

__all__ = [
    "KEEPALIVE_TIMEOUT",
    "TLS_SHUTDOWN",
    "UNSENT_BYTES",
    "CannotListen",
    "addresses",
    "bind_again",
    "limit_clients",
    "limited_tls_handshakes",
    "open_listeners",
]

PORTS_TRIED: Final = 10
"""Ports that are tried for a name with several addresses, if the system chooses the port."""

NEIGHBOURS: Final = 100
"""Ports above a taken port that are tried for a suggestion."""

MODE: Final = 0o666
"""The mode of a new Unix socket: each user who reaches its folder can connect."""

UNSENT_BYTES: Final = 128 * 1024
"""Unsent bytes that the kernel keeps for a client. Without this limit it keeps megabytes."""

KEEPALIVE_TIMEOUT: Final = 60
"""Seconds after which a client that has disappeared is detected. Heartbeats arrive before the first probe."""

PROBES: Final = 3
PROBE_INTERVAL: Final = 5

TLS_SHUTDOWN: Final = 5.0
"""Seconds that a client has to close TLS."""


class CannotListen(click.ClickException):
    """The server can't listen on an address. The message says what to write instead."""

    exit_code = 3


def open_listeners(
    host: str,
    port: int,
    *,
    uds: str | None = None,
    fds: Sequence[int] = (),
    command: str = "bennu run",
) -> list[socket.socket]:
    """Return bound sockets; several, if a host name has several addresses.

    Args:
        host: The address or name.
        port: The port; 0 takes a free one.
        uds: The path of a Unix socket, instead.
        fds: The numbers of inherited open sockets, instead.
        command: What the user wrote, for the suggestion.

    Raises:
        CannotListen: The address is taken, or the system refuses it.
    """
    if fds:
        return [_inherited(fd) for fd in fds]
    if uds is not None:
        return [_unix(uds)]
    try:
        return _bind_any(host) if port == 0 else _bind_all(host, port)
    except (socket.gaierror, UnicodeError) as error:
        raise CannotListen(
            f"--host {host!r} is no address of this machine ({error}): write --host 127.0.0.1, or"
            " --host 0.0.0.0 for all addresses"
        ) from error
    except OSError as error:
        raise CannotListen(_explain(host, port, error, command)) from error


def _bind_any(host: str) -> list[socket.socket]:
    """Bind all addresses of a name to one free port.

    The system chooses the port for the first address. On another address that port can be taken: then all is tried anew.

    Raises:
        OSError: No port was free on all addresses, or there is no address.
    """
    for _ in range(PORTS_TRIED - 1):
        try:
            return _bind_all(host, 0)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return _bind_all(host, 0)


def _bind_all(host: str, port: int) -> list[socket.socket]:
    """Bind all addresses of a name, to the same port.

    Raises:
        OSError: One of them is taken, or there is none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listeners: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((one[0], one[4]) for one in found):
            chosen = listeners[0].getsockname()[1] if listeners else port
            listeners.append(_bound(family, (address[0], chosen, *address[2:])))
    except OSError:
        _close(listeners)
        raise
    return listeners


def _close(listeners: Iterable[socket.socket]) -> None:
    for listener in listeners:
        listener.close()


def bind_again(listener: socket.socket) -> socket.socket:
    """Return another socket that is bound to the address of a listener.

    Args:
        listener: A TCP socket with SO_REUSEPORT.

    Raises:
        OSError: The system refuses it.
    """
    return _bound(listener.family, listener.getsockname(), is_shared=True)


def _bound(family: int, address: Sequence[object], *, is_shared: bool = False) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Inherited by what it accepts. asyncio sets it only on sockets that it opened itself.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(tuple(address))
    except BaseException:
        listener.close()
        raise
    return listener


def _explain(host: str, port: int, error: OSError, command: str) -> str:
    if error.errno == errno.EADDRINUSE:
        free = _free_port(host, port)
        write = f"\n  write: {command} --port {free}" if free is not None else ""
        return (
            f"port {port} of {host} is taken: address already in use. Another server listens there,"
            f" perhaps one that you have started before{write}"
        )
    if error.errno == errno.EACCES:
        return (
            f"port {port} of {host} may not be opened: {error.strerror}. Ports below 1024 need"
            f" privileges\n  write: {command} --port 8000, behind a proxy"
        )
    return (
        f"can't listen on port {port} of {host}: {error.strerror or error}\n  write: --host 127.0.0.1, or"
        " --host 0.0.0.0 for all addresses"
    )


def _free_port(host: str, port: int) -> int | None:
    """Return the next port above a taken one that is free."""
    for other in range(port + 1, min(port + NEIGHBOURS, 65535) + 1):
        with suppress(OSError):
            _close(_bind_all(host, other))
            return other
    return None


def _unix(path: str) -> socket.socket:
    """Bind a Unix socket. The file of an ended server is removed first."""
    mode = MODE
    try:
        before = os.stat(path)
    except OSError:
        pass
    else:
        if not stat.S_ISSOCK(before.st_mode):
            raise CannotListen(
                f"--uds {path}: there is a file that is no socket: choose another path"
            )
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(path) == 0:
                raise CannotListen(
                    f"--uds {path} is taken: address already in use. Another server listens there: stop"
                    " it, or choose another path"
                )
        mode = stat.S_IMODE(before.st_mode)
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        os.chmod(path, mode)
    except OSError as error:
        listener.close()
        raise CannotListen(f"--uds {path}: {error.strerror or error}") from error
    return listener


def _inherited(fd: int) -> socket.socket:
    try:
        listener = socket.socket(fileno=fd)
    except OSError as error:
        raise CannotListen(
            f"--fd {fd}: expected the number of an open socket, got {error.strerror or error}"
        ) from error
    if listener.type != socket.SOCK_STREAM:
        listener.close()
        raise CannotListen(f"--fd {fd}: expected a stream socket, got {listener.type!s}")
    if listener.family in (socket.AF_INET, socket.AF_INET6):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def addresses(listeners: Iterable[socket.socket], host: str, scheme: str) -> list[str]:
    """Return the addresses of listeners for clients, as the banner names them.

    Args:
        listeners: The sockets.
        host: As the user wrote it; empty for inherited sockets, which are named by their own address.
        scheme: ``"http"`` or ``"https"``.
    """
    named: dict[str, None] = {}
    for listener in listeners:
        name: Any = listener.getsockname()
        if not isinstance(name, tuple):
            named[f"unix:{name if isinstance(name, str) else name.decode(errors='replace')}"] = None
        else:
            shown = host or cast("tuple[str, int]", name)[0]
            shown = f"[{shown}]" if ":" in shown else shown
            named[f"{scheme}://{shown}:{name[1]}"] = None
    return list(named)


# What the kernel and TLS do with them.


def limit_clients(descriptors: Iterable[int]) -> None:
    """Limit the kernel's unsent bytes of each client, and set keep-alive probes.

    Accepted connections inherit these options only on Linux. On other systems this does nothing.

    Args:
        descriptors: The file descriptors of the listeners.
    """
    if sys.platform != "linux":
        return
    tcp = {
        socket.TCP_NOTSENT_LOWAT: UNSENT_BYTES,
        socket.TCP_KEEPIDLE: KEEPALIVE_TIMEOUT - PROBES * PROBE_INTERVAL,
        socket.TCP_KEEPINTVL: PROBE_INTERVAL,
        socket.TCP_KEEPCNT: PROBES,
    }
    for descriptor in descriptors:
        with socket.socket(fileno=socket.dup(descriptor)) as same, suppress(OSError):
            same.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in tcp.items():
                same.setsockopt(socket.IPPROTO_TCP, option, value)


@contextmanager
def limited_tls_handshakes(loop: asyncio.AbstractEventLoop, seconds: float) -> Generator[None]:
    """Limit the time of TLS handshakes for all listeners that are made within the ``with`` block.

    uvicorn itself has no option for this time, which is then one minute.

    Args:
        loop: The event loop that makes the listeners.
        seconds: The time limit of a handshake.
    """
    makers = ("create_server", "create_unix_server")
    own: Any = loop

    def limited(make: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def made(*args: Any, **options: Any) -> Any:
            if options.get("ssl") is not None:
                options["ssl_handshake_timeout"] = seconds
                options["ssl_shutdown_timeout"] = TLS_SHUTDOWN
            return await make(*args, **options)

        return made

    for name in makers:
        setattr(own, name, limited(getattr(own, name)))
    try:
        yield
    finally:
        for name in makers:
            delattr(own, name)
