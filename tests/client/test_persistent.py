"""The fallback from WebSockets to long polling, and what a connection survives."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bennu.client import Client, ConnectFailed, ConnectTarget
from bennu.testing.clock import advance, settle

from .played import EXACT, PlayedServer, PlayedTransport


class Both:
    """A server that takes WebSockets, or not, and polls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.websocket = PlayedServer()
        self.polling = PlayedServer(beats=False)
        monkeypatch.setattr("bennu.client.client.open_longpoll", self.polling.open)

    def client(self, **options: Any) -> Client:
        """Return a client that can fall back."""
        return Client(
            "ws://played/socket",
            transport=self.websocket.open,
            **{"longpoll_fallback": 2, **EXACT, **options},
        )

    async def answer_ping(self) -> None:
        """Answer the ping of the WebSocket."""
        await settle()
        transport = self.websocket.now
        ping = transport.sent[0]
        assert tuple(ping) == (None, ping.ref, "phoenix", "heartbeat", {})
        transport.play(None, ping.ref, "phoenix", "phx_reply", {"status": "ok", "response": {}})
        await settle()


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Both:
    return Both(monkeypatch)


async def test_a_websocket_that_fails_is_replaced_at_once_and_for_good(both: Both) -> None:
    both.websocket.failures.append(ConnectFailed("blocked"))
    async with both.client():
        assert len(both.polling.transports) == 1
        both.polling.now.end()
        await advance(0.01)
        assert len(both.polling.transports) == 2
        assert len(both.websocket.targets) == 1


async def test_a_websocket_that_does_not_open_in_time_is_replaced(both: Both) -> None:
    async def never(target: ConnectTarget) -> Any:
        await asyncio.get_running_loop().create_future()

    client = Client("ws://played/socket", transport=never, longpoll_fallback=2)
    await client.opened()
    assert asyncio.get_running_loop().time() == 2
    assert len(both.polling.transports) == 1
    await client.close()


async def test_a_websocket_that_carries_nothing_is_replaced(both: Both) -> None:
    """Some proxies let a WebSocket open, and then drop its messages."""
    async with both.client() as client:
        room = client.channel("room")
        join = room.join()
        await advance(2)
        assert len(both.polling.transports) == 1
        assert [one.event for one in both.polling.sent] == ["phx_join"]
        await both.polling.accept({"a": 1})
        assert await join == {"a": 1}
        assert both.websocket.now.closed is not None


async def test_a_websocket_that_has_worked_is_never_replaced(both: Both) -> None:
    """A server that restarts does not make its clients poll."""
    async with both.client() as client:
        await both.answer_ping()
        await advance(20)
        both.websocket.failures.extend([ConnectFailed("restarting")] * 5)
        both.websocket.now.end()
        await advance(10)
        assert client.is_open
        assert len(both.websocket.transports) == 2
        assert both.polling.targets == []


async def test_both_failing_goes_on_by_polling(both: Both) -> None:
    both.websocket.failures.append(ConnectFailed("blocked"))
    both.polling.failures.append(ConnectFailed("down"))
    async with both.client():
        assert len(both.polling.targets) == 2


async def test_a_client_that_polls_has_nothing_to_fall_back_to(both: Both) -> None:
    client = Client("ws://played/socket", transport="longpoll", longpoll_fallback=2)
    assert not client.is_open


class Broken(PlayedTransport):
    """A transport with a mistake."""

    async def receive(self) -> str | bytes:
        """Raise what no transport may raise."""
        if not self.sent:
            return await super().receive()
        raise ValueError("mine")


async def test_a_mistake_in_a_transport_is_logged_and_the_client_connects_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    opened: list[PlayedTransport] = []

    async def open_it(target: ConnectTarget) -> PlayedTransport:
        transport = PlayedTransport() if opened else Broken()
        opened.append(transport)
        return transport

    async with Client("ws://a/socket", transport=open_it, **EXACT) as client:
        _ = client.ping()
        opened[0].play(None, None, "any", "event", {})
        await advance(0.1)
        assert client.is_open
        assert len(opened) == 2
    assert "A message of ws://a/socket could not be handled" in caplog.text


async def test_a_cancelled_start_ends_the_client() -> None:
    """`async with` that is cancelled leaves no task behind."""
    before = asyncio.all_tasks()

    async def never(target: ConnectTarget) -> Any:
        await asyncio.get_running_loop().create_future()

    async def run() -> None:
        async with Client("ws://a/socket", transport=never, timeout=60):
            pytest.fail("it does not open")

    task = asyncio.create_task(run())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before
