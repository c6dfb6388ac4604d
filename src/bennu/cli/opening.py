"""Opening the listeners of ``bennu run``, before the application is imported.

A port that is in use is found here, before any code of the user's runs. Connections are accepted only once the
application has started: until then a listener is bound, and does not listen.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

import click

__all__ = ["CannotListen", "addresses", "open_listeners"]

NEIGHBOURS: Final = 100
"""Ports above a taken one that are tried for a suggestion."""

MODE: Final = 0o666
"""Who may connect to a Unix socket that did not exist before: everybody who reaches its folder."""


class CannotListen(click.ClickException):
    """An address can't be had; the message says what to write instead."""

    exit_code = 3


def open_listeners(
    host: str,
    port: int,
    *,
    uds: str | None = None,
    fd: int | None = None,
    command: str = "bennu run",
) -> list[socket.socket]:
    """Return bound sockets; several, if a host name has several addresses.

    Args:
        host: The address or name.
        port: The port; 0 takes a free one.
        uds: The path of a Unix socket, instead.
        fd: The number of an open socket that was inherited, instead.
        command: What the user wrote, for the suggestion.

    Raises:
        CannotListen: The address is taken, or can't be had.
    """
    if fd is not None:
        return [_inherited(fd)]
    if uds is not None:
        return [_unix(uds)]
    try:
        return _bind_all(host, port)
    except (socket.gaierror, UnicodeError) as error:
        raise CannotListen(
            f"--host {host!r} is no address of this machine ({error}): write --host 127.0.0.1, or"
            " --host 0.0.0.0 for all addresses"
        ) from error
    except OSError as error:
        raise CannotListen(_explain(host, port, error, command)) from error


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


def _bound(family: int, address: Sequence[object]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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
    """Bind a Unix socket; what an ended server has left there is taken away."""
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
    return listener


def addresses(listeners: Iterable[socket.socket], host: str, scheme: str) -> list[str]:
    """Return where clients reach the listeners, as the banner names it.

    Args:
        listeners: The sockets.
        host: As the user wrote it.
        scheme: ``"http"`` or ``"https"``.
    """
    named: dict[str, None] = {}
    for listener in listeners:
        name: Any = listener.getsockname()
        if not isinstance(name, tuple):
            named[f"unix:{name if isinstance(name, str) else name.decode(errors='replace')}"] = None
        else:
            shown = f"[{host}]" if ":" in host else host
            named[f"{scheme}://{shown}:{name[1]}"] = None
    return list(named)
