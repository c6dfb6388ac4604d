"""``bennu run`` as users start it: a process, its output, its end."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from bennu.cli import main
from tests.support.frames import ok
from tests.support.raw import CLOSE, ask, client_frame, close_payload, open_raw
from tests.support.servers import Server, until_listening
from tests.support.wire import connect, crash, push, reply

from .command import bennu

APP = """
import asyncio
from contextlib import asynccontextmanager
from bennu import Channel, Endpoint, Socket, on

class Room(Channel):
    emits = {"declared": dict}

    @on("loop")
    async def loop(self) -> dict:
        return {"loop": type(asyncio.get_running_loop()).__module__}

    @on("undeclared")
    async def undeclared(self) -> None:
        await self.push("undeclared")

    async def terminate(self, reason) -> None:
        print(f"terminate {reason}")

@asynccontextmanager
async def lifespan():
    print("begins")
    yield
    print("ends")

socket = Socket(connect=lambda: None, channels={"room:*": Room})
endpoint = Endpoint(sockets={"/socket": socket}, lifespan=lifespan)
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an application."""
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


# Starting and stopping.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_it_is_told_to_stop(folder: Path, number: signal.Signals) -> None:
    """It says where it listens. At the end clients get 1012, channels and lifespan end; exit code 0."""
    async with bennu(folder, "app:endpoint", "--port", "0") as command:
        server = await command.listening()
        assert "begins" in command.output
        async with connect(server) as client:
            assert await client.join("room:1") == ok()
            await client.send("1", "2", "room:1", "loop")
            await client.expect(reply("1", "2", "room:1", ok({"loop": "uvloop"})))
            await client.send("1", "3", "room:1", "undeclared")
            await client.expect(push("1", "room:1", "undeclared", {}))
            command.process.send_signal(number)
            assert await client.closed() == (1012, "draining")
        assert await command.end() == 0
    steps = ("begins\n", "terminate draining\n", "ends\n")
    places = [command.output.index(step) for step in steps]
    assert places == sorted(places)
    assert "Traceback" not in command.output


async def test_host_and_port_can_be_chosen(folder: Path) -> None:
    port = unused_port()
    async with bennu(folder, "app:endpoint", "--host", "localhost", "--port", str(port)) as command:
        server = await command.listening()
        assert (server.host, server.port) == ("localhost", port)
        assert (await ask(server, "/socket/websocket?vsn=2.0.0")).status == 101


async def test_an_application_with_an_endpoint_in_it(folder: Path) -> None:
    """Any ASGI application will do; an attribute of an attribute too."""
    (folder / "web.py").write_text(
        "from starlette.applications import Starlette\n"
        "from starlette.routing import Mount\n"
        "from app import endpoint\n"
        "class site:\n"
        "    app = Starlette(routes=[Mount('/rt', endpoint)], lifespan=endpoint.lifespan())\n"
    )
    async with bennu(folder, "web:site.app", "--port", "0") as command:
        server = await command.listening()
        async with connect(server, "/rt/socket") as client:
            assert await client.join("room:1") == ok()
        assert await command.stop() == 0
        assert "terminate closed\n" in command.output
        assert "ends\n" in command.output


async def test_a_connection_under_way_does_not_keep_it(folder: Path) -> None:
    """A client that has sent half a request is no reason to stay."""
    async with bennu(folder, "app:endpoint", "--port", "0") as command:
        server = await command.listening()
        async with open_raw(server) as half, open_raw(server) as whole:
            half.send(b"GET /socket/websocket HTTP/1.1\r\n")
            await whole.open()
            command.process.send_signal(signal.SIGTERM)
            assert await whole.close_frame() == (1012, "draining")
            whole.send(client_frame(CLOSE, close_payload(1012)))
            await half.end()
        assert await command.end() == 0


# Reloading.


async def test_it_starts_again_when_a_file_changes(folder: Path) -> None:
    """With what is new; who is connected gets 1012, and comes back. Payloads are checked, as in debug."""
    async with bennu(folder, "app:endpoint", "--port", "0", "--reload") as command:
        server = await command.listening()
        await until_listening(server)  # that line is of the parent, which binds and does not listen
        async with connect(server) as client:
            assert await client.join("room:1") == ok()
            await client.send("1", "2", "room:1", "undeclared")
            await client.expect(crash("1", "room:1"))
            await command.reloads(folder / "app.py", APP.replace('"room:*"', '"hall:*"'))
            assert await client.closed() == (1012, "shutdown")
        await command.read_until("Application startup complete")
        async with connect(server) as client:
            assert await client.join("hall:1") == ok()
        assert await command.stop() == 0


async def test_it_waits_for_a_mistake_to_be_mended(folder: Path) -> None:
    """A change that breaks the application ends only what ran; the next one starts it again."""
    async with bennu(folder, "app:endpoint", "--port", "0", "--reload") as command:
        server = await command.listening()
        await until_listening(server)
        await command.reloads(folder / "app.py", APP.replace("connect=lambda", "conect=lambda"))
        await command.read_until("missing 1 required keyword-only argument: 'connect'")
        await command.reloads(folder / "app.py", APP + "# mended\n")
        await command.read_until("Application startup complete")
        assert (await ask(server, "/socket/websocket?vsn=2.0.0")).status == 101
        assert await command.stop(signal.SIGINT) == 0


# Mistakes.


async def test_a_definition_that_cannot_work(folder: Path) -> None:
    """The message says what is wrong, where, and what to write; there is no traceback."""
    mistake = APP.replace('@on("undeclared")', '@on("loop")')
    (folder / "app.py").write_text(mistake)
    async with bennu(folder, "app:endpoint") as command:
        assert await command.end() == 1
    line = mistake.splitlines().index("    async def undeclared(self) -> None:")
    assert command.output.startswith("Error: the handler Room.undeclared")
    assert "  expected: " in command.output
    assert "  write: " in command.output
    assert f"app.py:{line}" in command.output
    assert "Traceback" not in command.output


async def test_a_lifespan_that_fails(folder: Path) -> None:
    """The traceback of the user's own code is there, and the exit code says that nothing was served."""
    (folder / "app.py").write_text(APP.replace('print("begins")', 'raise OSError("no database")'))
    async with bennu(folder, "app:endpoint", "--port", "0") as command:
        assert await command.end() == 3
    assert "OSError: no database" in command.output
    assert "in lifespan" in command.output
    assert "running on" not in command.output


