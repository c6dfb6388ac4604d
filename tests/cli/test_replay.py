"""``bennu replay``: against a server, and as a test."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bennu.cli import main

from ..inspect.sessions import recording, said
from ..support.frames import error, joining, ok, pushing, reply
from .command import bennu

pytestmark = pytest.mark.clock("real")

APP = """
from bennu import Channel, Endpoint, Socket, on

class Room(Channel):
    @on("say")
    async def say(self, payload: dict[str, int]) -> dict[str, int]:
        return {"id": 8}

endpoint = Endpoint(sockets={"/socket": Socket(connect=lambda: None, channels={"room:*": Room})})
"""

SESSION = [
    said("client", joining("1", "room:1")),
    said("server", reply("1", "1", "room:1", ok())),
    said("client", pushing("1", "2", "room:1", "say", {"n": 1}), 0.1),
    said("server", reply("1", "2", "room:1", ok({"id": 7})), 0.1),
]


def written(folder: Path, *lines: dict[str, Any], **header: Any) -> str:
    file = folder / "session.jsonl"
    header = {"params": {"vsn": "2.0.0"}, **header}
    file.write_bytes(b"\n".join(recording(*lines, **header).lines()))
    return str(file)


def call(*arguments: str) -> Result:
    """Run the command in this process."""
    result = CliRunner().invoke(main, ["replay", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return result


async def test_a_replay_against_a_server(tmp_path: Path) -> None:
    """The exit code says whether the server answers as it was recorded."""
    (tmp_path / "app.py").write_text(APP)
    file = written(tmp_path, *SESSION)
    async with bennu(tmp_path, "app:endpoint", "--port", "0") as server:
        url = f"ws://127.0.0.1:{(await server.listening()).port}/socket"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bennu", "replay", file, url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert output.decode().splitlines() == [
            "at 0.100 s: the reply to 'say' (ref 2) on 'room:1' differs",
            "  response.id: expected 7, got 8",
            "Messages compared: 2, differences: 1",
        ]
        assert process.returncode == 1
        options = (file, url, "--fast", "--ignore", "id")
        result = await asyncio.to_thread(call, *options)
        assert (result.exit_code, result.output) == (0, "Messages compared: 2, differences: 0\n")


def test_a_test_is_written(tmp_path: Path) -> None:
    file, out = written(tmp_path, *SESSION), tmp_path / "test_session.py"
    options = (file, "--pytest", "--app", "app:endpoint", "--ignore", "id")
    result = call(*options, "--out", str(out))
    assert (result.exit_code, result.output) == (0, f"{out} is written: run pytest {out}\n")
    assert "room_1.push('say', {'n': 1}).assert_reply({})" in out.read_text()
    assert call(*options).output == out.read_text()


def test_warnings(tmp_path: Path) -> None:
    """They say what can differ, before a server that is not there."""
    lost = {"at": 0, "from": "server", "lost": 3}
    hidden = said("client", joining("1", "room:1", {"token": "[FILTERED]"}), 1.0)
    header: Any = {"joined": ["room:2"], "params": {"token": "[FILTERED]"}}
    file = written(tmp_path, hidden, lost, **header)
    result = call(file, "ws://127.0.0.1:1/socket", "--timeout", "1")
    assert result.exit_code == 2
    assert (
        "sent as [FILTERED]. To send others: --param token=... --set token=...\n" in result.output
    )
    assert "no joins of room:2" in result.output
    assert "missing in the recording: 3\n" in result.output
    assert "can't be reached" in result.output
    assert (
        "others: --set token=...\n"
        in call(file, "ws://127.0.0.1:1/socket", "--param", "token=a").output
    )
    given = ("--param", "token=a", "--set", "token=b")
    assert "[FILTERED]" not in call(file, "ws://127.0.0.1:1/socket", *given).output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "expected a URL"),
        (("ws://x", "--app", "a:b"), "expected a URL"),
        (("--pytest",), "--pytest takes an endpoint and no URL"),
        (("--pytest", "--app", "module"), "--pytest takes an endpoint and no URL"),
        (("ws://x", "--pytest", "--app", "a:b"), "--pytest takes an endpoint and no URL"),
        (("ws://x", "--param", "token"), "expected NAME=VALUE, got 'token'"),
        (("nonsense",), "expected ws:// or wss://"),
    ],
)
def test_mistakes(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    result = call(written(tmp_path), *arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_a_file_that_is_no_recording_and_one_that_can_not_be_written(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("{}")
    result = call(str(file), "ws://x")
    assert result.exit_code == 2
    assert f"{file}: line 1: expected the header of a recording" in result.output
    raw = written(tmp_path, vsn=None)
    result = call(raw, "--pytest", "--app", "a:b")
    assert (result.exit_code, "one of a raw socket" in result.output) == (2, True)
    result = call(
        written(tmp_path, said("server", reply("1", "1", "t", error("x")))),
        *("--pytest", "--app", "a:b", "--out", str(tmp_path / "no" / "x.py")),
    )
    assert result.exit_code == 2
