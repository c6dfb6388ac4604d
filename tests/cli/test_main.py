"""``bennu run`` as users start it: a process, its output, its end."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import signal
import socket
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from bennu.cli import main
from tests.support.frames import crashed, ok, push, reply
from tests.support.raw import CLOSE, ask, client_frame, close_payload, open_raw
from tests.support.servers import Server, until_listening
from tests.support.wire import connect

from .command import bennu

pytestmark = pytest.mark.clock("real")

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


# Starting and stopping.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_it_is_told_to_stop(folder: Path, number: signal.Signals) -> None:
    """The output has its address.

    At the end clients get 1012, channels and the lifespan end, and the exit code is 0.
    """
    async with bennu(folder, "app:endpoint", "--port", "0") as command:
        server = await command.listening()
        assert "begins" in command.output
        async with connect(server) as client:
            assert await client.join("room:1") == ok()
            await client.push("room:1", "loop")
            await client.expect(reply("1", "2", "room:1", ok({"loop": "uvloop"})))
            await client.push("room:1", "undeclared")
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
    """Any ASGI application works. The target can be an attribute of an attribute."""
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
    """A client that has sent half a request does not delay the end."""
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
    """The new code runs. Clients get 1012, and come back. Payloads are checked, as in debug mode."""
    async with bennu(folder, "app:endpoint", "--port", "0", "--reload") as command:
        server = await command.listening()
        await until_listening(server)  # that line is of the parent, which binds and does not listen
        async with connect(server) as client:
            assert await client.join("room:1") == ok()
            await client.push("room:1", "undeclared")
            await client.expect(crashed("1", "room:1"))
            await command.reloads(folder / "app.py", APP.replace('"room:*"', '"hall:*"'))
            assert await client.closed() == (1012, "shutdown")
        await command.read_until("Application startup complete")
        async with connect(server) as client:
            assert await client.join("hall:1") == ok()
        assert await command.stop() == 0


async def test_it_waits_for_a_mistake_to_be_mended(folder: Path) -> None:
    """A change that breaks the application ends only the old process. The next change starts it again."""
    async with bennu(folder, "app:endpoint", "--port", "0", "--reload") as command:
        server = await command.listening()
        await until_listening(server)
        await command.reloads(folder / "app.py", APP.replace("connect=lambda", "conect=lambda"))
        await command.read_until("Socket(conect=...)")
        await command.reloads(folder / "app.py", APP + "# mended\n")
        await command.read_until("Application startup complete")
        assert (await ask(server, "/socket/websocket?vsn=2.0.0")).status == 101
        assert await command.stop(signal.SIGINT) == 0


# Mistakes.


async def test_a_definition_that_cannot_work(folder: Path) -> None:
    """The error says what is wrong, where, and what to write, without a traceback."""
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
    """The output has the traceback of the user's code, and the exit code shows the failure."""
    (folder / "app.py").write_text(APP.replace('print("begins")', 'raise OSError("no database")'))
    async with bennu(folder, "app:endpoint", "--port", "0") as command:
        assert await command.end() == 3
    assert "OSError: no database" in command.output
    assert "in lifespan" in command.output
    assert "running on" not in command.output


