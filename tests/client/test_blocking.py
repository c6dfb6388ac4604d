"""The client for scripts: its methods block, and its event loop is in a thread."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, get_type_hints

import pytest
from msgspec import Struct

from bennu import NotStarted, WrongThread
from bennu.client import (
    BlockingClient,
    ChannelClosed,
    Client,
    ConnectFailed,
    JoinRefused,
    PushRefused,
)
from bennu.client.options import ClientKeywords
from tests.support.memory import endpoint_of
from tests.support.servers import Server, serve

from .test_client_server import Ack, NewMsg, Room

pytestmark = pytest.mark.clock("real")


class Joined(Struct):
    asked: dict[str, Any]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serve("native", endpoint_of({"room:*": Room})) as server:
        yield server


async def test_a_script_joins_pushes_and_listens(server: Server) -> None:
    def script() -> None:
        with BlockingClient(server.url("/socket")) as client:
            room = client.join("room:1", {"since": 3}, reply=Joined)
            assert room.response == Joined({"since": 3})
            assert (room.topic, room.is_joined, client.is_open) == ("room:1", True, True)
            assert room.push("new_msg", NewMsg("Hi"), reply=Ack) == Ack(2)
            room.send("new_msg", {"body": "you"})
            assert [room.receive(timeout=10).payload for _ in range(2)] == [
                {"body": "Hi"},
                {"body": "you"},
            ]
            with pytest.raises(TimeoutError):
                room.receive(timeout=0.01)
            with pytest.raises(PushRefused):
                room.push("queue")
            with pytest.raises(JoinRefused, match="full"):
                client.join("room:2", {"refuse": 1})
            assert client.ping() >= 0
            room.send("stop")
            assert [event.name for event in room] == []
            with pytest.raises(ChannelClosed):
                room.receive()
            other = client.join("room:3")
            other.leave()
            assert not other.is_joined

    await asyncio.to_thread(script)


async def test_no_thread_is_left(server: Server) -> None:
    def script() -> list[str]:
        client = BlockingClient(server.url("/socket"))
        client.connect()
        client.connect()
        client.close()
        client.close()
        with pytest.raises(NotStarted, match="needs a connected client"):
            client.join("room:1")
        return [one.name for one in threading.enumerate()]

    assert "bennu-client" not in await asyncio.to_thread(script)


async def test_a_server_that_is_down_is_an_error_and_leaves_no_thread() -> None:
    def script() -> None:
        with pytest.raises(ConnectFailed):
            BlockingClient("ws://127.0.0.1:9/socket", timeout=0.1).connect()
        assert "bennu-client" not in [one.name for one in threading.enumerate()]

    await asyncio.to_thread(script)


def test_it_takes_the_options_of_a_client() -> None:
    options = inspect.signature(Client).parameters.keys() - {"url"}
    assert get_type_hints(ClientKeywords).keys() == options


CALLS: dict[str, Callable[[BlockingClient], object]] = {
    "connect": BlockingClient.connect,
    "close": BlockingClient.close,
    "join": lambda client: client.join("room"),
    "ping": BlockingClient.ping,
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_on_an_event_loop_would_block_it(name: str) -> None:
    client = BlockingClient("ws://a/socket")
    with pytest.raises(WrongThread, match=rf"{name}\(\) of a BlockingClient blocks"):
        CALLS[name](client)
