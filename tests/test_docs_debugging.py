"""docs/debugging.md: its bytes are what a raw client sends and gets, and its commands work."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bennu.cli import main
from tests.support.frames import encode_v2, heartbeat, joining, leaving, pushing
from tests.support.pages import ROOT, blocks, run_blocks
from tests.support.raw import KEY, open_raw
from tests.support.servers import serve
from tests.support.transcript import Transcript

pytestmark = pytest.mark.clock("real")

PAGE = "docs/debugging.md"
LOCAL = "ws://localhost:4000/socket"
TOOK = re.compile(r"in [\d.]+ m?s")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the page's blocks, which belong to one module."""
    return run_blocks(monkeypatch, "debugging", *blocks(PAGE))


async def test_each_byte_of_the_page_is_on_the_wire(
    names: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with serve("native", names["endpoint"]) as server:
        async with open_raw(server) as client:
            seen = Transcript(client)
            await seen.request(
                "GET /socket/websocket?name=ann&vsn=2.0.0 HTTP/1.1",
                "Host: localhost:4000",
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                f"Sec-WebSocket-Key: {KEY}",
                "Origin: http://localhost:4000",
            )
            for message, answers in (
                (joining("1", "hello"), 1),
                (pushing("1", "2", "hello", "greet", {"name": "Bo"}), 2),
                (heartbeat("3"), 1),
                (leaving("1", "4", "hello"), 2),
            ):
                seen.send(1, str(encode_v2(message)).encode())
                await seen.read(answers)
            seen.send(9, b"?")
            await seen.read()
            seen.send(8, (1000).to_bytes(2, "big") + b"bye")
            await seen.read()
            assert await client.end() == b""
        async with open_raw(server) as client:
            refused = Transcript(client)
            await refused.request(
                "GET /socket/websocket?vsn=2.0.0 HTTP/1.1",
                "Host: localhost:4000",
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                f"Sec-WebSocket-Key: {KEY}",
                "Origin: https://evil.example",
            )
    shown = [*seen.blocks, *refused.blocks]
    assert blocks(PAGE, "text") == shown
    [quoted] = re.findall(r"`(Refusing .*) \.\.\.`", (ROOT / PAGE).read_text())
    assert quoted in caplog.text


async def call(*arguments: str, stdin: str = "") -> list[str]:
    """Run a command of ``bennu``, which must succeed; return its lines."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bennu", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate(stdin.encode())
    assert (process.returncode, errors) == (0, b""), errors.decode()
    return out.decode().splitlines()


async def test_the_tools_of_the_page(
    names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The console, the inspector, a recording and its replay, all of one session."""
    file = tmp_path / "hello.jsonl"
    script, replays = blocks(PAGE, "sh")[1:]
    console, inspected = blocks(PAGE, "console")
    commands = re.findall(r"printf '(.*)' \|", script)[0].replace("\\n", "\n")
    async with serve("native", names["endpoint"]) as server:
        url = server.url("/socket")
        recording = asyncio.ensure_future(names["record_next_client"](file))
        watching = asyncio.ensure_future(names["watch_hello"](5))
        await asyncio.sleep(0)  # both have begun
        lines = await call("console", url, "--param", "name=ann", stdin=commands)
        await recording
        assert await watching == inspected.splitlines()
        shown = "".join(f"{line[14:]}\n" for line in lines)  # without the time of day
        assert TOOK.sub("in … ms", shown.replace(url, LOCAL)) == TOOK.sub("in … ms", console)
        assert f"bennu replay {file.name} ws://" in replays
        [*_, end] = await call("replay", str(file), url)
        assert end == "Messages compared: 3, differences: 0"
    options = re.findall(r"--pytest .*", replays)[0].split()
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["replay", file.name, *options])
    assert result.exit_code == 0, result.output
    assert "hello.assert_push('greeted', " in (tmp_path / "test_hello.py").read_text()
