"""The end of ``bennu run``: its order, its times, and code that hangs."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from tests.support.frames import ok
from tests.support.raw import ask, open_raw
from tests.support.servers import Server, until_listening
from tests.support.until import pause, until_true
from tests.support.wire import Phoenix, connect

from .command import Command, bennu

pytestmark = pytest.mark.clock("real")

TARGET = "/socket/websocket?vsn=2.0.0"

APP = """
import asyncio, os, threading
from contextlib import asynccontextmanager
from bennu import Channel, Drain, Draining, Endpoint, Socket, on, on_info

class Room(Channel):
    async def join(self):
        print("joins")

    @on_info(Draining)
    async def draining(self, news) -> None:
        print("learns of it")
        await self.push("draining")

    @on("work")
    async def work(self) -> None:
        await somebody_left.wait()
        print("work is done")

    @on("sleep")
    async def sleep(self) -> None:
        print("sleeps")
        never.wait()

    @on("thread")
    def thread(self) -> None:
        print("hangs")
        never.wait()

    @on("stay")
    async def stay(self) -> None:
        self.start(stays())

    async def terminate(self, reason) -> None:
        print(f"terminate {self.topic} {reason}")
        somebody_left.set()

somebody_left = asyncio.Event()
never = threading.Event()

async def stays():
    print("stays")
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

@asynccontextmanager
async def lifespan():
    yield
    print("ends")
    if "HANG" in os.environ:
        await asyncio.Event().wait()

DRAIN = Drain(batch_size=1, batch_interval=float(os.environ.get("INTERVAL", "0.01")))
socket = Socket(connect=lambda: None, channels={"room:*": Room}, drain=DRAIN)
endpoint = Endpoint(sockets={"/socket": socket}, lifespan=lifespan, health="/health")
"""


async def ready(server: Server) -> int:
    """Request the page about readiness; return the status."""
    plain: dict[str, str | None] = {"Upgrade": None, "Connection": "close"}
    return (await ask(server, "/health/ready", plain)).status


async def until_unready(server: Server) -> None:
    """Wait until the server is unready."""

    async def is_unready() -> bool:
        return await ready(server) != 200

    await until_true(is_unready)


async def until_closed(server: Server) -> None:
    """Wait until the listener is closed."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection(server.host, server.port)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:  # it closed just then
                await pause()
                continue
            writer.close()


def in_order(command: Command, *texts: str) -> None:
    """Check that the output has these texts, in this order."""
    place = 0
    for text in texts:
        assert text in command.output[place:], (
            f"{text!r} is not where it should be:\n{command.output}"
        )
        place = command.output.index(text, place)


async def joined(client: Phoenix) -> None:
    assert await client.join("room:1") == ok()


# The order.


async def test_the_order_of_a_clean_end(folder: Path) -> None:
    """The order is: unready, notice to channels, connections closed, channels ended, listener closed, lifespan
    ended.
    """
    async with bennu(folder, "app:endpoint", "--port", "0", env={"INTERVAL": "1.0"}) as command:
        server = await command.listening()
        assert await ready(server) == 200
        async with connect(server) as first, connect(server) as second, connect(server) as third:
            await joined(first)
            await joined(second)
            await third.join("room:3")
            await third.push("room:3", "work")
            command.process.send_signal(signal.SIGTERM)
            assert (await first.receive()).event == "draining"
            assert await ready(server) == 503
            refused = await ask(server, TARGET)
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert (await second.receive()).event == "draining"
            assert await first.closed() == await second.closed() == (1012, "draining")
            while await third.receive_or_close() is not None:
                pass
        assert await command.end() == 0
    in_order(command, "learns of it", "round 2 of 3", "round 3 of 3", "Shutting down", "ends\n")
    in_order(command, "work is done", "terminate room:3 draining", "Shutting down")
    assert "Traceback" not in command.output


async def test_load_balancers_have_time_to_notice(folder: Path) -> None:
    """During the drain delay the server is unready, and accepts new clients."""
    async with bennu(folder, "app:endpoint", "--port", "0", "--drain-delay", "20") as command:
        server = await command.listening()
        async with connect(server) as client:
            await joined(client)
            command.process.send_signal(signal.SIGTERM)
            await until_unready(server)
            async with connect(server) as newcomer:
                await joined(newcomer)
                await client.expect_silence()
            command.process.send_signal(signal.SIGTERM)  # that was enough
        assert await command.end() == 128 + signal.SIGTERM


MOUNTED = """
from fastapi import FastAPI
from app import endpoint
from bennu import Channel, Drain, Endpoint, Socket

other = Endpoint(
    sockets={"/socket": Socket(connect=lambda: None, channels={}, drain=Drain(log=False))}
)

async def django(scope, receive, send):
    assert scope["type"] != "lifespan"

inner = FastAPI(lifespan=endpoint.lifespan())
inner.mount("/rt", endpoint)
app = other.wrap(inner)
"""


async def test_endpoints_drain_wherever_they_are(folder: Path) -> None:
    """One endpoint is mounted in FastAPI, the other is wrapped around it."""
    (folder / "web.py").write_text(MOUNTED)
    async with bennu(folder, "web:app", "--port", "0") as command:
        server = await command.listening()
        async with connect(server) as outer, connect(server, "/rt/socket") as inner:
            await joined(inner)
            command.process.send_signal(signal.SIGTERM)
            assert (await inner.receive()).event == "draining"
            assert await inner.closed() == (1012, "draining")
            assert await outer.closed() == (1012, "draining")
        assert await command.end() == 0
    in_order(command, "terminate room:1 draining", "ends\n")


