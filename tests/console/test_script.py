"""Lines of a script are executed one after another."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from bennu.console import ConsoleSession, Happening, lines_of_stdin, run_script
from bennu.console.happenings import CommandFailed, HelpShown

from ..client.in_memory import URL


async def given(*lines: str) -> AsyncIterator[str]:
    for line in lines:
        yield line


async def test_each_line_is_executed_and_failures_are_counted() -> None:
    told: list[Happening] = []
    session = ConsoleSession(URL, told.append)
    lines = given("help push\n", "# a comment", "", "foo", "ping", "help", "quit", "foo")
    assert await run_script(session, lines) == 2
    assert [type(one) for one in told] == [HelpShown, CommandFailed, CommandFailed, HelpShown]
    assert [one.command for one in told if isinstance(one, CommandFailed)] == ["foo", "ping"]


@pytest.mark.clock("real")
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"a\nb\xc3\xa9\n", ["a", "bé"]),
        (b"a\nb", ["a", "b"]),
        (b"", []),
        (b"\xff\n\n", ["\ufffd", ""]),
    ],
)
async def test_lines_of_a_pipe(text: bytes, lines: list[str]) -> None:
    reader, writer = os.pipe()
    os.write(writer, text)
    os.close(writer)
    assert [line async for line in lines_of_stdin(reader)] == lines
    os.close(reader)
