"""Raw handlers: the arguments and the return values of their methods."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from bennu import (
    Broadcast,
    EncodeError,
    Ping,
    Pong,
    RawHandler,
)
from bennu.testing.clock import advance, settle

from ..support.memory import Over, both_transports
from .raws import Echo, Recording, said, talking

# What is sent.


@both_transports
@pytest.mark.conformance("AD007")
async def test_what_the_methods_return_is_sent(over: Over) -> None:
    """opened, receive and info can return a message, several, or None."""

    class Talking(Recording):
        async def opened(self) -> list[str | bytes]:
            return ["opened", b"\x00"]

        async def receive(self, message: str) -> Any:
            if message == "quietly":
                return None
            self.send_self(message)
            return message, b"twice"

        async def info(self, message: str) -> bytearray:
            return bytearray(message, "utf-8")

    async with talking(Talking, over=over) as (_, wire):
        assert await said(wire) == ["opened", b"\x00"]
        wire.send("quietly")
        assert await said(wire) == []
        wire.send("loudly")
        assert await said(wire) == ["loudly", b"twice", b"loudly"]


@pytest.mark.conformance("AD007", "WS052")
async def test_pings_and_pongs_may_be_returned() -> None:
    """Every method can return them. The client's answer to a ping comes to ponged."""
    payloads: list[bytes] = []

    class Pinging(Recording):
        async def opened(self) -> Ping:
            return Ping()

        async def receive(self, message: str) -> list[Any]:
            return [Ping(message.encode()), message, Pong(b"unasked")]

        async def pinged(self, payload: bytes) -> Ping:
            return Ping(b"back: " + payload)

        async def ponged(self, payload: bytes) -> str:
            payloads.append(payload)
            return f"ponged {payload!r}"

    async with talking(Pinging) as (_, wire):
        assert await said(wire) == ["ponged b''"]
        wire.send("x")
        assert await said(wire) == ["x", "ponged b'x'"]
        wire.ping(b"y")
        assert await said(wire) == ["ponged b'back: y'"]
        assert wire.pings == [b"", b"x", b"back: y"]
        assert wire.pongs == [b"unasked", b"y"]
    assert payloads == [b"", b"x", b"back: y"]


@pytest.mark.conformance("WS051")
@pytest.mark.parametrize("payload", [b"", b"payload", b"\xff" * 125])
async def test_a_ping_is_answered_before_the_handler_hears_of_it(payload: bytes) -> None:
    """The answer has the same payload, which the handler gets too."""

    class Pinged(Recording):
        async def pinged(self, payload: bytes) -> bytes:
            return b"pinged" + payload

    async with talking(Pinged) as (_, wire):
        wire.ping(payload)
        assert await said(wire) == [b"pinged" + payload]
        assert wire.pongs == [payload]


@pytest.mark.conformance("WS047")
async def test_a_handler_need_not_care_for_control_frames() -> None:
    """Pings are answered, pongs are ignored, and messages are handled."""
    async with talking(Echo) as (_, wire):
        wire.ping(b"1")
        wire.pong(b"unasked")
        wire.send("on")
        assert await said(wire) == ["on"]
        assert wire.pongs == [b"1"]


@pytest.mark.conformance("WS052")
async def test_the_server_pings() -> None:
    """The server can ping at any time, with or without a payload."""

    class Asking(Recording):
        async def receive(self, message: str) -> None:
            await self.ping()
            await self.ping(message.encode())

        async def ponged(self, payload: bytes) -> bytes:
            return payload

    async with talking(Asking) as (_, wire):
        wire.send("payload")
        assert await said(wire) == [b"", b"payload"]
        assert wire.pings == [b"", b"payload"]


async def test_pings_under_an_asgi_server_are_its_own() -> None:
    """The handler's pings are not sent, without an error."""

    class Asking(Recording):
        async def receive(self, message: str) -> Ping:
            await self.ping(b"1")
            await self.send("sent")
            return Ping(b"2")

    async with talking(Asking, over="asgi") as (_, wire):
        wire.send("ask")
        assert await said(wire) == ["sent"]


