"""Large messages are handled one by one, for all clients, and released when they are handled."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from bennu import Channel, Ok, on
from bennu.loop.scheduler import Scheduler
from bennu.message import Message
from bennu.testing.clock import advance, running_loop, settle

from ..support.frames import PHX_CLOSE, PHX_REPLY, ok
from ..support.inside import connection_of, waiting_turns_of
from ..support.memory import endpoint_of, serve

LARGE = "x" * 20_000


class Box(msgspec.Struct, weakref=True):
    """A payload with a weak reference."""

    text: str


class Noted:
    """The records of the channels."""

    def __init__(self) -> None:
        self.turn = 0
        self.turns: list[int] = []
        self.boxes: list[weakref.ref[Box]] = []
        self.reasons: list[Any] = []


noted = Noted()


class Sink(Channel[Any]):
    """A channel that records the turn of the event loop of each call."""

    max_inbox = 1000

    @on("take")
    async def take(self, payload: Box) -> Ok:
        noted.turns.append(noted.turn)
        noted.boxes.append(weakref.ref(payload))
        return Ok(payload)

    async def terminate(self, reason: Any) -> None:
        noted.reasons.append(reason)


@pytest.fixture(autouse=True)
def _nothing_noted() -> None:
    noted.__init__()  # type: ignore[misc]


def locals_of(task: asyncio.Task[Any]) -> Iterator[Any]:
    """Return the values that the frames of an idle task hold."""
    coroutine: Any = task.get_coro()
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        yield from frame.f_locals.values()
        coroutine = coroutine.cr_await


async def test_one_large_message_is_handled_in_a_turn() -> None:
    """Otherwise ten clients would block the loop ten times as long as one client."""

    async def count() -> None:
        while True:
            noted.turn += 1
            await asyncio.sleep(0)

    async with serve(endpoint_of({"sink:*": Sink})) as server:
        clients = [await server.connect() for _ in range(3)]
        for client in clients:
            assert await client.join("sink:1") == ok()
            await client.call("sink:1", "take", {"text": LARGE})
        noted.turns.clear()
        counting = asyncio.create_task(count())
        for _ in range(4):
            for client in clients:
                client.push("sink:1", "take", {"text": LARGE})
        while len(noted.turns) < 12:  # noqa: ASYNC110 - the turns are what is counted
            await asyncio.sleep(0)
        counting.cancel()
        assert len(set(noted.turns)) == 12


async def test_small_messages_wait_for_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes are small."""
    monkeypatch.delattr(Scheduler, "exclusive")
    async with serve(endpoint_of({"sink:*": Sink})) as server:
        client = await server.connect()
        assert await client.join("sink:1") == ok()
        for size in (10, 900, 5_000, 10_000):
            assert await client.call("sink:1", "take", {"text": "x" * size}) == ok(
                {"text": "x" * size}
            )


async def test_nothing_holds_on_to_a_message_that_was_handled() -> None:
    """A hundred idle channels with one message of ten megabytes each would take a gigabyte."""
    async with serve(endpoint_of({"sink:*": Sink})) as server:
        client = await server.connect()
        assert await client.join("sink:1") == ok()
        connection = connection_of(server.endpoint)
        channel: Any = connection.members()[0]
        for event in ("take", "unknown"):
            await client.call("sink:1", event, {"text": LARGE})
            await settle()
            held = list(locals_of(channel.task.task))
            assert channel in held
            assert not any(isinstance(one, Message) and len(one.payload) > 100 for one in held)
        assert [box() for box in noted.boxes] == [None]


async def test_an_end_lets_go_what_waits() -> None:
    """Otherwise the messages would wait for the garbage collector."""
    async with serve(endpoint_of({"sink:*": Sink})) as server:
        client = await server.connect()
        assert await client.join("sink:1") == ok()
        connection = connection_of(server.endpoint)
        channel: Any = connection.members()[0]
        client.leave("sink:1")
        client.push("sink:1", "take", {"text": LARGE})
        await settle()
        assert not channel.task.mailbox


@pytest.mark.parametrize("end", ["leave", "closed", "rejoin"])
async def test_an_end_waits_for_no_turn_for_ever(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the grace time the channel ends without the turn."""

    async def never(_scheduler: Scheduler) -> None:
        await running_loop().create_future()

    monkeypatch.setattr(Scheduler, "exclusive", never)
    async with serve(endpoint_of({"sink:*": Sink})) as server:
        client = await server.connect()
        assert await client.join("sink:1") == ok()
        client.push("sink:1", "take", {"text": LARGE})
        client.push("sink:1", "take", {"text": LARGE})
        await settle()
        if end == "leave":
            client.leave("sink:1")
        elif end == "closed":
            client.close()
        else:
            client.start_join("sink:1", ref="2")
        await advance(6)
        assert len(noted.turns) == 1
        if end == "rejoin":
            assert [(frame.ref, frame.event) for frame in client.read()][-2:] == [
                ("2", PHX_REPLY),
                ("1", PHX_CLOSE),
            ]
        else:
            assert noted.reasons == [{"leave": "left", "closed": "closed"}[end]]
            server.logged("did not finish in 5s")
            assert not waiting_turns_of(server.endpoint)
