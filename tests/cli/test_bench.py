"""``bennu bench``: its options, and runs against a running ``bennu run``."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bennu.cli import main
from bennu.cli.bench import bench

from ..support.pages import section, table
from .command import bennu

pytestmark = pytest.mark.clock("real")

APP = """
from typing import Any
from bennu import Channel, Endpoint, Socket, on

class Room(Channel[None]):
    @on("new_msg")
    async def new_msg(self, payload: dict[str, Any]) -> None:
        assert payload["kind"] == "text"
        await self.broadcast("new_msg", payload)

endpoint = Endpoint(sockets={"/socket": Socket(connect=lambda: None, channels={"room:*": Room})})
"""


async def start(*arguments: str) -> asyncio.subprocess.Process:
    """Start the command in a process of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bennu", "bench", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_an_endpoint_is_loaded_and_the_table_printed(folder: Path) -> None:
    """Heartbeats need no topic. Ctrl-C ends a run early, with its table."""
    async with bennu(folder, "--port", "0") as command:
        url = (await command.listening()).url("/socket")
        beats = await start(url, "-c", "5", "-s", "0.5", "--rate", "4", "--engine", "python")
        out, _ = await beats.communicate()
        assert beats.returncode == 0
        lines = out.decode().splitlines()
        assert (
            lines[0] == "5 clients without a topic, 4 a second each for 0.5 s, by the Python engine"
        )
        assert lines[2].split() == ["count", "a", "second", "p50", "p90", "p99", "max"]
        assert (
            lines[-1] == "10 of 10 heartbeats sent: 10 answered with ok, 0 refused, 0 not answered."
        )

        room = (url, "--topic", "room:1", "--event", "new_msg", "--payload", '{"kind": "text"}')
        options = ("--broadcast", "-c", "5", "-s", "600", "--rate", "10", "--json")
        endless = await start(*room, *options)
        await command.read_until("JOINED room:1")
        endless.send_signal(signal.SIGINT)
        out, errors = await endless.communicate()
        assert endless.returncode == 1, errors
        result = json.loads(out)
        assert result["is_whole"] is False
        assert result["refused"] == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "Missing argument 'URL'"),
        (["localhost"], "write bennu bench ws://localhost:4000/socket"),
        (["ws://a/b", "--topic", "a"], "write --topic room:1 --event new_msg, or neither"),
        (["ws://a/b", "--event", "a"], "--topic and --event belong together"),
        (["ws://a/b", "--broadcast"], "--broadcast needs a handler"),
        (["ws://a/b", "--topics", "3"], "write --topic 'room:{n}'"),
        (["ws://a/b", "--payload", "{"], "expected a JSON object, got '{'"),
        (["ws://a/b", "--payload", "[]"], "expected a JSON object, got '[]'"),
        (["ws://a/b", "--payload-size", "10"], "10 is not in the range 42<=x<=60000"),
        (["ws://a/b", "--rate", "0"], "0 is not in the range"),
        (["wss://a/b", "--engine", "c"], "the C engine can't run this: it has no TLS"),
    ],
)
def test_a_wrong_option_has_the_exit_code_2(arguments: list[str], text: str) -> None:
    result = CliRunner().invoke(main, ["bench", *arguments])
    assert result.exit_code == 2
    assert text in result.output


def test_the_page_lists_the_options() -> None:
    rows = table(section("docs/bench.md", "The options").split("\nIn a terminal")[0])
    listed = {name for row in rows for name in row[0].replace("`", "").split(", ")}
    found = {name for one in bench.params if isinstance(one, click.Option) for name in one.opts}
    assert listed == found - {"--params"}


def test_more_clients_than_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(kind: int, limits: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    result = CliRunner().invoke(main, ["bench", "ws://127.0.0.1:1/socket", "-c", "50000"])
    assert result.exit_code == 2
    assert "50,000 clients need 50,100 open files, and this process may have 4,096" in result.output


def test_a_server_that_is_not_there_has_the_exit_code_1() -> None:
    result = CliRunner().invoke(main, ["bench", "ws://127.0.0.1:1/socket", "--engine", "python"])
    assert result.exit_code == 1
    assert "100 of 100 clients could not connect or join" in result.output