async def test_a_port_that_is_taken(folder: Path) -> None:
    """The error comes before the application is imported, and suggests another port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with bennu(folder, "app:endpoint", "--port", str(port)) as command:
            assert await command.end() == 3
    assert "address already in use" in command.output
    assert "begins" not in command.output
    assert "Traceback" not in command.output
    suggested = re.search(r"write: bennu run app:endpoint --port (\d+)", command.output)
    assert suggested is not None
    assert port < int(suggested[1]) <= port + 100


def error_of(folder: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the error of a target that can't be served."""
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
    """The error names the mistake and the last line of the user's code that led to it."""
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
    """The command is beside its Python."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("bennu"), "--version", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert version("bennu") in output.decode()


# Logs.


LEVELS = {
    "debug": {"HANDLED", "JOINED", "CONNECTED", "running on"},
    "info": {"JOINED", "CONNECTED", "running on"},
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
    """Return a free port that the system does not assign automatically."""
    while True:
        port = random.randrange(10_000, 32_768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


async def use(port: int) -> None:
    """Connect, join and get an answer, as soon as the server runs."""
    server = Server("native", port)
    await until_listening(server)
    async with connect(server) as client:
        assert await client.join("room:1") == ok()
        await client.push("room:1", "loop")
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
    assert "GET /socket" not in command.output
    assert "REFUSED CONNECTION TO /nothing: no socket has this path" in command.output


# Where it listens, and what it finds.


async def test_the_banner_says_version_address_and_sockets(folder: Path) -> None:
    """Addresses are as clients see them: below a mount, and behind a proxy that removes a prefix."""
    (folder / "web.py").write_text(
        "from starlette.applications import Starlette\nfrom starlette.routing import Mount\n"
        "from app import endpoint\n"
        "app = Starlette(routes=[Mount('/rt', endpoint)], lifespan=endpoint.lifespan())\n"
    )
    async with bennu(folder, "web:app", "--port", "0", "--root-path", "/api/") as command:
        await command.listening()
        await command.read_until("/api/rt/socket  websocket")
        assert f"Bennu {version('bennu')} running on http://127.0.0.1:" in command.output
        assert await command.stop() == 0


async def test_without_a_target_app_endpoint_is_served(folder: Path) -> None:
    """This holds with another folder, and with a file of variables."""
    (folder / "settings").write_text("GREETING='good day'\n")
    (folder / "app.py").write_text(APP + "import os\nprint(os.environ['GREETING'])\n")
    (folder / "elsewhere").mkdir()
    arguments = ("--port", "0", "--app-dir", "..", "--env-file", "../settings")
    async with bennu(folder / "elsewhere", *arguments) as command:
        server = await command.listening()
        assert (await ask(server, "/socket/websocket?vsn=2.0.0")).status == 101
        assert await command.stop() == 0
    assert "good day" in command.output


async def test_a_variable_that_is_set_stays(folder: Path) -> None:
    (folder / "settings").write_text("GREETING=good day\n")
    (folder / "app.py").write_text(APP + "import os\nprint(os.environ['GREETING'])\n")
    arguments = ("--port", "0", "--env-file", "settings")
    async with bennu(folder, *arguments, env={"GREETING": "hello"}) as command:
        await command.listening()
        assert await command.stop() == 0
    assert "hello\n" in command.output


async def test_a_unix_socket(folder: Path) -> None:
    """The socket of an ended server is replaced, the socket of a running server is not.

    At the end the socket is removed.
    """
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    path.chmod(0o600)
    async with bennu(folder, "app:endpoint", "--uds", "s") as command:
        await command.read_until("running on unix:")
        assert path.stat().st_mode & 0o777 == 0o600
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 404 " in await reader.readline()
        writer.close()
        async with bennu(folder, "app:endpoint", "--uds", "s") as second:
            assert await second.end() == 3
        assert "address already in use" in second.output
        assert await command.stop() == 0
    assert not path.exists()


@pytest.mark.long
async def test_mistakes_under_reload_are_as_neat_as_without(folder: Path) -> None:
    """The output has only the user's traceback, and what the server waits for."""
    (folder / "app.py").write_text("def f():\n    return 1 / 0\nf()\n")
    async with bennu(folder, "app:endpoint", "--port", "0", "--reload") as command:
        await command.read_until("Waiting for a file to change")
        assert "raised at" in command.output
        assert "multiprocessing" not in command.output
        await command.reloads(folder / "app.py", APP.replace('print("begins")', "1 / 0"))
        await command.read_until("Waiting for a file to change")
        await command.reloads(folder / "app.py", APP)
        await command.read_until("/socket  websocket")
        assert await command.stop(signal.SIGINT) == 0


async def test_more_than_one_process_is_warned_of(folder: Path) -> None:
    """No call reaches the clients of another process, unless a bus connects them."""
    async with bennu(folder, "app:endpoint", "--port", "0") as first:
        await first.listening()
        async with bennu(folder, "app:endpoint", "--port", "0") as second:
            await second.listening()
            assert await second.stop() == 0
        env = {"BENNU_PUBSUB": "local://"}
        async with bennu(folder, "app:endpoint", "--port", "0", env=env) as third:
            await third.listening()
            assert await third.stop() == 0
        joined = APP.replace("Endpoint(", f'Endpoint(pubsub="ipc://{folder}/bus", ')
        (folder / "app.py").write_text(joined)
        async with bennu(folder, "app:endpoint", "--port", "0") as fourth:
            await fourth.listening()
            assert await fourth.stop() == 0
        assert await first.stop() == 0
    if sys.platform == "linux":
        assert f"Process {first.process.pid} serves app:endpoint too" in second.output
    assert "WARNING" not in first.output
    assert "WARNING" not in third.output
    assert "WARNING" not in fourth.output


USAGE = {
    "two places": (["--uds", "s", "--port", "1"], "exclude each other"),
    "no file of variables": (["--env-file", "app.py"], "line 1: expected NAME=value"),
    "no socket": (["--fd", "999"], "expected the number of an open socket"),
    "a file": (["--uds", "app.py"], "a file that is no socket"),
    "no folder": (["--uds", "no/s"], "No such file"),
    "no host": (["--host", "nohost.invalid"], "is no address of this machine"),
    "another machine": (["--host", "192.0.2.1"], "can't listen on port"),
    "no path": (["--root-path", "http://x/"], "write for example --root-path /app"),
    "never": (["--grace", "inf"], "Invalid value for '--grace': expected at most"),
    "no number": (["--grace", "nan"], "Invalid value for '--grace': expected at most"),
    "no delay": (["--drain-delay", "nan"], "Invalid value for '--drain-delay'"),
    "no deadline of heads": (["--handshake-timeout", "nan"], "'--handshake-timeout'"),
    "no deadline of bodies": (["--body-timeout", "inf"], "Invalid value for '--body-timeout'"),
    "no log configuration": (["--log-config", "app.py", "--port", "0"], "--log-config app.py"),
}


@pytest.mark.parametrize(("options", "message"), USAGE.values(), ids=USAGE)
def test_options_that_cannot_be_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    (tmp_path / "options_app.py").write_text("def endpoint(): ...\n")
    (tmp_path / "app.py").write_text("x\n")
    result = CliRunner().invoke(main, ["run", "options_app:endpoint", *options])
    assert result.exit_code in (2, 3)
    assert message in " ".join(result.output.split())