STREAM = """
import asyncio, os
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Mount, Route
from app import endpoint

async def stream(request):
    async def chunks():
        yield "begun\\n"
        while not os.path.exists("done"):
            await asyncio.sleep(0.005)
        yield "done\\n"
    return StreamingResponse(chunks())

app = Starlette(routes=[Route("/stream", stream), Mount("/rt", endpoint)], lifespan=endpoint.lifespan())
"""


async def test_requests_under_way_come_to_their_end(folder: Path) -> None:
    """The listener is closed, and the answer goes on."""
    (folder / "web.py").write_text(STREAM)
    async with bennu(folder, "web:app", "--port", "0") as command:
        server = await command.listening()
        async with (
            httpx.AsyncClient() as client,
            client.stream("GET", server.url("/stream", "http")) as response,
        ):
            lines = response.aiter_lines()
            assert await anext(lines) == "begun"
            command.process.send_signal(signal.SIGTERM)
            await until_closed(server)
            (folder / "done").touch()
            assert await anext(lines) == "done"
        assert await command.end() == 0


# What hangs.


async def test_a_second_signal_ends_it_at_once(folder: Path) -> None:
    """This holds for any running work, even if the event loop hangs."""
    async with bennu(folder, "app:endpoint", "--port", "0", env={"INTERVAL": "1000"}) as command:
        server = await command.listening()
        async with connect(server) as client:
            await joined(client)
            command.process.send_signal(signal.SIGTERM)
            assert (await client.receive()).event == "draining"
            await client.push("room:1", "sleep")
            await command.read_until("sleeps")
            command.process.send_signal(signal.SIGINT)
            assert await command.end() == 128 + signal.SIGINT
    assert "A second signal: the process ends at once" in command.output
    assert "Finished server process" not in command.output


async def test_clients_that_cannot_all_leave_in_time_leave_faster(folder: Path) -> None:
    """The grace time has priority over the socket's drain."""
    arguments = ("--port", "0", "--grace", "6")
    async with bennu(folder, "app:endpoint", *arguments, env={"INTERVAL": "1000"}) as command:
        server = await command.listening()
        async with connect(server) as client:
            await joined(client)
            command.process.send_signal(signal.SIGTERM)
            assert (await client.receive()).event == "draining"
            assert await client.closed() == (1012, "draining")
        assert await command.end() == 0
    assert "they are closed faster" in command.output


@pytest.mark.long
async def test_a_lifespan_that_hangs_is_left_behind(folder: Path) -> None:
    """The exit code shows that a step was cut short."""
    arguments = ("--port", "0", "--grace", "8")
    async with bennu(folder, "app:endpoint", *arguments, env={"HANG": "yes"}) as command:
        await command.listening()
        assert await command.stop() == 1
    in_order(command, "ends\n", "The lifespan did not end within the 8s of grace")
    assert "Finished server process" in command.output


@pytest.mark.parametrize(
    "way", ["sleep", *(pytest.param(way, marks=pytest.mark.long) for way in ("thread", "stay"))]
)
async def test_what_hangs_for_good_is_ended(folder: Path, way: str) -> None:
    """An event loop, a thread, or a task that can't be cancelled hangs. The process ends after the grace time."""
    async with bennu(folder, "app:endpoint", "--port", "0", "--grace", "1") as command:
        server = await command.listening()
        async with connect(server) as client:
            await joined(client)
            await client.push("room:1", way)
            await command.read_until({"sleep": "sleeps", "thread": "hangs", "stay": "stays"}[way])
            assert await command.stop() == 1
    if way != "stay":
        assert f"in {way}" in command.output  # where it hung


async def test_a_client_that_does_not_answer_keeps_nobody(folder: Path) -> None:
    """The client has a time limit for its close frame. Then its connection is aborted."""
    async with bennu(folder, "app:endpoint", "--port", "0") as command:
        server = await command.listening()
        async with open_raw(server) as client:
            await client.open()
            command.process.send_signal(signal.SIGTERM)
            assert await client.close_frame() == (1012, "draining")
            await client.end()
        assert await command.end() == 0


# Reloading.


@pytest.mark.long
async def test_a_reload_waits_for_nobody(folder: Path) -> None:
    """An open page that does not even answer does not delay the new code."""
    async with bennu(
        folder, "app:endpoint", "--port", "0", "--reload", env={"INTERVAL": "1000"}
    ) as command:
        server = await command.listening()
        await until_listening(server)
        async with open_raw(server) as client, open_raw(server) as half:
            await client.open()
            half.send(b"GET /health/live HTTP/1.1\r\n")
            await command.reloads(folder / "app.py", APP.replace("joins", "joins anew"))
            assert await client.close_frame() == (1012, "shutdown")
            await command.read_until("Application startup complete")
        async with connect(server) as again:
            await joined(again)
        await command.read_until("joins anew")
        assert await command.stop() == 0
    assert "DRAINING" not in command.output


@pytest.mark.long
async def test_ctrl_c_ends_a_reloading_server_in_good_order(folder: Path) -> None:
    """Its process gets the signal twice: from the terminal, and from the process that watches the files."""
    async with bennu(folder, "app:endpoint", "--port", "0", "--reload") as command:
        await command.listening()
        await command.read_until("Application startup complete")
        assert await command.interrupt() == 0
    in_order(command, "ends\n", "Application shutdown complete", "Stopping reloader process")


# Options.


async def test_the_delay_must_leave_time(folder: Path) -> None:
    """Otherwise there would be no time for the drain."""
    arguments = ("app:endpoint", "--grace", "5", "--drain-delay", "5")
    async with bennu(folder, *arguments) as command:
        assert await command.end() == 2
    assert "--drain-delay must be below --grace" in command.output
