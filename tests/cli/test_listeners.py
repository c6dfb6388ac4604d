"""The kernel's buffers for clients that do not read are small, so that the server notices such clients."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from bennu.cli.listeners import KEEPALIVE_TIMEOUT, UNSENT_BYTES, limit_clients
from tests.support.frames import joining, pushing
from tests.support.raw import CLOSE, RawClient, ask, text_frames

from .command import bennu

pytestmark = pytest.mark.clock("real")

APP = """
import asyncio
from bennu import Channel, Endpoint, Socket, on

class Room(Channel):
    @on("pour")
    async def pour(self) -> None:
        self.start(self.push_all())

    async def push_all(self) -> None:
        while True:
            for _ in range(20):
                await self.push("much", {"x": "x" * 1000})
            await asyncio.sleep(0)

async def connect() -> None: ...

socket = Socket(connect=connect, channels={"room:*": Room}, max_unsent=100_000)
endpoint = Endpoint(sockets={"/socket": socket})
"""


linux_only = pytest.mark.skipif(
    not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="only Linux passes it on to what is accepted"
)


@linux_only
def test_a_connection_inherits_it() -> None:
    """The socket that accepted it has the option. Other kinds of sockets are unchanged."""
    one, other = socket.socketpair()
    with one, other, socket.create_server(("127.0.0.1", 0)) as listener:
        limit_clients([one.fileno(), listener.fileno()])
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                kept = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
                probes = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                idle, interval, count = (
                    accepted.getsockopt(socket.IPPROTO_TCP, option)
                    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
                )
    assert kept == UNSENT_BYTES
    assert probes
    assert idle + interval * count == KEEPALIVE_TIMEOUT


@linux_only
async def test_a_client_that_does_not_read_is_known_after_little(tmp_path: Path) -> None:
    """The kernel's buffer, the mark and the bound are less than megabytes."""
    (tmp_path / "app.py").write_text(APP)
    async with bennu(tmp_path, "app:endpoint", "--port", "0") as command:
        server = await command.listening()
        await ask(server, "/socket/websocket")  # now it has started, and all is set
        with socket.socket() as small:
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            small.connect((server.host, server.port))
            reader, writer = await asyncio.open_connection(sock=small, limit=1000)
            client = RawClient(reader, writer)
            await client.open()
            client.send(text_frames(joining("1", "room:1")))
            assert '"ok"' in await client.text()
            client.send(text_frames(pushing("1", None, "room:1", "pour")))
            await command.read_until("bytes unread")
            size = 0
            frame = await client.frame()
            while frame.opcode != CLOSE:
                size += len(frame.data)
                frame = await client.frame()
            assert frame.data[2:] == b"too slow"
            assert size < 1_000_000
            writer.transport.abort()
