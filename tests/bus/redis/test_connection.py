"""A connection to a server that does not behave as Redis does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from bennu.bus.redis.connection import RedisConnection
from bennu.bus.redis.login import connect_to
from bennu.bus.redis.options import RedisPlace, read_address
from tests.support.until import until

pytestmark = pytest.mark.clock("both loops")

HELLO = b"%2\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[RedisPlace]:
    """Run a server that answers HELLO, and then talks as the test says."""

    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"3\r\n")  # the end of HELLO 3
            await talk(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            ended.set()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield RedisPlace("127.0.0.1", listening.sockets[0].getsockname()[1])
        await ended.wait()


class Connected:
    """A connection, and what its owner was told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.reasons: list[Exception] = []
        self.refused: list[tuple[object, str]] = []
        self.moved: list[str] = []

    async def connect(self, place: RedisPlace, query: str = "") -> RedisConnection:
        return await connect_to(
            place,
            read_address(f"redis://{place}{query}").options,
            {b"a": "a"},
            lambda channel, data: self.heard.append((channel, data)),
            lambda _, reason: self.reasons.append(reason),
            lambda _, mark, error: self.refused.append((mark, error)),
            lambda _, channel: self.moved.append(channel),
        )


@pytest.mark.parametrize("end", [b"!what?\r\n", b"+nobody asked\r\n", b"$-9\r\n", b""])
async def test_what_is_no_answer_ends_the_connection_after_what_came_before(end: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO)
        message = b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n"
        writer.write(message + message.replace(b"\na\r", b"\nb\r") + end)
        if not end:
            writer.close()
        await reader.read()

    owner = Connected()
    async with server(talk) as place:
        connection = await owner.connect(place)
        await until(lambda: owner.reasons)
        assert owner.heard == [("a", b"1")]
        assert isinstance(owner.reasons[0], ConnectionError)
        with pytest.raises(ConnectionError, match="has ended"):
            await connection.command("PING")
        with pytest.raises(ConnectionError, match="has ended"):
            await connection.room()
        await connection.ended.wait()
        assert connection.fds == []
    assert len(owner.reasons) == 1


async def test_pushes_tell_of_channels_that_were_sent_away() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO)
        for name in (b"a", b"b"):
            writer.write(b">3\r\n$12\r\nsunsubscribe\r\n$1\r\n" + name + b"\r\n:0\r\n")
        writer.write(b">0\r\n>2\r\n$10\r\ninvalidate\r\n_\r\n>3\r\n$1\r\nx\r\n_\r\n_\r\n")
        await reader.read()

    owner = Connected()
    async with server(talk) as place:
        connection = await owner.connect(place)
        await until(lambda: owner.moved)
        assert owner.moved == ["a"]
        connection.drop()
        await connection.ended.wait()
    assert owner.reasons == []


async def test_the_owner_is_told_which_message_was_refused() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO)
        await reader.readuntil(b"$1\r\n2\r\n")
        writer.write(b":0\r\n-OOM command not allowed\r\n")
        await reader.read()

    owner = Connected()
    async with server(talk) as place:
        connection = await owner.connect(place)
        connection.publish(b"PUBLISH", [("a", b"1"), ("a", b"2")], ["one", "two"])
        await until(lambda: owner.refused)
        assert owner.refused == [("two", "OOM command not allowed")]
        connection.drop()
        await connection.ended.wait()


async def test_a_server_that_never_answers_is_given_up() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(hang) as place:
        with pytest.raises(ConnectionError, match=r"did not answer within 0\.05 s"):
            await Connected().connect(place, "?socket_connect_timeout=0.05")


async def test_a_connection_that_does_not_exist_can_not_be_used() -> None:
    place = RedisPlace("127.0.0.1")
    connection = RedisConnection(place, {}, print, print)
    with pytest.raises(ConnectionError, match="not connected"):
        await connection.command("PING")


async def test_a_close_that_is_cancelled_closes() -> None:
    asked = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO)
        await reader.readuntil(b"PING\r\n")
        asked.set()
        assert await reader.read() == b""

    async with server(talk) as place:
        connection = await Connected().connect(place)
        closing = asyncio.ensure_future(connection.close())
        await asked.wait()
        closing.cancel()
        await connection.ended.wait()
        assert closing.cancelled()
