"""The console's commands do what they say, on a server in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from bennu import Channel, Endpoint, Presence, Refused, Socket, Stop, on
from bennu.client import ConnectFailed, ConnectTarget
from bennu.client.options import Vsn
from bennu.console import ConsoleSession, Happening
from bennu.console.commands import parse
from bennu.console.happenings import (
    CommandFailed,
    ConnectionLost,
    ConnectionOpened,
    EventCame,
    FrameShown,
    HelpShown,
    PingAnswered,
    PresenceShown,
    PushMade,
    PushReplied,
    TopicClosed,
    TopicJoined,
    TopicLeft,
    TopicsShown,
    TopicState,
    TopicTroubled,
    Troubled,
    WaitEnded,
    WatchChosen,
)
from bennu.testing.clock import advance

from ..client.in_memory import URL, Network
from ..client.played import PlayedServer
from ..support.frames import PHX_JOIN, PHX_LEAVE, PHX_REPLY
from ..support.memory import serve

H = TypeVar("H", bound=Happening)


class Room(Channel[str]):
    async def join(self) -> dict[str, str]:
        if self.topic == "room:secret":
            raise Refused("not invited")
        return {"title": "Lobby"}

    async def after_join(self) -> None:
        presence: Any = self.endpoint.presences[0]
        await presence.track(self, self.assigns, {"device": "phone"})
        await presence.push_state(self)

    @on("say")
    async def say(self, payload: dict[str, Any]) -> dict[str, int]:
        await self.broadcast("said", payload)
        return {"id": 7}

    @on("refuse")
    async def refuse(self, payload: dict[str, Any]) -> None:
        raise Refused("never")

    @on("quiet")
    async def quiet(self, payload: dict[str, Any]) -> None:
        """Send no reply."""

    @on("image")
    async def image(self, payload: bytes) -> bytes:
        return payload

    @on("end")
    async def end(self, payload: dict[str, Any]) -> None:
        raise Stop

    @on("crash")
    async def crash(self, payload: dict[str, Any]) -> None:
        raise ValueError("boom")


async def connect_user(params: dict[str, Any]) -> str:
    if params["name"] == "eve":
        raise Refused("no eve")
    return str(params["name"])


class Console:
    """A console and what it has told."""

    def __init__(self, transport: Any, vsn: Vsn = "2.0.0") -> None:
        self.told: list[Happening] = []
        self.session = ConsoleSession(
            URL,
            self.told.append,
            transport=transport,
            options={"params": {"name": "ann"}, "vsn": vsn},
        )

    async def does(self, line: str) -> bool:
        """Execute a line."""
        command = parse(line)
        assert command is not None
        return await self.session.execute(command, line)

    async def shows(self, line: str, kind: type[H]) -> H:
        """Execute a line that succeeds; return what it has told of a kind."""
        self.told.clear()
        assert await self.does(line), self.told
        return self.last(kind)

    async def fails(self, line: str) -> str:
        """Execute a line that fails; return why."""
        assert not await self.does(line)
        failed = self.last(CommandFailed)
        assert failed.command == line
        return failed.reason

    def last(self, kind: type[H]) -> H:
        """Return the last happening of a kind."""
        return [one for one in self.told if isinstance(one, kind)][-1]


@asynccontextmanager
async def opened(
    vsn: Vsn = "2.0.0", *, crashes: bool = False
) -> AsyncIterator[tuple[Console, Network]]:
    socket = Socket(connect=connect_user, channels={"room:*": Room})
    endpoint = Endpoint(sockets={"/socket": socket}, presence=Presence())
    async with serve(endpoint) as server:
        network = Network(lambda: endpoint)
        console = Console(network.open, vsn)
        assert await console.does("connect")
        yield console, network
        await console.session.close()
        if crashes:
            server.logged("crashed in crash")


async def test_a_console_connects_joins_pushes_and_leaves() -> None:
    async with opened() as (console, _):
        assert console.last(ConnectionOpened).url == URL
        joined = await console.shows("join room:1", TopicJoined)
        assert (joined.topic, joined.response, joined.again) == (
            "room:1",
            {"title": "Lobby"},
            False,
        )
        reply = await console.shows('push room:1 say {"body": "Hi"}', PushReplied)
        assert (reply.event, reply.status, reply.response) == ("say", "ok", {"id": 7})
        assert console.last(EventCame).payload == {"body": "Hi"}
        reply = await console.shows("push room:1 image 0x4865", PushReplied)
        assert reply.response == b"He"
        await console.shows("send room:1 quiet", PushMade)
        shown = await console.shows("topics", TopicsShown)
        assert shown.topics == [TopicState("room:1", "joined")]
        present = await console.shows("presence room:1", PresenceShown)
        assert [meta["device"] for meta in present.presences["ann"]] == ["phone"]
        await console.shows("ping", PingAnswered)
        assert (await console.shows("leave room:1", TopicLeft)).topic == "room:1"
        assert (await console.shows("topics", TopicsShown)).topics == []
        assert not [one for one in console.told if isinstance(one, TopicClosed)]
        await console.shows("join room:1", TopicJoined)
        assert (await console.shows("disconnect", ConnectionLost)).again is False


async def test_what_fails_says_what_to_write() -> None:
    async with opened() as (console, _):
        assert await console.fails("push room:1 say") == "room:1 is not joined: write join room:1"
        assert await console.fails("join room:secret") == "the join of room:secret was refused"
        assert console.last(CommandFailed).response == {"reason": "not invited"}
        assert await console.does("join room:1")
        assert "write leave room:1 first" in await console.fails("join room:1")
        assert not await console.does("push room:1 refuse")
        refused = console.last(PushReplied)
        assert (refused.status, refused.response) == ("error", {"reason": "never"})
        assert "write send in place of push" in await console.fails("push room:1 quiet")
        assert "belong to the protocol" in await console.fails(f"push room:1 {PHX_LEAVE}")
        await console.shows("disconnect", ConnectionLost)
        for line in ("disconnect", "ping", "join room:1", "leave room:1"):
            assert "there is no connection" in await console.fails(line)


async def test_a_wait_takes_each_event_once() -> None:
    async with opened() as (console, _):
        assert await console.does("join room:1")
        assert await console.does("push room:1 say")
        waited = await console.shows("wait room:1 said", WaitEnded)
        assert (waited.topic, waited.event) == ("room:1", "said")
        assert await console.fails("wait room:1 said 2") == "no said has come on room:1 within 2 s"
        waiting = asyncio.create_task(console.does("wait room:1 said"))
        await advance(1)
        assert await console.does("send room:1 say")
        assert await waiting
        assert (await console.shows("wait 3", WaitEnded)).ms == pytest.approx(3000, abs=10)


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_frames_are_watched_both_ways(vsn: Vsn) -> None:
    async with opened(vsn) as (console, _):
        assert (await console.shows("watch frames", WatchChosen)).choice == "frames"
        assert await console.does('join room:1 {"a": 1}')
        assert await console.does('push room:1 say {"b": 2}')
        seen = [one for one in console.told if isinstance(one, FrameShown)]
        assert [(one.event, one.payload) for one in seen if one.is_sent] == [
            (PHX_JOIN, {"a": 1}),
            ("say", {"b": 2}),
        ]
        assert {one.event for one in seen if not one.is_sent} >= {PHX_REPLY, "said"}
        assert not [one for one in console.told if isinstance(one, EventCame)]
        assert (await console.shows("watch off", WatchChosen)).choice == "off"
        await console.shows("push room:1 say", PushReplied)
        assert not [one for one in console.told if isinstance(one, EventCame | FrameShown)]


async def test_binary_frames_are_watched() -> None:
    async with opened() as (console, _):
        assert await console.does("join room:1")
        assert await console.does("watch frames")
        await console.shows("push room:1 image 0x4865", PushReplied)
        seen = [one for one in console.told if isinstance(one, FrameShown)]
        assert [one.is_sent for one in seen if one.payload == b"He"] == [True, False]


async def test_channels_that_end_and_crash_are_told_of() -> None:
    async with opened(crashes=True) as (console, _):
        assert await console.does("join room:1")
        assert await console.does("send room:1 end")
        await advance(0.1)
        assert console.last(TopicClosed).topic == "room:1"
        assert await console.does("join room:1")
        assert await console.does("send room:1 crash")
        await advance(0.1)
        assert console.last(TopicTroubled).topic == "room:1"
        await advance(10)
        assert console.last(TopicJoined).again


async def test_a_lost_connection_comes_back() -> None:
    async with opened() as (console, network):
        assert await console.does("join room:1")
        network.wires[0].cut()
        await advance(10)
        assert console.last(ConnectionLost).again
        assert console.last(ConnectionOpened).again
        assert console.last(TopicJoined).again


async def test_connect_takes_other_parameters() -> None:
    async with opened() as (console, _):
        assert "HTTP 403" in await console.fails("connect name=eve")
        assert await console.fails("ping") == "there is no connection: write connect"
        assert console.session.is_open is False
        assert (await console.shows("connect name=bo", ConnectionOpened)).again is False
        assert await console.does("join room:1")
        await advance(0.1)
        assert [*(await console.shows("presence room:1", PresenceShown)).presences] == ["bo"]


async def test_tries_that_fail_for_one_reason_are_told_once() -> None:
    played = PlayedServer()
    played.failures.extend([None, *[ConnectFailed("no route")] * 3])
    console = Console(played.open)
    assert await console.does("connect")
    played.transports[0].end()
    await advance(5)
    assert [one.reason for one in console.told if isinstance(one, Troubled)] == ["no route"]
    await console.session.close()


async def test_a_server_that_does_not_answer() -> None:
    async def hang(target: ConnectTarget) -> Any:
        await asyncio.Event().wait()

    assert "has not answered within 10 s" in await Console(hang).fails("connect")


async def test_a_frame_that_is_no_message_is_told_of() -> None:
    played = PlayedServer()
    console = Console(played.open)
    assert await console.does("connect")
    for number, choice in enumerate(("frames", "events"), 1):
        assert await console.does(f"watch {choice}")
        played.transports[0].play_text("{" * number)
        await advance(0.1)
        assert console.last(Troubled).reason.startswith("the server sent '{")
        assert len([one for one in console.told if isinstance(one, Troubled)]) == number
    await console.session.close()


async def test_help_lists_and_explains() -> None:
    console = Console(PlayedServer().open)
    rows = (await console.shows("help", HelpShown)).rows
    assert ("ping", "asks the server for an answer, and shows its time") in rows
    rows = (await console.shows("help push", HelpShown)).rows
    assert rows[1] == ("for example", 'push room:1 new_msg {"body": "Hi"}')
    assert await console.does("quit")
