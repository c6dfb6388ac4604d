"""Recovery of a channel: what an application is told, against a played server and against a topic with history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from bennu import Channel, History, on
from bennu.client import Client, RemoteChannel
from bennu.testing.clock import advance, settle
from tests.support.memory import endpoint_of, serve

from .in_memory import URL, Network, memory_client
from .played import PlayedServer


class Page:
    """A channel that notes what it is told.

    Attributes:
        told: What it was told, in order.
        state: What ``missed`` waits for; None if it returns None at once.
    """

    def __init__(self, client: Client, **options: Any) -> None:
        self.told: list[Any] = []
        self.state: asyncio.Future[Any] | None = None
        self.room: RemoteChannel = client.channel(
            "room",
            {"token": "t"},
            missed=self.missed,
            recovered=lambda count: self.told.append(("recovered", count)),
            **options,
        )
        self.room.on("said", lambda payload: self.told.append(payload["n"]))
        self.room.on_join(lambda _: self.told.append("joined"))
        _ = self.room.join()

    async def missed(self, reason: str) -> Any:
        """Load the state."""
        self.told.append(("missed", reason))
        return None if self.state is None else await self.state


def answer(offset: int, **more: Any) -> dict[str, Any]:
    return {"recovery": {"recovered": True, "epoch": "e", "offset": offset, **more}}


def lost(offset: int, reason: str) -> dict[str, Any]:
    return {"recovery": {"recovered": False, "epoch": "e", "offset": offset, "reason": reason}}


def live(server: PlayedServer, *offsets: int, epoch: str = "e") -> None:
    for offset in offsets:
        server.now.play(None, f"{offset}:{epoch}", "room", "said", {"n": offset})


async def come_back(server: PlayedServer) -> None:
    """Cut the connection, and wait for the next join."""
    server.now.end()
    await advance(0.02)


async def test_it_asks_with_its_position_and_gets_what_it_missed() -> None:
    server = PlayedServer()
    async with server.client() as client:
        page = Page(client)
        join = await server.accept(lost(5, "new"))
        token = join.payload["recovery"]["client"]
        assert len(token) >= 16
        assert join.payload == {"token": "t", "recovery": {"client": token}}
        live(server, 6)
        await settle()
        recovery = page.room.recovery
        assert recovery is not None
        assert recovery.position == "6:e"
        await come_back(server)
        live(server, 8)
        await settle()
        join = await server.accept(answer(6, count=2))
        assert join.payload["recovery"] == {"epoch": "e", "offset": 6, "client": token}
        live(server, 7, 8, 8, 9)
        await settle()
        assert page.told == ["joined", 6, ("recovered", 2), "joined", 7, 8, 9]


async def test_messages_wait_while_the_state_is_loaded() -> None:
    server = PlayedServer()
    async with server.client() as client:
        page = Page(client)
        await server.accept(lost(5, "new"))
        page.state = asyncio.get_running_loop().create_future()
        await come_back(server)
        await server.accept(lost(40, "trimmed"))
        live(server, 41, 42)
        server.now.play(None, None, "room", "said", {"n": "pushed"})
        await settle()
        recovery = page.room.recovery
        assert recovery is not None
        assert (recovery.is_loading, recovery.position) == (True, None)
        assert page.told == ["joined", "joined", ("missed", "trimmed"), "pushed"]
        page.state.set_result("41:e")
        live(server, 43)
        await settle()
        assert page.told[4:] == [42, 43]
        assert recovery.position == "43:e"


async def test_a_load_that_fails_is_logged_and_tried_after_the_next_join(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = PlayedServer()
    async with server.client() as client:
        page = Page(client)
        await server.accept(lost(5, "new"))
        page.state = asyncio.get_running_loop().create_future()
        page.state.set_exception(OSError("503"))
        await come_back(server)
        await server.accept(lost(40, "trimmed"))
        live(server, 41)
        await settle()
        page.state = None
        await come_back(server)
        await server.accept(answer(41, count=0))
        missed = ("missed", "trimmed")
        assert page.told[1:] == ["joined", missed, 41, "joined", missed]
    assert "missed() failed, and is called again after the next join" in caplog.text


async def test_a_plain_missed_is_called_before_anything_else_is_passed_on() -> None:
    """Also before the messages of the same turn as the reply. A second loss meanwhile calls it again."""
    server = PlayedServer()
    async with server.client() as client:
        told: list[Any] = []

        def missed(reason: str) -> str | None:
            told.append(reason)
            if reason == "epoch":
                raise ValueError("mine")
            return "41:e" if reason == "trimmed" else "7"

        room = client.channel("room", missed=missed, position="5:e")
        room.on("said", lambda payload: told.append(payload["n"]))
        _ = room.join()
        await settle()
        server.reply(server.last("phx_join"), lost(40, "trimmed"))
        live(server, 41, 42)
        await settle()
        assert told == ["trimmed", 42]
        for reason in ("epoch", "too_many"):
            await come_back(server)
            server.reply(server.last("phx_join"), lost(50, reason))
            live(server, 51)
            await settle()
        assert told == ["trimmed", 42, "epoch", 51, "too_many", 51]


async def test_more_that_is_lost_during_a_load_is_loaded_too() -> None:
    server = PlayedServer()
    async with server.client() as client:
        page = Page(client, position="5:e")
        page.state = first = asyncio.get_running_loop().create_future()
        await server.accept(lost(40, "trimmed"))
        live(server, 41)
        await settle()
        await come_back(server)
        await server.accept(lost(50, "too_many"))
        live(server, 51)
        await settle()
        page.state = None
        first.set_result("42:e")
        await settle()
        missed = [("missed", "trimmed"), ("missed", "too_many")]
        assert page.told == ["joined", missed[0], "joined", missed[1], 51]


async def test_callbacks_that_raise_stop_nothing(caplog: pytest.LogCaptureFixture) -> None:
    server = PlayedServer()
    async with server.client() as client:

        def broken(count: int) -> None:
            raise ValueError("mine")

        room = client.channel("room", missed=lambda _: None, recovered=broken, position="5:e")
        _ = room.join()
        await server.accept(answer(5, count=1))
        assert room.is_joined
    assert "recovered() failed" in caplog.text


async def test_slow_async_callbacks_are_a_loss_that_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A message that this process itself dropped is not lost in silence."""
    server = PlayedServer()
    async with server.client(buffer=1) as client:
        reasons: list[str] = []
        room = client.channel("room", missed=reasons.append)
        blocked = asyncio.get_running_loop().create_future()

        async def slow(_: Any) -> None:
            await asyncio.shield(blocked)

        room.on("said", slow)
        _ = room.join()
        await server.accept(lost(5, "new"))
        live(server, 6, 7, 8)
        await settle()
        assert reasons == ["slow", "slow"]
        blocked.set_result(None)
    assert "1 events wait for async callbacks" in caplog.text


