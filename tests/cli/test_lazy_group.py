"""Commands are imported when they are asked for."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from bennu.cli import main
from bennu.cli.lazy_group import COMMANDS

CONTEXT = click.Context(main)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_name(name: str) -> None:
    command = main.get_command(CONTEXT, name)
    assert command is not None
    assert command.name == name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_fits_in_a_terminal(name: str) -> None:
    """Click folds sentences, and no examples."""
    lines = CliRunner().invoke(main, [name, "--help"], terminal_width=80).output.splitlines()
    assert len(lines) > 3
    assert [line for line in lines if len(line) > 80] == []


def test_an_unknown_command_is_none() -> None:
    assert main.get_command(CONTEXT, "runn") is None


def test_help_lists_all_of_them() -> None:
    assert {*COMMANDS, "run"} == {*main.list_commands(CONTEXT)}


def test_a_server_imports_no_other_command() -> None:
    program = (
        "import bennu.cli, sys; print([name for name in sys.modules if name.startswith('bennu.')])"
    )
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert "'bennu.cli.main'" in loaded
    modules = {target.split(":")[0] for target in COMMANDS.values()}
    assert not [name for name in modules if f"'bennu.cli.{name}'" in loaded]
