"""A client over real WebSockets and real HTTP, against the server of `bennu run`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest

from bennu.client import Client, Closed, ConnectFailed, ConnectRefused
from bennu.client.websocket import reason_in
from tests.support.certificates import Authority
from tests.support.memory import endpoint_of
from tests.support.servers import Server, serve
from tests.support.until import until

from .test_client_server import Ack, NewMsg, Room

pytestmark = pytest.mark.clock("both loops")

OVER: list[Literal["websocket", "longpoll"]] = ["websocket", "longpoll"]
VSN: list[Literal["1.0.0", "2.0.0"]] = ["1.0.0", "2.0.0"]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serve("native", endpoint_of({"room:*": Room})) as server:
        yield server


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("vsn", VSN)
async def test_it_joins_pushes_and_hears_the_others(
    server: Server, over: Literal["websocket", "longpoll"], vsn: Literal["1.0.0", "2.0.0"]
) -> None:
    url = server.url("/socket")
    async with (
        Client(url, transport=over, vsn=vsn) as one,
        Client(url, transport=over, vsn=vsn) as other,
    ):
        room, theirs = one.channel("room:1"), other.channel("room:1")
        assert await room.join() == {"asked": {}}
        heard = theirs.events("new_msg", NewMsg)
        await theirs.join()
        assert await room.push("new_msg", NewMsg("Hi"), reply=Ack) == Ack(2)
        assert await anext(heard) == NewMsg("Hi")
        await room.leave()


async def test_a_large_message_goes_both_ways(server: Server) -> None:
    async with Client(server.url("/socket")) as client:
        room = client.channel("room:1")
        await room.join()
        body = "x" * 1_000_000
        heard = room.events("new_msg", NewMsg)
        assert await room.push("new_msg", {"body": body}) == {"id": len(body)}
        assert await anext(heard) == NewMsg(body)
        assert await room.push("upload", b"\xff" * 1_000_000) == {"size": 1_000_000}


async def test_what_was_pushed_is_sent_before_the_end(server: Server) -> None:
    async with Client(server.url("/socket")) as listener:
        theirs = listener.channel("room:1")
        heard = theirs.events("new_msg", NewMsg)
        await theirs.join()
        async with Client(server.url("/socket")) as client:
            room = client.channel("room:1")
            await room.join()
            for number in range(100):
                _ = room.push("new_msg", NewMsg(str(number)))
        assert [(await anext(heard)).body for _ in range(100)] == list(map(str, range(100)))


async def test_a_restart_of_the_server_is_survived() -> None:
    endpoint = endpoint_of({"room:*": Room})
    async with serve("native", endpoint) as server:
        port = server.port
        client = Client(server.url("/socket"), params={"name": "ann"})
        await client.opened()
        room = client.channel("room:1")
        await room.join()
        closes: list[Closed] = []
        client.on_close(closes.append)
        await endpoint.disconnect("ann")
        await until(lambda: closes and room.is_joined)
        assert closes == [Closed(1001, "")]
        assert await room.push("new_msg", NewMsg("Hi"), reply=Ack) == Ack(2)
        await client.close()
    with pytest.raises(ConnectFailed, match=f"ws://127.0.0.1:{port}/socket can't be reached"):
        async with Client(f"ws://127.0.0.1:{port}/socket", timeout=0.2):
            pytest.fail("it is down")


async def test_a_refusal_has_its_status(server: Server) -> None:
    with pytest.raises(ConnectRefused) as caught:
        async with Client(server.url("/nothing")):
            pytest.fail("there is no such socket")
    assert caught.value.status == 404


async def test_a_server_that_says_nothing_is_left_after_a_heartbeat() -> None:
    """It accepts, and then neither reads nor writes."""
    endpoint = endpoint_of({"room:*": Room})
    async with serve("native", endpoint) as server:
        accepted: list[asyncio.StreamWriter] = []

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """Pass on the handshake, and nothing after it."""
            accepted.append(writer)
            upstream, out = await asyncio.open_connection(server.host, server.port)
            out.write(await reader.readuntil(b"\r\n\r\n"))
            writer.write(await upstream.readuntil(b"\r\n\r\n"))
            if len(accepted) > 1:
                writer.transport.abort()
            out.transport.abort()

        silent = await asyncio.start_server(accept, "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        client = Client(f"ws://127.0.0.1:{port}/socket", heartbeat=0.05)
        await client.opened()
        closes: list[Closed] = []
        client.on_close(closes.append)
        await until(lambda: closes)
        assert closes[0] == Closed(1000, "heartbeat timeout")
        await client.close()
        silent.close()
        for writer in accepted:
            writer.transport.abort()


@pytest.mark.parametrize("over", OVER)
async def test_tls(over: Literal["websocket", "longpoll"], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.certify("server")
    files = {"ssl_certfile": str(own.certfile), "ssl_keyfile": str(own.keyfile)}
    async with serve("native", endpoint_of({"room:*": Room}), **files) as server:
        url = server.url("/socket", "wss")
        async with Client(url, transport=over, ssl=authority.trusting()) as client:
            assert await client.channel("room:1").join() == {"asked": {}}
        with pytest.raises(ConnectFailed, match="certificate verify failed"):
            async with Client(url, transport=over):
                pytest.fail("its certificate is not trusted")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", None),
        (b'{"reason":"bad token"}', "bad token"),
        (b'{"reason":7}', None),
        (b"[]", None),
        (b"Too many requests", "Too many requests"),
        (b"<html>", None),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_the_reason_in_a_body(body: bytes, reason: Any) -> None:
    assert reason_in(body) == reason
