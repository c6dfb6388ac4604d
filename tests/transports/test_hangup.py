"""A client that has hung up is detected before all its bytes are read."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable

import pytest

from bennu.transports import hangup
from bennu.transports.hangup import has_hung_up

linux = pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not tell")


def tcp() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


async def paused(server: socket.socket) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, server)
    transport.pause_reading()
    return transport


@linux
@pytest.mark.parametrize("pair", [tcp, socket.socketpair], ids=["tcp", "unix"])
async def test_a_client_has_hung_up_although_there_is_more_to_read(
    pair: Callable[[], tuple[socket.socket, socket.socket]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds on TCP and on a Unix socket. If the kernel does not report it, the answer is no."""
    client, server = pair()
    transport = await paused(server)
    client.send(b"more")
    assert not has_hung_up(transport)
    client.close()
    assert has_hung_up(transport)
    monkeypatch.setattr(hangup, "CLOSED_BY_PEER", 0)
    assert not has_hung_up(transport)
    monkeypatch.undo()
    transport.abort()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not has_hung_up(transport)


def test_what_is_no_socket_says_nothing() -> None:
    """An example is a transport in memory."""
    assert not has_hung_up(asyncio.Transport())
