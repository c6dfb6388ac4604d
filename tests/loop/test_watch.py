"""The watch logs the function that blocks the event loop.

These tests use a real clock, because the watch is a thread that reads one. They wait for states.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bennu import Channel, Endpoint, Socket, on
from bennu.loop import watch as module
from bennu.loop.watch import Holder, Watch, what_runs
from bennu.telemetry import LoopHeld
from bennu.user_code.callback import Callback
from tests.support.frames import decode_v2, encode_v2, joining, ok, pushing, reply

pytestmark = pytest.mark.clock("real")


class Told(logging.Handler):
    """Waits for the warning of the watch."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.put_nowait(record.getMessage())

    async def line(self) -> str:
        """Wait for the log line, and return it."""
        return await self._lines.get()


@pytest.fixture
def told() -> Iterator[Told]:
    handler = Told()
    logger = logging.getLogger("bennu")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def ignore(holder: Holder, seconds: float) -> None:
    """Do nothing when the loop was held."""


def watches() -> set[threading.Thread]:
    """Return the threads of all watches."""
    return {thread for thread in threading.enumerate() if thread.name == "bennu-watch"}


class Held:
    """Blocks the event loop until the watch has found the function."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen = threading.Event()
        look = module.what_runs

        def looks(top: Any) -> Any:
            found = look(top)
            self.seen.set()
            return found

        monkeypatch.setattr(module, "what_runs", looks)

    def __call__(self) -> None:
        assert self.seen.wait(30)


async def test_a_function_that_holds_the_loop_is_named(
    monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    """The line has the place, and the time."""
    hold = Held(monkeypatch)

    async def connect() -> None:
        hold()

    heard: list[tuple[str, float]] = []

    def tell(holder: Holder, seconds: float) -> None:
        heard.append((holder.name, seconds))

    watch = Watch.begin(tell, 0.02)
    try:
        await Callback("Socket(connect=...)", connect).call_on_loop()
        line = await told.line()
    finally:
        watch.end(tell)
    assert line.startswith("Socket(connect=...) held the event loop for ")
    assert __file__ in line
    [(name, seconds)] = heard
    assert name == "Socket(connect=...)"
    assert seconds > 0.02


async def test_a_handler_is_named_with_its_channel_and_event(
    monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    """The line names the handler, its event and its channel."""
    monkeypatch.setattr("bennu.server.server.HOLD_LIMIT", 0.02)
    hold = Held(monkeypatch)

    class Room(Channel):
        @on("slow")
        async def slow(self) -> None:
            hold()

    endpoint = Endpoint(sockets={"/socket": Socket(connect=lambda: None, channels={"room": Room})})
    heard: list[LoopHeld] = []
    endpoint.telemetry.attach(heard.append, LoopHeld)
    await endpoint.start()
    try:
        await _push(endpoint)
        line = await told.line()
    finally:
        await endpoint.stop()
    [event] = heard
    assert line.startswith(
        f"{event.name} held the event loop for {round(event.duration * 1000)} ms"
    )
    assert event.place in line
    assert "Room.slow for 'slow' of " in line
    assert "on 'room' held the event loop for " in line


async def _push(endpoint: Endpoint) -> None:
    """Join and push over a WebSocket of ASGI."""
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {
        "type": "websocket",
        "path": "/socket/websocket",
        "root_path": "",
        "query_string": b"vsn=2.0.0",
        "headers": [
            (b"host", b"localhost"),
            (b"connection", b"Upgrade"),
            (b"upgrade", b"websocket"),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "ws",
    }
    events.put_nowait({"type": "websocket.connect"})
    send: Any = answers.put
    serving = asyncio.create_task(endpoint(scope, events.get, send))
    assert (await answers.get())["type"] == "websocket.accept"
    for message in (joining("1", "room"), pushing("1", "2", "room", "slow")):
        events.put_nowait({"type": "websocket.receive", "text": encode_v2(message)})
    assert decode_v2((await answers.get())["text"]) == reply("1", "1", "room", ok())
    events.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await serving


async def test_there_is_one_for_a_loop() -> None:
    """Several endpoints share one watch, and the last endpoint ends it."""
    before = watches()
    one = Watch.begin(ignore, 30)
    assert Watch.begin(ignore, 30) is one
    (thread,) = watches() - before
    one.end(ignore)
    assert thread.is_alive()
    one.end(ignore)
    await asyncio.to_thread(thread.join)
    other = Watch.begin(ignore, 30)
    assert other is not one
    (thread,) = watches() - before
    other.end(ignore)
    await asyncio.to_thread(thread.join)


def test_a_loop_that_is_closed_is_left() -> None:
    """A watch that was not ended ends when its event loop is closed."""

    async def begin() -> None:
        Watch.begin(ignore, 30)

    before = watches()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    (thread,) = watches() - before
    loop.close()
    thread.join(30)
    assert not thread.is_alive()


def test_what_is_not_called_by_us_has_no_name() -> None:
    """A stack without a function of Bennu has no name."""
    assert what_runs(sys._getframe()) is None