async def test_a_port_that_is_taken(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with bennu(folder, "app:endpoint", "--port", str(port)) as command:
            assert await command.end() == 3
    assert "address already in use" in command.output
    assert "ends" in command.output
    assert "Traceback" not in command.output


def error_of(folder: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what the command says of a target that can't be run."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    for name in ("app", "other"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    result = CliRunner().invoke(main, ["run", target])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    return result.output


WRONG = {
    "no colon": ("app", "expected MODULE:ENDPOINT, got 'app': write for example app:endpoint"),
    "no module": (":endpoint", "expected MODULE:ENDPOINT"),
    "no name": ("app:", "expected MODULE:ENDPOINT"),
    "another module": ("nothing:endpoint", "No module named 'nothing'"),
    "another name": ("app:nothing", "module 'app' has no attribute 'nothing'"),
    "no application": ("app:name", "expected an Endpoint or an ASGI application, got 'chat'"),
}


@pytest.mark.parametrize(("target", "message"), WRONG.values(), ids=WRONG)
def test_a_target_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, message: str
) -> None:
    (tmp_path / "app.py").write_text("name = 'chat'\n")
    assert message in error_of(tmp_path, target, monkeypatch)


BROKEN = {
    "a name": ("x = 1\ny = z\n", "NameError: name 'z' is not defined", "app.py:2: y = z"),
    "a module": ("import nothing_here\n", "No module named 'nothing_here'", "app.py:1: import"),
    "an attribute": ("import os\n\nos.nothing\n", "no attribute 'nothing'", "app.py:3: os.nothing"),
    "a syntax": ("x = 1\nif x\n", "SyntaxError: expected ':'", "app.py, line 2"),
    "in another module": ("import other\n", "ZeroDivisionError", "other.py:2: return 1 / 0"),
    "in a library": (
        "from starlette.applications import Starlette\n\napp = Starlette(nothing=1)\n",
        "TypeError",
        "app.py:3: app = Starlette(nothing=1)",
    ),
    "deep in a library": (
        "from starlette.routing import Route\n\nroute = Route('no slash', print)\n",
        "AssertionError: Routed paths must start with '/'",
        "app.py:3: route = Route('no slash', print)",
    ),
    "in the standard library": (
        "import json\njson.loads('{')\n",
        "JSONDecodeError",
        "app.py:2: json.loads('{')",
    ),
}


@pytest.mark.parametrize(("source", "message", "place"), BROKEN.values(), ids=BROKEN)
def test_a_module_that_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str, place: str
) -> None:
    """The message names the mistake and the line: the last of the user's own that led to it."""
    (tmp_path / "app.py").write_text(source)
    (tmp_path / "other.py").write_text("def f():\n    return 1 / 0\nf()\n")
    output = error_of(tmp_path, "app:endpoint", monkeypatch)
    assert message in output
    assert place in output


