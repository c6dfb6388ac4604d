"""Targets that can't be served: the error names the target, the alternatives, and the failing line of the user's
code.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest

from bennu import Endpoint
from bennu.cli.loading import load

ENDPOINT = "from bennu import Endpoint\n{} = Endpoint(sockets={{}})\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that can be imported, and are forgotten at the end."""
    monkeypatch.syspath_prepend(tmp_path)
    others = {name: module for name, module in sys.modules.items() if name != "app"}
    monkeypatch.setattr(sys, "modules", others)
    return tmp_path


def said(target: str, folder: Path, *, is_given: bool = True) -> str:
    """Return the error of a target that can't be served."""
    with pytest.raises(click.ClickException) as raised:
        load(target, folder=str(folder), is_given=is_given)
    return raised.value.message


def test_an_endpoint(folder: Path) -> None:
    (folder / "app1.py").write_text(ENDPOINT.format("endpoint"))
    assert isinstance(load("app1:endpoint", folder=str(folder)), Endpoint)


def test_a_default_that_is_not_there_says_what_was_looked_for(folder: Path) -> None:
    """The error lists other names, endpoints first. No module is imported for that."""
    (folder / "main.py").write_text(
        "from fastapi import FastAPI\nweb: FastAPI = FastAPI()\n1 / 0\n"
    )
    (folder / "chat").mkdir()
    (folder / "chat" / "__init__.py").write_text(ENDPOINT.format("server"))
    (folder / "broken.py").write_text("if x\n")
    (folder / "other.py").write_text("x, y = 1, 2\nz[0] = Endpoint()\n")
    text = said("app:endpoint", folder, is_given=False)
    assert "no MODULE:ENDPOINT was given, and app:endpoint does not exist" in text
    assert str(folder) in text
    assert text.index("bennu run chat:server") < text.index("bennu run main:web")
    assert "broken" not in text


def test_nothing_at_all(folder: Path) -> None:
    assert "--app-dir" in said("app:endpoint", folder, is_given=False)


def test_the_nearest_module_comes_first(folder: Path) -> None:
    for name in ("aaa", "server"):
        (folder / f"{name}.py").write_text(ENDPOINT.format("endpoint"))
    text = said("sever:endpoint", folder)
    assert "No module named 'sever'" in text
    assert text.index("server:endpoint") < text.index("aaa:endpoint")


def test_what_a_module_has_instead(folder: Path) -> None:
    (folder / "app2.py").write_text(
        ENDPOINT.format("server")
        + "from starlette.applications import Starlette\nweb = Starlette()\n"
    )
    text = said("app2:endpoint", folder)
    assert "module 'app2' has no attribute 'endpoint'" in text
    assert text.index("app2:server    (Endpoint)") < text.index("app2:web    (Starlette)")
    assert said("app2:wev", folder).count("write:") == 2
    assert "app2:server" in said("app2:__name__", folder)


@pytest.mark.parametrize(
    "target", ["app.py", "app.py:endpoint", "./app:endpoint", "..app:endpoint", "web", "app:", ":x"]
)
def test_a_target_of_another_shape(folder: Path, target: str) -> None:
    assert "expected MODULE:ENDPOINT" in said(target, folder)
    if "app" in target and target != "app:":
        assert "write for example app:endpoint" in said(target, folder)


def test_the_traceback_is_the_users(folder: Path) -> None:
    """The frames of libraries and of Bennu are left out, in causes too."""
    (folder / "deep.py").write_text(
        "import json\ndef f():\n    try:\n        json.loads('{')\n    except ValueError as e:\n"
        "        raise RuntimeError('no settings') from e\n"
    )
    (folder / "app3.py").write_text("from deep import f\nf()\n")
    text = said("app3:endpoint", folder)
    assert text.startswith("RuntimeError: no settings\n  raised at ")
    files = [line for line in text.splitlines() if line.startswith("  File ")]
    assert len(files) == 3
    assert all(str(folder) in line for line in files)
    assert "JSONDecodeError" in text


def test_a_syntax_error_shows_its_line(folder: Path) -> None:
    (folder / "app4.py").write_text("x = 1\nif x\n")
    text = said("app4:endpoint", folder)
    assert "    if x\n        ^" in text
    assert "importlib" not in text


def test_a_module_that_ends_the_process(folder: Path) -> None:
    (folder / "app5.py").write_text("import sys\nsys.exit(2)\n")
    assert "ended the process when it was imported" in said("app5:endpoint", folder)


def test_a_package_that_is_missing_is_no_wrong_target(folder: Path) -> None:
    (folder / "app6.py").write_text("import not_installed_here\n")
    text = said("app6:endpoint", folder)
    assert text.startswith("No module named 'not_installed_here'")
    assert "write:" not in text
