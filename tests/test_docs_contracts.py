"""docs/contracts.md: its blocks run, its table of topics is what the command prints, its table of rules is the code's."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bennu.cli import main
from bennu.contracts import ContractRule
from tests.support.node import js_modules, node_path
from tests.support.pages import ROOT, blocks, run_blocks, section

PAGE = "docs/contracts.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the page's ``app.py``, as a module with source."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "app.py").write_text(blocks(PAGE)[0])
    sys.modules.pop("app", None)
    yield tmp_path
    sys.modules.pop("app", None)


def call(folder: Path, *arguments: str) -> str:
    """Run a command in the folder; return what it prints."""
    first, *rest = arguments
    result = CliRunner(env={"COLUMNS": "100"}).invoke(
        main, [first, "--app-dir", str(folder), *rest]
    )
    assert result.exit_code == 0, result.output
    return result.stdout


def example(language: str) -> str:
    """Return the page's block of another language."""
    return (ROOT / PAGE).read_text().split(f"```{language}\n")[1].split("```")[0]


def test_the_page_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first block is a module of a file. The others run behind it, and their assertions hold."""
    monkeypatch.syspath_prepend(str(folder))
    first, *others = blocks(PAGE)
    names: dict[str, Any] = run_blocks(monkeypatch, "contracts", first, *others)
    assert "did you mean" in names["mistake"]


def test_the_topic_table_is_what_the_command_prints(folder: Path) -> None:
    printed = "".join(
        f"    {line}".rstrip() + "\n" for line in call(folder, "channels").splitlines()
    )
    assert f"    $ bennu channels\n{printed}" in section(PAGE, "The topic table")


def test_the_page_has_each_rule() -> None:
    rows = [
        f"| `{one.text}` | {'yes' if one.breaks else 'no'} | {one.meaning} |"
        for one in ContractRule
    ]
    table = "\n".join(["| rule | breaks | why |", "|---|---|---|", *rows])
    assert table in (ROOT / PAGE).read_text(), f"{PAGE} needs\n{table}"


@pytest.mark.interop
@pytest.mark.timeout(180)
def test_the_example_in_typescript_compiles(folder: Path) -> None:
    (folder / "contract.d.ts").write_text(call(folder, "types", "--typescript"))
    shown = "declare function show(author: string, body: string): void\n"
    (folder / "page.ts").write_text(shown + example("ts"))
    modules = js_modules()
    options = {
        "noEmit": True,
        "strict": True,
        "target": "es2022",
        "lib": ["es2022", "dom"],
        "types": [],
        "module": "esnext",
        "moduleResolution": "bundler",
        "paths": {"phoenix": [str(modules / "@types" / "phoenix")]},
    }
    config = {"compilerOptions": options, "files": ["page.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    compiler = modules / "typescript" / "bin" / "tsc"
    command = [str(node_path()), str(compiler), "-p", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=170)
    assert done.stdout == ""


def test_the_example_in_python_fits_the_module(folder: Path) -> None:
    """Its names are those of the module."""
    written = call(folder, "types", "--python")
    for name in (
        "class RoomChannel:",
        "class NewMsg(",
        "async def new_msg(",
        "def new_msg_events(",
    ):
        assert name in written
    body = textwrap.indent(example("py"), "    ")
    compile(f"async def main():\n{body}", "page", "exec")


def test_the_page_is_found() -> None:
    assert PAGE in (ROOT / "README.md").read_text()
    assert "(contracts.md" in (ROOT / "docs" / "guide.md").read_text()
    assert "(contracts.md" in (ROOT / "docs" / "command.md").read_text()
