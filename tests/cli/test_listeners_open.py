"""The addresses of ``bennu run``, which are opened before any import."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from bennu.cli import listeners
from bennu.cli.listeners import CannotListen, addresses, open_listeners


def close(listeners: Iterable[socket.socket]) -> None:
    for listener in listeners:
        listener.close()


def test_a_name_with_several_addresses_has_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """This also holds if the system chooses the port."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0))
        for host in ("127.0.0.1", "127.0.0.2")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [*found, found[0]])
    listeners = open_listeners("many", 0)
    names = [listener.getsockname() for listener in listeners]
    assert [name[0] for name in names] == ["127.0.0.1", "127.0.0.2"]
    assert addresses(listeners, "many", "https") == [f"https://many:{names[0][1]}"]
    close(listeners)


def test_a_port_that_is_taken_on_another_address_is_not_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another port is tried, until one is free on all addresses; not for ever."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0))
        for host in ("127.0.0.1", "127.0.0.2")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    refused = [*range(3)]

    class Shared(socket.socket):
        """A socket on a machine where ports of the second address are taken."""

        def bind(self, address: Any, /) -> None:
            if address[0] == "127.0.0.2" and refused:
                refused.pop()
                raise OSError(errno.EADDRINUSE, "taken")
            super().bind(address)

    monkeypatch.setattr(socket, "socket", Shared)
    opened = open_listeners("many", 0)
    assert len({listener.getsockname()[1] for listener in opened}) == 1
    close(opened)
    refused.extend(range(1000))
    with pytest.raises(CannotListen, match="taken"):
        open_listeners("many", 0)


def test_an_address_of_version_6_stands_in_brackets() -> None:
    try:
        listeners = open_listeners("::1", 0)
    except CannotListen:
        pytest.skip("this machine has no IPv6")
    port = listeners[0].getsockname()[1]
    assert addresses(listeners, "::1", "http") == [f"http://[::1]:{port}"]
    close(listeners)


def test_a_taken_port_is_explained_with_a_free_one() -> None:
    """Higher ports that are taken are skipped. No socket stays open."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match="address already in use") as raised:
            open_listeners("127.0.0.1", port, command="bennu run web:app")
    lines = raised.value.message.splitlines()
    assert lines[1].startswith("  write: bennu run web:app --port ")
    assert int(lines[1].split()[-1]) > port
    assert raised.value.exit_code == 3


def test_no_port_is_suggested_where_none_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "NEIGHBOURS", 0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CannotListen) as raised:
            open_listeners("127.0.0.1", taken.getsockname()[1])
    assert "write" not in raised.value.message


def test_a_port_that_needs_privileges(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(
        CannotListen, match=r"Ports below 1024[^\n]*\n  write: bennu run --port 8000"
    ):
        open_listeners("127.0.0.1", 80)


def test_a_new_unix_socket_and_one_that_was_left(tmp_path: Path) -> None:
    """The second socket keeps the permissions of the first."""
    path = tmp_path / "s"
    close(listeners := open_listeners("", 0, uds=str(path)))
    assert len(listeners) == 1
    assert path.stat().st_mode & 0o777 == 0o666
    path.chmod(0o660)
    listeners = open_listeners("", 0, uds=str(path))
    assert addresses(listeners, "", "http") == [f"unix:{path}"]
    assert path.stat().st_mode & 0o777 == 0o660
    listeners[0].listen()
    with pytest.raises(CannotListen, match="address already in use"):
        open_listeners("", 0, uds=str(path))
    close(listeners)


def test_an_inherited_socket_is_what_it_is() -> None:
    """It can be of any family. A datagram socket is refused."""
    with socket.socket() as inherited:
        inherited.bind(("127.0.0.1", 0))
        listeners = open_listeners("", 0, fds=[os.dup(inherited.fileno())])
        assert listeners[0].getsockname() == inherited.getsockname()
        close(listeners)
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        number = os.dup(datagrams.fileno())
        with pytest.raises(CannotListen, match="expected a stream socket"):
            open_listeners("", 0, fds=[number])