def test_help_names_every_option() -> None:
    output = CliRunner().invoke(main, ["run", "--help"]).output
    for option in ("--host", "--port", "--reload", "--log-level", "--no-access-log"):
        assert option in output
    assert "4000" in output


def test_the_version_is_that_of_the_package() -> None:
    assert version("bennu") in CliRunner().invoke(main, ["--version"]).output


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_is_a_port(port: str) -> None:
    result = CliRunner().invoke(main, ["run", "app:endpoint", "--port", port])
    assert result.exit_code == 2
    assert "--port" in result.output


async def test_it_is_installed_as_a_command() -> None:
    """Beside the Python that it belongs to."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("bennu"), "--version", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert version("bennu") in output.decode()


# Logs.


LEVELS = {
    "debug": {"HANDLED", "JOINED", "CONNECTED", "101", "running on"},
    "info": {"JOINED", "CONNECTED", "101", "running on"},
    "warning": set[str](),
    "critical": set[str](),
}


@pytest.mark.parametrize(("level", "logged"), LEVELS.items(), ids=LEVELS)
async def test_how_much_is_logged(folder: Path, level: str, logged: set[str]) -> None:
    port = unused_port()
    async with bennu(folder, "app:endpoint", "--port", str(port), "--log-level", level) as command:
        await command.read_until("begins")
        await use(port)
        assert await command.stop() == 0
    everything = set.union(*LEVELS.values())
    assert {word for word in everything if word in command.output} == logged


def unused_port() -> int:
    """A port that is free, and that the system gives to nobody who asks for just any."""
    while True:
        port = random.randrange(10_000, 32_768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


async def use(port: int) -> None:
    """Connect, join and be answered, as soon as there is somebody to do it."""
    server = Server("native", port)
    await until_listening(server)
    async with connect(server) as client:
        assert await client.join("room:1") == ok()
        await client.send("1", "2", "room:1", "loop")
        await client.receive()


async def test_requests_need_not_be_logged(folder: Path) -> None:
    async with bennu(folder, "app:endpoint", "--port", "0", "--no-access-log") as command:
        server = await command.listening()
        await use(server.port)
        assert await command.stop() == 0
    assert "JOINED" in command.output
    assert "GET /socket" not in command.output


async def test_requests_are_logged(folder: Path) -> None:
    async with bennu(folder, "app:endpoint", "--port", "0") as command:
        server = await command.listening()
        await use(server.port)
        assert (await ask(server, "/nothing")).status == 404
        assert await command.stop() == 0
    assert '"GET /socket/websocket?vsn=2.0.0 HTTP/1.1" 101' in command.output
    assert '"GET /nothing HTTP/1.1" 404' in command.output
