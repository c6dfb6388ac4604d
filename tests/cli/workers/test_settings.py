"""What a worker gets at its start."""

from __future__ import annotations

import socket

import pytest

from bennu.cli.workers.settings import WorkerSettings

SETTINGS = WorkerSettings(
    make=len, number=2, descriptors=[7], path=["a"], timeout=1.0, directory=None
)


def test_settings_travel() -> None:
    one, two = socket.socketpair()
    with one, two:
        SETTINGS.send(one)
        assert WorkerSettings.receive(two) == SETTINGS


@pytest.mark.parametrize("sent", [b"", b"\0", b"\0\0\0\5abc"])
def test_a_supervisor_that_is_gone_gives_none(sent: bytes) -> None:
    one, two = socket.socketpair()
    with two:
        with one:
            one.send(sent)
        assert WorkerSettings.receive(two) is None
