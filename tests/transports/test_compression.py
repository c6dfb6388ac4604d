"""Compression between two real ends: the frames of each client, and the cost of a broadcast."""

from __future__ import annotations

import logging
import zlib
from typing import Any

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from bennu import Channel, DefinitionError, Deflate, Socket, on
from bennu.message import BINARY, TEXT, Opcode
from bennu.protocol.deflate import DeflateFraming
from bennu.testing.wires import NativeWire

from ..support.frames import broadcast, ok
from ..support.masked import raw
from ..support.memory import Client, Server, endpoint_of, serve

pytestmark = pytest.mark.clock("virtual")

OFFER = [ClientPerMessageDeflateFactory(client_max_window_bits=True)]
"""What Chromium and Node offer."""
SMALL = [ClientPerMessageDeflateFactory(server_max_window_bits=9)]
TEXT_OF_2_KB = "what is said again and again, " * 70


class Room(Channel[Any]):
    """A channel that broadcasts its messages."""

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return payload

    @on("say")
    async def say(self, payload: dict[str, Any]) -> None:
        await self.broadcast("said", payload)

    @on("send")
    async def send(self, payload: bytes) -> None:
        await self.broadcast("sent", payload)


def endpoint(compress: Any = True, **options: Any) -> Any:
    """An endpoint that compresses."""
    return endpoint_of({"room:*": Room}, compress=compress, **options)


def wire(client: Client) -> NativeWire:
    """Return the connection of a client, which is native."""
    assert isinstance(client.wire, NativeWire)
    return client.wire


def taken(client: Client) -> bytes:
    """Return the bytes that the server wrote since the last call."""
    data = bytes(wire(client).raw)
    wire(client).raw.clear()
    return data


async def enter(server: Server, name: str, **options: Any) -> Client:
    """Connect and join."""
    client = await server.connect(params={"name": name}, **options)
    assert await client.join("room:1") == ok()
    return client


async def test_what_was_agreed_on_stands_in_the_answer() -> None:
    """The answer has the parameters. A client without an offer gets a normal answer."""
    async with serve(endpoint()) as server:
        ann = await server.connect(extensions=OFFER)
        bob = await server.connect()
        answer = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
        assert b"\r\nSec-WebSocket-Extensions: " + answer in taken(ann)
        assert b"Extensions" not in taken(bob)


async def test_messages_are_compressed_both_ways() -> None:
    """Text, binary, replies and broadcasts take fewer bytes than uncompressed."""
    async with serve(endpoint()) as server:
        ann = await enter(server, "ann", extensions=OFFER)
        taken(ann)
        payload = {"text": TEXT_OF_2_KB}
        assert await ann.call("room:1", "echo", payload) == ok(payload)
        assert len(taken(ann)) < 200
        ann.push("room:1", "say", payload)
        await ann.expect(broadcast("room:1", "said", payload))
        assert len(taken(ann)) < 200
        ann.push("room:1", "send", TEXT_OF_2_KB.encode())
        await ann.expect(broadcast("room:1", "sent", TEXT_OF_2_KB.encode()))
        assert len(taken(ann)) < 200


async def test_short_messages_go_as_they_are() -> None:
    """The socket sets the size."""
    async with serve(endpoint(Deflate(min_size=100))) as server:
        ann = await enter(server, "ann", extensions=OFFER)
        taken(ann)
        await ann.call("room:1", "echo", {})
        assert taken(ann)[0] == 0x81
        await ann.call("room:1", "echo", {"text": "a" * 100})
        assert taken(ann)[0] == 0xC1