@both_transports
@pytest.mark.conformance("WS048")
async def test_a_message_to_oneself(over: Over) -> None:
    """The message is handled after the running method. The result is sent without a request of the client."""

    class Later(Recording):
        async def receive(self, message: str) -> str:
            self.send_self(f"after {message}")
            return f"during {message}"

        async def info(self, message: str) -> str:
            return message

    async with talking(Later, over=over) as (_, wire):
        wire.send("it")
        assert await said(wire) == ["during it", "after it"]


async def test_messages_of_the_server() -> None:
    """Timers, topics and tasks send such messages. They end with the connection."""

    class Listening(Recording):
        async def opened(self) -> None:
            self.subscribe("news")
            self.send_after(5, "later")
            self.send_every(7, "again")
            _ = self.start(self.work())

        async def work(self) -> None:
            await asyncio.sleep(1)
            await self.send("worked")

        async def info(self, message: Any) -> str:
            return message.event if isinstance(message, Broadcast) else message

    async with talking(Listening) as (server, wire):
        await settle()
        await server.endpoint.broadcast("news", "headline")
        assert await said(wire) == ["headline"]
        await advance(15)
        assert await said(wire) == ["worked", "later", "again", "again"]
        wire.vanish()
        await settle()
        await server.endpoint.broadcast("news", "unheard")


async def test_a_message_that_nobody_expects() -> None:
    """The log has one warning, which says what to write."""

    class Deaf(Recording):
        async def receive(self, message: str) -> None:
            self.send_self(message)

    async with talking(Deaf) as (server, wire):
        wire.send("hello")
        await settle()
        server.logged("'hello'", "async def info", level=logging.WARNING)


async def test_a_plain_def_runs_in_a_thread() -> None:
    """Each call there blocks until the event loop has done it."""

    class Threaded(RawHandler):
        def receive(self, message: Any) -> str:
            self.sync.send("first")
            self.sync.ping(b"p")
            self.sync.send_self("second")
            if message == "close":
                self.sync.close(4000, "from a thread")
            return "last"

        def info(self, message: str) -> str:
            return message

    async with talking(Threaded) as (_, wire):
        wire.send("go")
        assert await said(wire) == ["first", "last", "second"]
        assert wire.pings == [b"p"]
        wire.send("close")
        await settle()
        assert (wire.code, wire.reason) == (4000, "from a thread")


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (5, "expected text, bytes, Ping, Pong"),
        ({"a": 1}, "expected text, bytes"),
        (["sound", 5], "got 5"),
        ("\ud800", "not UTF-8"),
        (Ping(b"x" * 126), "at most 125 bytes"),
    ],
)
async def test_what_can_not_be_sent(value: Any, complaint: str) -> None:
    """The connection ends as if the method had raised. No part of the value is sent."""

    class Wrong(Recording):
        async def receive(self, message: str) -> Any:
            return value

    async with talking(Wrong) as (server, wire):
        wire.send("go")
        assert await said(wire) == []
        assert wire.code == 1011
        record = server.logged("crashed in receive")
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], EncodeError)
        assert complaint in str(record.exc_info[1])


# Over long polling.


@pytest.mark.conformance("LP032", "LP033")
async def test_a_client_that_polls() -> None:
    """Answers and later messages of a handler come with the next poll."""

    class Later(Recording):
        async def receive(self, message: str) -> str:
            self.send_after(3, "later")
            return f"got {message}"

        async def info(self, message: str) -> str:
            await self.ping()  # there is no such thing here
            return message

    async with talking(Later, over="longpoll", longpoll=True) as (server, wire):
        wire.send("text")
        wire.send("more text")
        assert await said(wire) == ["got text", "got more text"]
        await advance(3)
        assert await said(wire) == ["later", "later"]
        wire.send(b"bytes")
        assert await said(wire) == ["got b'bytes'"]
        await server.endpoint.disconnect("ann")
    assert Later.reasons == ["shutdown"]


async def test_bytes_for_a_client_that_polls() -> None:
    """Bytes can't be sent, and the sender gets an error. The connection ends as if the method had raised."""

    class Binary(Recording):
        async def receive(self, message: str) -> bytes:
            return b"bytes"

    async with talking(Binary, over="longpoll", longpoll=True) as (server, wire):
        wire.send("go")
        await settle()
        assert wire.code is not None
        record = server.logged("crashed in receive")
        assert record.exc_info is not None
        assert "bytes can't be sent to a client that polls" in str(record.exc_info[1])
