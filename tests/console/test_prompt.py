"""The line of the terminal: commands, completion, history. The keys come from a pipe."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session, get_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from bennu.client import ConnectTarget
from bennu.console import ConsoleSession, Happening, run_prompt
from bennu.console.happenings import CommandFailed, HelpShown, WatchChosen
from bennu.console.prompt import history_file

from ..client.in_memory import URL
from ..support.until import until

pytestmark = pytest.mark.clock("real")


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PipeInput]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        yield pipe


def is_shown(text: str) -> bool:
    """Return whether a text is in the line now."""
    app = get_app_session().app
    return app is not None and app.current_buffer.text == text


async def run(keys: PipeInput, text: str) -> list[Happening]:
    """Press keys; return what the console has told."""
    told: list[Happening] = []
    keys.send_text(text)
    await run_prompt(ConsoleSession(URL, told.append))
    return told


async def test_lines_are_executed_until_quit(keys: PipeInput) -> None:
    told = await run(keys, "help push\r\rfoo\rquit\r")
    assert [type(one) for one in told] == [HelpShown, CommandFailed]


async def test_ctrl_c_forgets_the_line_and_ctrl_d_ends(keys: PipeInput) -> None:
    assert await run(keys, "help\x03\x04") == []


async def test_ctrl_c_ends_the_wait_of_a_command(keys: PipeInput) -> None:
    told: list[Happening] = []

    async def hang(target: ConnectTarget) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    keys.send_text("connect\rquit\r")
    await run_prompt(ConsoleSession(URL, told.append, transport=hang))
    assert [one.reason for one in told if isinstance(one, CommandFailed)] == ["interrupted"]


async def test_tab_completes(keys: PipeInput) -> None:
    told: list[Happening] = []
    running = asyncio.create_task(run_prompt(ConsoleSession(URL, told.append)))
    for pressed, shown in (("wat\t", "watch"), (" fr\t", "watch frames")):
        keys.send_text(pressed)
        await until(partial(is_shown, shown))
    keys.send_text("\rquit\r")
    await running
    assert [one.choice for one in told if isinstance(one, WatchChosen)] == ["frames"]


async def test_the_history_keeps_lines_without_secrets(keys: PipeInput) -> None:
    await run(keys, "help push\r help ping\rconnect token\rquit\r")
    file = history_file()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [line for line in file.read_text().splitlines() if line.startswith("+")] == [
        "+help push",
        "+quit",
    ]
    [told] = await run(keys, "\x1b[A\x1b[A\rquit\r")
    assert isinstance(told, HelpShown)


async def test_a_home_without_room_for_a_file(
    keys: PipeInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert len(await run(keys, "help\rquit\r")) == 1
