"""``bennu top``: its options, and a running ``bennu run`` in a terminal and for scripts."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import struct
import sys
import termios
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bennu.cli import main
from bennu.cli.top import top

from ..support.frames import ok
from ..support.pages import section, table
from ..support.wire import connect
from .command import bennu

pytestmark = pytest.mark.clock("real")

APP = """
from bennu import Channel, Endpoint, Socket, on

class Room(Channel):
    @on("say")
    async def say(self, payload: dict) -> dict:
        return payload

endpoint = Endpoint(sockets={"/socket": Socket(connect=lambda: None, channels={"room:*": Room})}, metrics="/metrics")
"""

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A terminal of 80 columns and 24 lines, and what it shows.

    Attributes:
        output: What was shown since the last :meth:`shows`, without colours.
    """

    def __init__(self) -> None:
        self.output = ""
        self._arrived = asyncio.Event()
        self._fd, self._of_command = pty.openpty()
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    async def run(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start ``bennu top`` in the terminal."""
        ours = {name: text for name, text in os.environ.items() if name not in ("COLUMNS", "LINES")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bennu", "top", *arguments),
            stdin=self._of_command,
            stdout=self._of_command,
            stderr=self._of_command,
            env={**ours, "TERM": "xterm"},
        )
        os.close(self._of_command)
        asyncio.get_running_loop().add_reader(self._fd, self._read)
        return process

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # the command has ended
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
        self.output += CODES.sub("", data.decode(errors="replace"))
        self._arrived.set()

    def close(self) -> None:
        """Close the terminal, as a window is closed."""
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)

    def press(self, key: str) -> None:
        """Press a key."""
        os.write(self._fd, key.encode())

    async def shows(self, text: str) -> None:
        """Wait until the terminal shows a text that it did not show before."""
        async with asyncio.timeout(30):
            while text not in self.output:
                self._arrived.clear()
                await self._arrived.wait()
        self.output = self.output.partition(text)[2]


async def run(*arguments: str) -> tuple[int | None, str, str]:
    """Run the command; return the exit code and both outputs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bennu", "top", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    return process.returncode, out.decode(), errors.decode()


async def test_the_command_ends_with_its_terminal(folder: Path) -> None:
    terminal = Terminal()
    async with bennu(folder, "--port", "0") as command:
        server = await command.listening()
        process = await terminal.run(f"http://{server.host}:{server.port}", "--interval", "0.1")
        await terminal.shows("q quit")
        terminal.close()
        async with asyncio.timeout(30):
            assert await process.wait() == 0


async def test_a_running_endpoint(folder: Path) -> None:
    """For scripts, and live in a terminal, also while the server is gone."""
    terminal = Terminal()
    async with bennu(folder, "--port", "0") as command:
        server = await command.listening()
        url = f"http://{server.host}:{server.port}"
        async with connect(server, "/socket") as client:
            assert await client.join("room:1") == ok()
            code, out, _ = await run(url, "--once", "--json", "--interval", "0.1")
            assert code == 0
            figures = json.loads(out)
            assert (figures["connections"], figures["channels"], figures["workers"]) == (1, 1, 1)
            assert figures["memory"] > 1_000_000

            process = await terminal.run(url, "--interval", "0.1")
            await terminal.shows(f"bennu top {url}/metrics")
            await terminal.shows("1 connections")
            await terminal.shows("say                 room:*             Room")
            await terminal.shows("s sort: rate   q quit")
            for order in ("p99", "refused", "name", "rate"):
                terminal.press("s")
                await terminal.shows(f"s sort: {order}")
    await terminal.shows("can't be reached")
    await terminal.shows(" connections")  # the last figures stay
    terminal.press("q")
    assert await process.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ([], 2, "Missing argument 'URL'"),
        (["localhost:4000"], 2, "write bennu top http://localhost:4000"),
        (["http://localhost", "--interval", "0"], 2, "0.0 is not in the range x>=0.1"),
        (["http://127.0.0.1:1"], 1, "http://127.0.0.1:1/metrics can't be reached"),
        (["http://127.0.0.1:1", "--once", "--json"], 1, "Is the server up"),
    ],
)
def test_an_error_says_what_to_do(arguments: list[str], code: int, text: str) -> None:
    result = CliRunner().invoke(main, ["top", *arguments])
    assert result.exit_code == code
    assert text in result.output


def test_the_command_needs_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("bennu.top")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    result = CliRunner().invoke(main, ["top", "http://localhost"])
    assert result.exit_code == 1
    assert "pip install 'bennu[top]'" in result.output


def test_the_page_lists_the_options() -> None:
    rows = table(section("docs/top.md", "The options"))
    listed = {name for row in rows for name in row[0].replace("`", "").split(", ")}
    assert listed == {
        name for one in top.params if isinstance(one, click.Option) for name in one.opts
    }
