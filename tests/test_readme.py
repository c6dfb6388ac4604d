"""The README's quickstart works as printed: its commands and files, in an empty directory, in a real browser."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import click
import pytest
from playwright.async_api import expect

from bennu.cli import main
from tests.support.browser import open_browser
from tests.support.conformance import TOML, CheckList, find_marks
from tests.support.environments import new_environment

pytestmark = [pytest.mark.browser, pytest.mark.clock("real")]

ROOT: Final = Path(__file__).parent.parent
README: Final = (ROOT / "README.md").read_text()
QUICKSTART: Final = README.split("## Quickstart")[1].split("\n## ")[0]
BLOCKS: Final = re.findall(r"^```(\w+)\n(.*?)^```", QUICKSTART, re.DOTALL | re.MULTILINE)
COMMANDS: Final = [text.strip() for language, text in BLOCKS if language == "sh"]
FILES: Final = {  # the first line of each file is a comment with its name
    re.findall(r"[\w/]+\.\w+", text)[0]: text for language, text in BLOCKS if language != "sh"
}
LISTENS: Final = re.compile(r"running on (http://127\.0\.0\.1:\d+)")


def test_quickstart_is_three_files_and_two_commands() -> None:
    """A new user writes three files and two commands."""
    assert list(FILES) == ["app.py", "page/index.html", "page/chat.js"]
    assert COMMANDS == ["pip install . starlette", "bennu run app:app"]


def test_address_is_the_one_of_the_command() -> None:
    """The address on the page is the default address of `bennu run`."""
    assert isinstance(main, click.Group)
    options = {option.name: option.default for option in main.commands["run"].params}
    assert f"http://{options['host']}:{options['port']} in two windows" in QUICKSTART


def test_numbers_of_conformance_are_those_of_the_list() -> None:
    """The README's numbers of behaviours and of tested behaviours are those of the list."""
    marks = find_marks()
    behaviours = CheckList.load(TOML.read_text()).behaviours
    tested = sum(key in marks for key in behaviours)
    assert f"the {len(behaviours)} behaviours of Phoenix's own test suites; {tested} are" in README


@asynccontextmanager
async def serve(command: str, directory: Path, environment: dict[str, str]) -> AsyncIterator[str]:
    """Run the server on a free port; yield its address."""
    process = await asyncio.create_subprocess_shell(
        f"exec {command} --port 0",
        cwd=directory,
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        seen = ""
        while not (found := LISTENS.search(seen)):
            line = await process.stderr.readline()
            assert line, f"it did not start:\n{seen}"
            seen += line.decode()
        yield found[1]
    finally:
        process.terminate()
        await process.communicate()


async def test_quickstart_runs_as_printed(tmp_path: Path) -> None:
    """The first command installs it, the second serves it, and two windows get each other's messages."""
    environment = new_environment(tmp_path / "venv")
    install, run = COMMANDS
    subprocess.run(  # noqa: ASYNC221 - nothing else runs yet
        shlex.split(install), cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
    )
    directory = tmp_path / "empty"
    for name, text in FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    async with serve(run, directory, environment) as address, open_browser() as browser:
        ann, bo = [await browser.new_page(), await browser.new_page()]
        mistakes: list[str] = []
        for page in (ann, bo):
            page.on("pageerror", lambda error: mistakes.append(str(error)))
            await page.goto(address)
        await ann.get_by_placeholder("Message").fill("hello")
        await ann.get_by_role("button", name="Send").click()
        for page in (ann, bo):
            await expect(page.get_by_role("listitem")).to_have_text(
                re.compile(r"^guest \d+: hello$")
            )
        await bo.get_by_placeholder("Message").fill("hello yourself")
        await bo.keyboard.press("Enter")
        for page in (ann, bo):
            await expect(page.get_by_role("listitem")).to_have_count(2)
        assert mistakes == []


def test_requirement_is_the_project_s() -> None:
    """The README's oldest Python is that of the package."""
    assert "Python 3.11 or newer" in QUICKSTART
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()
