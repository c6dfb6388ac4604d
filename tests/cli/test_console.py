"""``bennu console``: its options, and scripts against a running ``bennu run``."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from bennu.cli import main

from .command import bennu

pytestmark = pytest.mark.clock("real")

APP = """
from typing import Any
from bennu import Channel, ConnectInfo, Endpoint, Refused, Socket, on

class Room(Channel[str]):
    async def join(self) -> dict[str, str]:
        return {"name": self.assigns}

    @on("new_msg")
    async def new_msg(self, payload: dict[str, Any]) -> dict[str, int]:
        await self.broadcast("new_msg", payload)
        return {"id": 7}

async def connect(params: dict[str, Any], info: ConnectInfo) -> str:
    if "name" not in params:
        raise Refused("no name")
    return f"{params['name']} {info.auth_token}"

endpoint = Endpoint(
    sockets={"/socket": Socket(connect=connect, channels={"room:*": Room}, auth_token=True)}
)
"""


class Output(NamedTuple):
    """What a command has written, and its exit code."""

    code: int
    out: str
    errors: str

    @property
    def lines(self) -> list[str]:
        """The lines without their times."""
        return [line[14:] for line in self.out.splitlines()]


async def call(*arguments: str, stdin: str) -> Output:
    """Run the command in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bennu", "console", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Output(process.returncode, out.decode(), errors.decode())


async def test_a_script_talks_to_a_server(folder: Path) -> None:
    """Commands are done in order; one that fails is reported, and the exit code is 1."""

    def script(room: str) -> str:
        """A room of its own for each console: it hears only itself."""
        return f'join {room}\npush {room} new_msg {{"body":"Hi"}}\nwait {room} new_msg\n'

    async with bennu(folder, "--port", "0") as command:
        server = await command.listening()
        url = server.url("/socket")
        options = (url, "--param", "name=ann", "--token", "abc")
        done, failed, told, refused = await asyncio.gather(
            call(*options, stdin=script("room:1")),
            call(*options, stdin=f"foo\npush room:2 new_msg\n{script('room:2')}"),
            call(*options, "--json", stdin=script("room:3")),
            call(url, stdin=script("room:4")),
        )
    assert (done.code, done.errors) == (0, "")
    assert done.lines[0].startswith(f"-- connected to {url} in ")
    assert done.lines[1].startswith("<- room:1  joined in ")
    assert done.lines[1].endswith('  {"name": "ann abc"}')
    assert done.lines[2] == '<- room:1  new_msg  {"body": "Hi"}'
    assert done.lines[3].startswith("<- room:1  reply to new_msg: ok in ")
    assert done.lines[4].startswith("-- room:1  new_msg has come after ")
    assert failed.code == 1
    assert [line[14:] for line in failed.errors.splitlines()][1] == (
        "!! room:2 is not joined: write join room:2"
    )
    assert len(failed.lines) == len(done.lines)
    assert told.code == 0
    assert [json.loads(line)["type"] for line in told.out.splitlines()] == [
        "connected",
        "joined",
        "event",
        "reply",
        "waited",
    ]
    assert (refused.code, refused.out) == (1, "")
    assert "the server refused the connection with HTTP 403" in refused.errors


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["localhost"], "write bennu console ws://localhost:4000/socket"),
        (["ws://a/b", "--param", "token"], "expected NAME=VALUE, got 'token': write --param"),
        (["ws://a/b", "--vsn", "3"], "'1.0.0', '2.0.0'"),
        ([], "Missing argument 'URL'"),
    ],
)
def test_a_wrong_option_has_the_exit_code_2(arguments: list[str], text: str) -> None:
    result = CliRunner().invoke(main, ["console", *arguments])
    assert result.exit_code == 2
    assert text in result.output
