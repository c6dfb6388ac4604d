"""``bennu publish --app``: the endpoint of an application has the bus, the store and the histories."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bennu import Endpoint
from bennu.cli import main
from tests.support.wire import connect

from ..bus.ipc.paths import short_directory
from .command import bennu

pytestmark = pytest.mark.clock("real")

APP = """
from bennu import Channel, Endpoint, History, Socket

class Room(Channel):
    history = History(size=10, ephemeral=["typing"])

async def plain(scope, receive, send):
    raise AssertionError

socket = Socket(connect=lambda: None, channels={"room:*": Room, "lobby": type("Lobby", (Channel,), {})})
"""
ENDPOINT = 'endpoint = Endpoint(sockets={{"/socket": socket}}, pubsub={bus!r}, store={store!r})\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the module ``shop``, whose endpoint is on ``ipc://`` and has a store in SQLite."""
    monkeypatch.delenv("BENNU_PUBSUB", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with short_directory() as directory:
        store = f"sqlite+aiosqlite:///{tmp_path / 'chat.db'}"
        text = APP + ENDPOINT.format(bus=f"ipc://{directory}/bus", store=store)
        text += "wrapped = endpoint.wrap(plain)\n"
        text += 'alone = Endpoint(sockets={"/socket": socket}, store=None)\n'
        (tmp_path / "shop.py").write_text(text)
        yield tmp_path
    sys.modules.pop("shop", None)


def call(folder: Path, *arguments: str) -> Result:
    """Run a command in this process."""
    first, *rest = arguments
    result = CliRunner().invoke(main, [first, "--app-dir", str(folder), *rest])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return result


async def kept(folder: Path) -> list[object]:
    """Return the payloads in the log of ``room:1``."""
    endpoint = import_module("shop").endpoint
    assert isinstance(endpoint, Endpoint)
    await endpoint.start()
    try:
        return [entry.payload for entry in await endpoint.history("room:1")]
    finally:
        await endpoint.stop()


@pytest.mark.parametrize("target", ["shop:endpoint", "shop:wrapped"])
async def test_a_topic_with_history_keeps_the_message(folder: Path, target: str) -> None:
    """Numbers of the JSON are not changed. No process needs to run."""
    publish = ("publish", "--app", target, "room:1", "news")
    result = await asyncio.to_thread(call, folder, *publish, '{"n": 12345678901234567890123}')
    where = f"sqlite+aiosqlite:///{folder / 'chat.db'}"
    assert result.exit_code == 0
    assert result.stdout == (
        f"news was published to room:1: {where} has it, and 0 processes heard it\n"
    )
    assert await kept(folder) == [{"n": 12345678901234567890123}]


async def test_a_running_server_hears_the_message(folder: Path) -> None:
    """It is an entry for a client that asks for recovery. An ephemeral event and another topic go over the bus alone."""
    async with bennu(folder, "shop:endpoint", "--port", "0") as command:
        server = await command.listening()
        async with connect(server) as ann:
            await ann.join("room:1", {"recovery": {}})
            publish = ("publish", "--app", "shop:endpoint", "room:1")
            result = await asyncio.to_thread(call, folder, *publish, "news", '{"n": 1}')
            assert result.stdout.endswith("has it, and 1 process heard it\n")
            frame = await ann.receive()
            assert (frame.event, frame.payload) == ("news", {"n": 1})
            assert str(frame.ref).startswith("1:")
            result = await asyncio.to_thread(call, folder, *publish, "typing")
            assert result.stdout == "typing was published to room:1: 1 process heard it\n"
            assert (await ann.receive()).ref is None


async def test_an_id_is_disconnected(folder: Path) -> None:
    arguments = ("disconnect", "--app", "shop:endpoint", "users:7")
    result = await asyncio.to_thread(call, folder, *arguments)
    assert result.stdout == "users:7 is disconnected: 0 processes heard it\n"


@pytest.mark.long
async def test_a_store_that_is_down_has_the_exit_code_1(folder: Path) -> None:
    """Nobody gets the message."""
    text = (folder / "shop.py").read_text()
    bus = text.partition("pubsub=")[2].partition(",")[0].strip("'\"")
    endpoint = ENDPOINT.format(bus=bus, store="redis://chat:hunter2@127.0.0.1:1/0")
    (folder / "shop.py").write_text(APP + endpoint)
    publish = ("publish", "--app", "shop:endpoint", "room:1", "news")
    result = await asyncio.to_thread(call, folder, *publish)
    assert result.exit_code == 1
    assert "was not appended within 5 s" in result.stderr
    assert "nobody gets the message" in result.stderr
    assert "hunter2" not in result.output


WRONG = {
    "no topic": (["publish", "--app", "shop:endpoint"], "got 0 argument(s): write bennu publish"),
    "no module": (["publish", "--app", "shoq:endpoint", "a", "b"], "write: --app shop:endpoint"),
    "no name": (["publish", "--app", "shop:endpont", "a", "b"], "write: --app shop:endpoint"),
    "no endpoint": (["publish", "--app", "shop:plain", "a", "b"], "with 0: write the module"),
    "no bus": (["publish", "--app", "shop:alone", "a", "b"], "an endpoint without a bus"),
    "bytes": (["publish", "--binary", "--app", "shop:endpoint", "room:1", "b"], "JSON objects"),
}


@pytest.mark.parametrize(("arguments", "text"), WRONG.values(), ids=WRONG)
def test_a_wrong_command_is_explained(folder: Path, arguments: list[str], text: str) -> None:
    result = call(folder, *arguments)
    assert result.exit_code in (1, 2)
    assert text in result.stderr
