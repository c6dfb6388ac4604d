"""What a client does with its connection, by the tests of phoenix.js (assets/test/socket_test.js)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bennu import DefinitionError
from bennu.client import (
    Backoff,
    ChannelClosed,
    ChannelState,
    Client,
    Closed,
    ConnectFailed,
    ConnectionState,
    ConnectRefused,
    PushLost,
)
from bennu.testing.clock import advance, settle
from tests.support.clock import work

from .played import PlayedServer


@pytest.fixture
async def server() -> PlayedServer:
    return PlayedServer()


# Options.


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"vsn": "3.0.0"}, 'one of "2.0.0", "1.0.0"'),
        ({"transport": "tcp"}, 'one of "websocket", "longpoll"'),
        ({"overflow": "grow"}, 'one of "raise", "drop_oldest"'),
        ({"timeout": 0}, "seconds: a positive number"),
        ({"heartbeat": "30"}, "seconds: a positive number"),
        ({"longpoll_fallback": True}, "seconds: a positive number"),
    ],
)
def test_a_wrong_option_says_what_to_write(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Client("ws://a/socket", **options)
    assert caught.value.expected == expected
    assert f"{next(iter(options))}=" in caught.value.write


def test_recovery_needs_missed() -> None:
    client = Client("ws://a/socket")
    with pytest.raises(DefinitionError, match="without it a loss would be silent"):
        client.channel("room", position="7:e")
    with pytest.raises(DefinitionError, match="the position of a channel"):
        client.channel("room", missed=print, position="7")


def test_a_client_shows_its_url_without_secrets() -> None:
    client = Client("wss://ann:secret@a/socket?token=secret")
    assert repr(client) == "<Client wss://a/socket closed>"
    assert repr(client.channel("room")) == "<RemoteChannel 'room' closed>"


# Connect.


async def test_params_and_token_are_asked_for_at_each_connect(server: PlayedServer) -> None:
    counts = iter(range(10))

    async def params() -> dict[str, Any]:
        return {"count": next(counts)}

    async with server.client(params=params, auth_token=lambda: f"t{next(counts)}"):
        server.now.end()
        await advance(0.1)
    assert [(target.query, target.token) for target in server.targets] == [
        ("count=0&vsn=2.0.0", "t1"),
        ("count=2&vsn=2.0.0", "t3"),
    ]


async def test_the_state_follows_the_connection(server: PlayedServer) -> None:
    client = Client("ws://played/socket", transport=server.open)
    states = [client.state]
    client.start()
    client.start()
    states.append(client.state)
    await client.opened()
    states.append(client.state)
    await client.close()
    states.append(client.state)
    await client.close()
    assert states == [
        ConnectionState.CLOSED,
        ConnectionState.CONNECTING,
        ConnectionState.OPEN,
        ConnectionState.CLOSED,
    ]
    assert len(server.transports) == 1


async def test_a_refused_connect_is_raised_at_once(server: PlayedServer) -> None:
    server.failures.append(ConnectRefused(403, "bad token"))
    with pytest.raises(ConnectRefused, match="with HTTP 403: bad token") as caught:
        async with server.client():
            pytest.fail("it was refused")
    assert (caught.value.status, caught.value.reason) == (403, "bad token")
    await advance(60)
    assert len(server.targets) == 1


async def test_a_client_that_was_refused_can_be_waited_for_again(server: PlayedServer) -> None:
    server.failures.extend([ConnectRefused(403)] * 2)
    client = Client("ws://played/socket", transport=server.open)
    for _ in range(2):
        with pytest.raises(ConnectRefused):
            await client.opened()
    await client.opened()
    await client.close()


@pytest.mark.parametrize(
    "failure", [ConnectFailed("down"), ConnectRefused(503), ConnectRefused(429)]
)
async def test_what_passes_is_tried_again(server: PlayedServer, failure: Exception) -> None:
    """A server that starts or drains is no reason to give up."""
    server.failures.extend([failure] * 3)
    async with server.client():
        assert server.times == pytest.approx([0, 0.01, 0.06, 0.16])


async def test_a_server_that_is_not_there_is_an_error_in_time(server: PlayedServer) -> None:
    server.failures.extend([ConnectFailed("down")] * 1000)
    with pytest.raises(ConnectFailed, match="down"):
        async with server.client(timeout=3):
            pytest.fail("it is down")
    assert asyncio.get_running_loop().time() == 3


async def test_a_server_that_does_not_answer_is_an_error_in_time() -> None:
    async def never(target: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(ConnectFailed, match="ws://a/socket has not answered within 3 s"):
        async with Client("ws://a/socket", transport=never, timeout=3):
            pytest.fail("it does not answer")


async def test_params_that_raise_are_raised(
    server: PlayedServer, caplog: pytest.LogCaptureFixture
) -> None:
    def params() -> dict[str, Any]:
        raise ValueError("no token")

    with pytest.raises(ValueError, match="no token"):
        async with server.client(params=params):
            pytest.fail("there are no parameters")
    assert "Connecting to ws://played/socket failed" in caplog.text


async def test_a_client_can_start_without_its_server(server: PlayedServer) -> None:
    """It tries for ever, and its channels join when it succeeds."""
    server.failures.extend([ConnectFailed("down")] * 100)
    errors: list[Exception] = []
    opens: list[str] = []
    client = Client("ws://played/socket", transport=server.open)
    client.on_error(errors.append)
    client.on_open(lambda: opens.append("open"))
    client.start()
    room = client.channel("room")
    _ = room.join()
    while not client.is_open:
        await advance(1)
    assert (len(errors), opens) == (100, ["open"])
    await server.accept()
    assert room.is_joined
    await client.close()


async def test_closing_before_the_connection_is_open_ends_the_wait(server: PlayedServer) -> None:
    server.failures.extend([ConnectFailed("down")] * 100)
    client = Client("ws://played/socket", transport=server.open)
    waiting = asyncio.create_task(client.opened())
    await settle()
    await client.close()
    with pytest.raises(ConnectFailed, match="closed before its connection was open"):
        await waiting


# Reconnect.


async def test_it_connects_again_by_the_schedule_and_the_schedule_begins_anew(
    server: PlayedServer,
) -> None:
    async with server.client():
        server.failures.extend([ConnectFailed("down")] * 11)
        server.now.end()
        await advance(60)
        waits = [
            round((b - a) * 1000) for a, b in zip(server.times, server.times[1:], strict=False)
        ]
        assert waits == [10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000, 5000, 5000]
        server.now.end()
        await advance(0.01)
        assert len(server.transports) == 3


@pytest.mark.parametrize("code", [1001, 1006, 1011, 1012, 1013, 4001, 4003])
async def test_it_connects_again_after_any_code_but_1000(server: PlayedServer, code: int) -> None:
    closes: list[Closed] = []
    async with server.client() as client:
        client.on_close(closes.append)
        server.now.end(code, "why")
        await advance(0.1)
        assert client.is_open
        assert closes == [Closed(code, "why")]


async def test_a_normal_close_of_the_server_is_the_end(server: PlayedServer) -> None:
    async with server.client() as client:
        room = client.channel("room")
        join = room.join()
        server.now.end(1000, "done")
        await advance(60)
        assert client.state is ConnectionState.CLOSED
        assert room.state is ChannelState.CLOSED
        with pytest.raises(ChannelClosed):
            await join
        await client.opened()  # it can be started again
        assert client.is_open


async def test_channels_that_were_joined_join_again_at_once(server: PlayedServer) -> None:
    async with server.client() as client:
        rooms = [client.channel(f"room:{number}") for number in range(3)]
        for room in rooms:
            _ = room.join()
            await server.accept()
        server.now.end()
        await advance(0.01)
        assert [one.topic for one in server.sent] == ["room:0", "room:1", "room:2"]


async def test_closing_ends_everything(server: PlayedServer) -> None:
    async with server.client() as client:
        room = client.channel("room")
        join = room.join()
        await server.accept()
        await join
        push = room.push("event")
        errors: list[Any] = []
        closes: list[Closed] = []
        room.on_error(errors.append)
        client.on_close(closes.append)
        events = room.events("event")
        waiting = asyncio.create_task(anext(events, None))
        await settle()
    assert await waiting is None
    with pytest.raises(PushLost):
        await push
    assert (errors, closes) == ([], [Closed(1000, "")])
    await advance(3600)
    assert len(server.targets) == 1


async def test_closing_says_the_code(server: PlayedServer) -> None:
    async with server.client() as client:
        await client.close(4000, "bye")
    assert server.now.closed == Closed(4000, "bye")


# Heartbeats and pings.


async def test_a_heartbeat_is_sent_each_interval(server: PlayedServer) -> None:
    async with server.client():
        for count in range(1, 4):
            await advance(30)
            beats = [one for one in server.now.sent if one.event == "heartbeat"]
            assert len(beats) == count
            assert beats[-1] == (None, beats[-1].ref, "phoenix", "heartbeat", {})
            server.reply(beats[-1])
            await settle()


async def test_a_heartbeat_without_an_answer_ends_the_connection(server: PlayedServer) -> None:
    async with server.client() as client:
        room = client.channel("room")
        join = room.join()
        await server.accept()
        await join
        errors: list[Any] = []
        room.on_error(errors.append)
        await advance(59.9)
        assert client.is_open
        await advance(0.1)
        assert server.transports[0].closed == Closed(1000, "heartbeat timeout")
        assert errors == [{"source": "transport", "reason": "heartbeat_timeout"}]
        await advance(0.01)
        assert len(server.transports) == 2
        await advance(59)
        assert len(server.transports) == 2


async def test_no_heartbeat_follows_a_close(server: PlayedServer) -> None:
    async with server.client():
        await advance(30)
    await advance(600)
    assert len(server.targets) == 1


async def test_a_transport_can_go_without_heartbeats() -> None:
    server = PlayedServer(beats=False)
    async with server.client():
        await advance(3600)
        assert server.now.sent == []


async def test_a_ping_measures_the_time_to_the_answer(server: PlayedServer) -> None:
    async with server.client() as client:
        ping, late, lost = client.ping(), client.ping(timeout=2), client.ping()
        first, *_ = server.now.sent
        assert first == (None, first.ref, "phoenix", "heartbeat", {})
        await advance(0.25)
        server.reply(first)
        assert await ping == pytest.approx(0.25)
        await advance(2)
        with pytest.raises(ConnectFailed, match="not answered in time"):
            await late
        server.now.end()
        with pytest.raises(ConnectFailed, match="the connection ended"):
            await lost
        with pytest.raises(ConnectFailed, match="there is no connection"):
            await client.ping()


# Messages.


async def test_each_message_is_told_and_what_is_none_is_an_error(server: PlayedServer) -> None:
    async with server.client() as client:
        messages: list[Any] = []
        errors: list[Exception] = []
        client.on_message(lambda message: messages.append(message.event))
        client.on_error(errors.append)
        server.now.play(None, None, "any", "event", {})
        server.now.play_text("{")
        server.now.play("1", "1", "any", "phx_reply", [])
        await settle()
        assert messages == ["event", "phx_reply"]
        assert ["the server sent" in str(error) for error in errors] == [True]
        room = client.channel("any")
        _ = room.join()
        server.now.play(room.join_ref, room.join_ref, "any", "phx_reply", [])
        await settle()
        assert len(errors) == 2
        assert client.is_open


async def test_callbacks_of_a_client_can_be_async_and_cancelled(server: PlayedServer) -> None:
    got: list[str] = []

    async def opened() -> None:
        got.append("async")

    client = Client("ws://played/socket", transport=server.open)
    client.on_open(opened)
    client.on_open(lambda: got.append("plain")).cancel()
    async with client:
        await settle()
    assert got == ["async"]


async def test_async_callbacks_for_the_end_can_run(server: PlayedServer) -> None:
    """They have the client's timeout; what takes longer is cancelled."""
    got: list[str] = []

    async def closed(name: str) -> None:
        await work(1)
        got.append(name)
        await work(100)

    async with server.client(timeout=5) as client:
        room = client.channel("room")
        _ = room.join()
        room.on_close(lambda: closed("room"))
        client.on_close(lambda _: closed("client"))
    assert got == ["room", "client"]
    assert asyncio.get_running_loop().time() == 10


async def test_jitter_spreads_the_clients() -> None:
    """Clients that lost their server together do not come back together."""
    servers = [PlayedServer() for _ in range(20)]
    clients = [
        Client("ws://played/socket", transport=one.open, reconnect=Backoff((10,), jitter=0.5))
        for one in servers
    ]
    for client in clients:
        await client.opened()
    for one in servers:
        one.now.end()
    await advance(20)
    waits = [one.times[1] for one in servers]
    assert all(5 <= wait <= 15 for wait in waits)
    assert max(waits) - min(waits) > 2
    for client in clients:
        await client.close()
