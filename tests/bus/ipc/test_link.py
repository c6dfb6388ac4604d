"""A connection of another user is refused, and one whose other end does not read is dropped."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bennu.bus.ipc.frames import Flushed, FrameReader
from bennu.bus.ipc.link import Link
from bennu.logs.log import Log

pytestmark = pytest.mark.clock("both loops")


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Link, socket.socket]]:
    """Open a link, and yield it with the socket at the other end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    lost: list[Link] = []
    reader = FrameReader(lambda key, data: None, lambda control: None)
    link = Link(Log("bennu.bus"), reader, lost.append)
    with theirs:
        await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=ours)
        yield link, theirs
        link.abort()
        await link.lost.wait()
    assert lost == [link]
    assert link.fd == -1
    link.send(Flushed(1))  # dropped
    link.close()
    link.finish()


async def test_a_connection_of_another_user_is_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bennu.bus.ipc.directory.os.geteuid", lambda: 12345)
    with caplog.at_level(logging.ERROR, "bennu.bus"):
        async with linked() as (link, _):
            await link.lost.wait()
    assert "A connection was refused" in caplog.text


async def test_a_connection_that_does_not_read_is_dropped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What waits for it is bounded."""
    monkeypatch.setattr("bennu.bus.ipc.link.MAX_CONTROL", 1000)
    with caplog.at_level(logging.ERROR, "bennu.bus"):
        async with linked() as (link, _):
            while not link.is_full:
                link.send(Flushed(2**60))
                await asyncio.sleep(0)
            for _ in range(200):
                link.send(Flushed(2**60))
            assert link.unsent < 2000
            await link.lost.wait()
    assert "does not read" in caplog.text


async def test_a_link_that_has_finished_still_reads() -> None:
    async with linked() as (link, theirs):
        link.send(Flushed(1))
        link.finish()
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(theirs, 100)
        assert await loop.sock_recv(theirs, 100) == b""
        await loop.sock_sendall(theirs, b"\0\0\0\0\0")  # breaks the protocol
        await link.lost.wait()
