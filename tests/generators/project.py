"""Projects that a test makes with ``bennu new`` and ``bennu gen``, checks and serves."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from click.testing import CliRunner

from bennu.cli import main
from tests.cli.command import Command
from tests.support.environments import new_environment
from tests.support.mypy import MYPY_CACHE
from tests.support.pages import ROOT
from tests.support.servers import Server

__all__ = ["Project", "call"]

BIN: Final = Path(sys.executable).parent
"""The programs of the environment of the tests: ruff, mypy, pytest."""


def call(*arguments: str, code: int = 0, answers: str | None = None) -> str:
    """Run the ``bennu`` command in this process; return its output."""
    result = CliRunner().invoke(main, arguments, input=answers)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    return result.output


class Project:
    """A project in a folder, with an environment in which its commands run.

    Args:
        root: Its folder.
        environment: The folder for its environment; None for that of the tests.

    Attributes:
        root: Its folder.
    """

    def __init__(self, root: Path, environment: Path | None = None) -> None:
        self.root = root
        self._env = {**os.environ}
        programs = [str(BIN), os.environ["PATH"]]
        if environment is not None:
            self._env = new_environment(environment)
            [packages] = environment.glob("lib/python*/site-packages")
            (packages / "bennu.pth").write_text(str(ROOT / "src"))
            programs.insert(0, str(environment / "bin"))
        self._env["PATH"] = os.pathsep.join(programs)

    @property
    def commands(self) -> list[str]:
        """The commands of its README."""
        return (
            (self.root / "README.md").read_text().split("```sh\n")[1].split("```")[0].splitlines()
        )

    def run(self, command: str, *arguments: str | Path) -> str:
        """Run a command of a shell in the folder; return what it wrote."""
        done = subprocess.run(
            ["sh", "-c", f'{command} "$@"', "sh", *arguments],
            cwd=self.root,
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def check_style(self) -> None:
        """Check style and format, by the rules of the project."""
        self.run("ruff check --no-cache .")
        self.run("ruff format --no-cache --check .")

    def check_types(self, *folders: str) -> None:
        """Check the types as strictly as mypy can."""
        self.run("mypy --strict --cache-dir", MYPY_CACHE, *folders)

    def test(self) -> str:
        """Run the tests of the project; return the last line of pytest."""
        return self.run("python -m pytest -q -p no:cacheprovider").splitlines()[-1]

    @asynccontextmanager
    async def serve(self, command: str) -> AsyncIterator[Server]:
        """Run a command that serves, on a free port; yield its address."""
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", f"exec {command} --port 0"),
            cwd=self.root,
            env={**self._env, "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        running = Command(process)
        try:
            if (
                "--reload" in command
            ):  # the process that watches files says an address before one listens
                await running.read_until("starts again when")
            yield await running.listening()
        finally:
            process.terminate()
            output = await _end(running)
        complaints = [one for one in output if "ERROR" in one or "Traceback" in one]
        assert not complaints, "\n".join(output)


async def _end(running: Command) -> Sequence[str]:
    await running.end()
    return running.output.splitlines()
