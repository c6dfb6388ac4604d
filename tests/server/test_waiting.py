"""A channel for which much waits is named in the log and in telemetry, once until half of it was handled."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from bennu import (
    Channel,
    DefinitionError,
    Endpoint,
    RawHandler,
    RawSocket,
    Socket,
    WarnWaiting,
    on,
    on_info,
)
from bennu.telemetry import MessagesWaiting
from bennu.testing import connect, running
from bennu.testing.clock import settle
from bennu.testing.wires import open_wire

GATE = asyncio.Semaphore(0)


class Room(Channel[None]):
    warn_waiting: ClassVar[WarnWaiting | None] = WarnWaiting(messages=4, bytes=1000)

    @on("work")
    async def work(self, text: str) -> None:
        await GATE.acquire()

    @on_info(int)
    async def tick(self, number: int) -> None:
        await GATE.acquire()


class Echo(RawHandler):
    warn_waiting = WarnWaiting(messages=1)

    async def receive(self, message: str | bytes) -> None:
        await GATE.acquire()


@pytest.fixture(autouse=True)
def _closed_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.GATE", asyncio.Semaphore(0))


def make(*, log: bool = True) -> tuple[Endpoint, list[MessagesWaiting]]:
    """Return an endpoint, and the events that it will have emitted."""
    app = Endpoint(
        sockets={
            "/socket": Socket(connect=lambda: None, channels={"room:*": Room}, log=log),
            "/raw": RawSocket(connect=lambda: None, handler=Echo),
        }
    )
    found: list[MessagesWaiting] = []
    app.telemetry.attach(found.append, MessagesWaiting)
    return app, found


async def let(count: int) -> None:
    """Let handlers handle messages."""
    for _ in range(count):
        GATE.release()
    await settle()


async def test_many_messages_warn_once_until_half_of_them_are_handled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, found = make()
    async with running(app), connect(app, "/socket") as ann:
        room = await ann.join("room:1")
        for _ in range(7):  # one is handled, and six wait
            _ = room.push("work", "a")
        await settle()
        assert found == [MessagesWaiting("room:1", "Room", 5, 5 * len('"a"'))]
        lines = [record.getMessage() for record in caplog.records if "wait for" in record.msg]
        text = (
            "5 items wait for Room on 'room:1', with 15 bytes of its client: its handlers are slower"
            " than what comes (warn_waiting)"
        )
        assert lines == [text]
        await let(3)
        for _ in range(3):  # three waited, which is more than the half
            _ = room.push("work", "a")
        await settle()
        assert len(found) == 1
        await let(4)  # two wait
        for _ in range(3):
            _ = room.push("work", "a")
        await settle()
        assert [one.messages for one in found] == [5, 5]
        await let(100)


async def test_many_bytes_warn() -> None:
    app, found = make()
    async with running(app), connect(app, "/socket") as ann:
        room = await ann.join("room:1")
        for _ in range(3):
            _ = room.push("work", "x" * 600)
        await settle()
        assert found == [MessagesWaiting("room:1", "Room", 2, 2 * 602)]
        await let(100)


async def test_messages_of_the_server_count() -> None:
    app, found = make()
    async with running(app), connect(app, "/socket") as ann:
        await ann.join("room:1")
        [room] = app.channels("room:1")
        for number in range(6):
            room.send_self(number)
        await settle()
        assert [(one.messages, one.size) for one in found] == [(5, 0)]
        await let(100)


async def test_a_raw_handler_warns() -> None:
    app, found = make()
    async with running(app):
        wire = await open_wire(app, "/raw/websocket")
        for _ in range(3):
            wire.send("text")
        await settle()
        assert found == [MessagesWaiting("Echo", "Echo", 2, 8)]
        wire.close()
        await let(100)


async def test_a_socket_without_a_log_has_no_event() -> None:
    app, found = make(log=False)
    async with running(app), connect(app, "/socket") as ann:
        room = await ann.join("room:1")
        for _ in range(7):
            _ = room.push("work", "a")
        await settle()
        assert found == []
        await let(100)


def test_another_value_is_refused() -> None:
    class Wrong(Channel):
        warn_waiting = 50  # type: ignore[assignment]

    with pytest.raises(DefinitionError, match=r"WarnWaiting\(messages=50\)"):
        Endpoint(sockets={"/socket": Socket(connect=lambda: None, channels={"a": Wrong})})