async def test_a_broadcast_is_compressed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is compressed once for all clients with the same parameters.

    Clients with another window, or none, get other frames.
    """
    compressed: list[bytes] = []
    frame = DeflateFraming.frame

    def counted(framing: DeflateFraming, opcode: Opcode, data: bytes) -> bytes:
        compressed.append(data)
        return frame(framing, opcode, data)

    monkeypatch.setattr(DeflateFraming, "frame", counted)
    async with serve(endpoint()) as server:
        crowd = [await enter(server, f"c{number}", extensions=OFFER) for number in range(5)]
        small = await enter(server, "small", extensions=SMALL)
        plain = await enter(server, "plain")
        everybody = [*crowd, small, plain]
        for client in everybody:
            taken(client)
        compressed.clear()
        payload = {"text": TEXT_OF_2_KB}
        crowd[0].push("room:1", "say", payload)
        for client in everybody:
            await client.expect(broadcast("room:1", "said", payload))
        assert len(compressed) == 2
        written = {client: taken(client) for client in everybody}
        assert len({written[client] for client in crowd}) == 1
        assert len(written[crowd[0]]) <= len(written[small]) < 300
        assert len(written[plain]) > 2000


async def test_compressed_and_other_clients_see_one_order() -> None:
    """Broadcasts of one turn are sent together, compressed or not."""
    async with serve(endpoint()) as server:
        ann = await enter(server, "ann", extensions=OFFER)
        bob = await enter(server, "bob")
        said = [{"n": n, "text": TEXT_OF_2_KB if n % 2 else ""} for n in range(6)]
        for payload in said:
            await server.endpoint.broadcast("room:1", "said", payload)
        for client in (ann, bob):
            await client.expect(*(broadcast("room:1", "said", payload) for payload in said))


async def test_off_by_default() -> None:
    """An offer is not answered, and a compressed frame is a violation."""
    async with serve(endpoint_of({"room:*": Room})) as server:
        ann = await enter(server, "ann", extensions=OFFER)
        assert b"Extensions" not in taken(ann)
        wire(ann).transport.feed(raw(0xC1, b"\x00"))
        assert await ann.closed(within=10) == 1002
        server.logged("a reserved bit is set", level=logging.WARNING)


async def test_another_server_decides_by_itself() -> None:
    """An ASGI server compresses and inflates by itself, so the endpoint sees plain messages."""
    async with serve(endpoint()) as server:
        ann = await enter(server, "ann", over="asgi")
        payload = {"text": TEXT_OF_2_KB}
        assert await ann.call("room:1", "echo", payload) == ok(payload)


async def test_a_bomb_is_too_big() -> None:
    """It is treated like any message that is larger than the socket allows."""
    compressor = zlib.compressobj(wbits=-15)
    bomb = compressor.compress(bytes(1_000_000)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    async with serve(endpoint(max_frame_size=100_000)) as server:
        ann = await enter(server, "ann", extensions=OFFER)
        wire(ann).transport.feed(raw(0xC2, bomb[:-4]))
        assert await ann.closed(within=10) == 1009
        server.logged("inflates to too much", level=logging.WARNING)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_what_cannot_be_inflated_is_invalid_data(opcode: Opcode) -> None:
    """The code is 1007."""
    async with serve(endpoint()) as server:
        ann = await enter(server, "ann", extensions=OFFER)
        wire(ann).transport.feed(raw(0xC0 | opcode, b"nonsense"))
        assert await ann.closed(within=10) == 1007
        server.logged("can't be inflated", level=logging.WARNING)


@pytest.mark.parametrize("bits", [9, 12, 15])
async def test_a_client_may_refer_back_to_what_it_said(bits: int) -> None:
    """If the socket keeps a window, the same message takes a few bytes the second time."""
    options = Deflate(client_context=True, client_window_bits=bits)
    async with serve(endpoint(options)) as server:
        ann = await enter(server, "ann", extensions=OFFER)
        for _ in range(3):
            assert await ann.call("room:1", "echo", {"text": "once"}) == ok({"text": "once"})


@pytest.mark.parametrize("given", [None, "deflate", 6, {"level": 6}])
def test_an_option_that_is_none_says_what_to_write(given: Any) -> None:
    """The error comes at start-up."""
    with pytest.raises(DefinitionError, match=r"Socket\(compress=\.\.\.\)"):
        Socket(connect=lambda: None, channels={}, compress=given)
