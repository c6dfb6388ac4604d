"""What systemd gives to a service, and what a service tells systemd."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bennu.cli.systemd import given_sockets, notify, reloading


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket on which systemd listens."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("notify")
        receiver.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield receiver


def test_systemd_is_told(systemd: socket.socket) -> None:
    assert notify("READY=1", "STATUS=4 workers")
    assert systemd.recv(1000) == b"READY=1\nSTATUS=4 workers"


def test_a_reload_has_its_time(systemd: socket.socket) -> None:
    before = time.monotonic_ns() // 1000
    assert reloading()
    first, second = systemd.recv(1000).decode().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_an_abstract_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"@bennu-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + name[1:])
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert notify("READY=1")
        assert receiver.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "vsock:2:1", "/nothing/here"])
def test_nobody_is_told(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not notify("READY=1")


def test_a_systemd_that_does_not_read_keeps_nobody_waiting(systemd: socket.socket) -> None:
    while notify("STATUS=" + "x" * 1000):
        pass


GIVEN = {
    "nothing": ({}, []),
    "another process": ({"LISTEN_FDS": "1", "LISTEN_PID": "1"}, []),
    "no number": ({"LISTEN_FDS": "many"}, []),
    "no names": ({"LISTEN_FDS": "1"}, [(3, "")]),
    "names": ({"LISTEN_FDS": "2", "LISTEN_FDNAMES": "web"}, [(3, "web"), (4, "")]),
}


@pytest.mark.parametrize(("variables", "found"), GIVEN.values(), ids=GIVEN)
def test_sockets_that_are_given(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], found: list[tuple[int, str]]
) -> None:
    """They are given once, and not to the children of this process."""
    seen: list[int] = []
    monkeypatch.setattr(os, "set_inheritable", lambda fd, on: seen.append(fd) if not on else None)
    for name, value in {"LISTEN_PID": str(os.getpid()), **variables}.items():
        monkeypatch.setenv(name, value)
    assert given_sockets() == found
    assert seen == [fd for fd, _ in found]
    assert given_sockets() == []
    assert not {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} & os.environ.keys()


def test_a_number_without_a_socket_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, on: bool) -> None:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "set_inheritable", refuse)
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert given_sockets() == []