async def test_a_load_ends_with_its_channel() -> None:
    server = PlayedServer()
    async with server.client() as client:
        page = Page(client, position="5:e")
        page.state = asyncio.get_running_loop().create_future()
        await server.accept(lost(40, "trimmed"))
        live(server, 41)
        await settle()
        leave = page.room.leave()
        server.reply(server.last("phx_leave"))
        await leave
        await settle()
        assert page.state.cancelled()
        assert 41 not in page.told


async def test_params_of_the_application_keep_their_other_keys() -> None:
    server = PlayedServer()
    async with server.client() as client:
        room = client.channel("room", lambda: {"since": 3, "recovery": "mine"}, missed=print)
        _ = room.join()
        payload = server.last("phx_join").payload
        assert payload["since"] == 3
        assert payload["recovery"].keys() == {"client"}


# Against a topic with history.


class Kept(Channel[Any]):
    history = History(size=10, ttl=timedelta(hours=1))

    @on("say")
    async def say(self, payload: dict[str, Any]) -> dict[str, Any]:
        await self.broadcast("said", payload)
        return {}

    @on("say_to_others")
    async def say_to_others(self, payload: dict[str, Any]) -> dict[str, Any]:
        await self.broadcast_from("said", payload)
        return {}


class Served(NamedTuple):
    """A topic with history, and two clients of it. The connection of one can be cut."""

    page: Page
    network: Network
    speaker: RemoteChannel

    async def say(self, *numbers: int) -> None:
        """Broadcast from the other client."""
        for number in numbers:
            await self.speaker.push("say", {"n": number})


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    endpoint = endpoint_of({"room": Kept})
    network = Network(lambda: endpoint)
    async with (
        serve(endpoint),
        Client(URL, transport=network.open) as client,
        memory_client(endpoint) as other,
    ):
        page = Page(client)
        speaker = other.channel("room")
        await speaker.join()
        yield Served(page, network, speaker)
        await settle()


async def test_nothing_is_lost_through_a_cut() -> None:
    async with served() as here:
        await here.say(1)
        await here.page.room.push("say_to_others", {"n": "own"})
        here.network.wires[0].cut()
        await here.say(2, 3)
        await advance(1)
        await here.say(4)
    assert here.page.told == ["joined", 1, ("recovered", 3), "joined", 2, 3, 4]


async def test_what_is_too_much_is_told() -> None:
    async with served() as here:
        await here.say(0)
        here.network.wires[0].cut()
        await here.say(*range(1, 20))
        await advance(1)
        await here.say(20)
    assert here.page.told == ["joined", 0, "joined", ("missed", "trimmed"), 20]
