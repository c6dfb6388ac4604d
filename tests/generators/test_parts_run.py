"""Parts run in projects that Bennu has not made: their tests pass, and a client joins their channel."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.support import wire
from tests.support.pages import ROOT, blocks

from .project import Project, call

pytestmark = [pytest.mark.clock("real"), pytest.mark.timeout(300)]

FASTAPI: Final = """\
from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def home() -> dict[str, str]:
    return {"hello": "world"}
"""

ASGI: Final = """\
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_asgi_application()
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project, in which commands run."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def in_fastapi(project: Project) -> str:
    """Do what the command says is left to do; return the command that serves."""
    (project.root / "main.py").write_text(FASTAPI)
    said = call("gen", "socket")
    [mounted] = blocks("docs/generators.md")
    for line in mounted.splitlines()[1:]:  # the page and the command say the same
        assert line in said
    routes = FASTAPI.split("app = FastAPI()\n")[1]
    (project.root / "main.py").write_text(mounted + routes)
    return "bennu run main:app"


def in_django(project: Project) -> str:
    """Django has no types, so a project that checks types has a line for mypy, or django-stubs."""
    (project.root / "mypy.ini").write_text("[mypy-django.*]\nignore_missing_imports = True\n")
    project.run("django-admin startproject shop .")
    (project.root / "shop/asgi.py").write_text(ASGI)
    said = call("gen", "socket")
    [step] = [one for one in said.split("\n\n") if "asgi.py" in one]
    lines = [line.removeprefix("    ") for line in step.splitlines()[1:]]
    assert "\n".join(f"    {line}" for line in lines) in (ROOT / "docs/generators.md").read_text()
    wrapped = ASGI.replace("application = get_asgi_application()", "\n".join(lines))
    (project.root / "shop/asgi.py").write_text(wrapped)
    return "bennu run shop.asgi:application"


EXISTING: Final = [
    pytest.param(in_fastapi, "/rt/socket", "", id="fastapi"),
    pytest.param(
        in_django,
        "/socket",
        "DJANGO_SETTINGS_MODULE=shop.settings ",
        id="django",
        marks=pytest.mark.long,
    ),
]


@pytest.mark.parametrize(("install", "path", "variables"), EXISTING)
async def test_a_socket_and_a_channel_in_an_existing_project(
    root: Path, install: Callable[[Project], str], path: str, variables: str
) -> None:
    project = Project(root)
    command = install(project)
    assert "writes    tests/test_room.py" in call("gen", "channel", "Room", "room:{room_id}")
    call("gen", "auth")
    project.run("ruff check --no-cache realtime tests")
    project.run("ruff format --no-cache --check realtime tests")
    project.check_types("-p", "realtime")
    assert re.fullmatch(r"\d+ passed in .*", project.test())
    issue = "from realtime.tokens import issue; from realtime.users import User; print(issue(User('1', 'Ann')))"
    token = project.run(f"{variables}python -c", issue).strip()
    async with (
        project.serve(command) as server,
        wire.connect(server, path, params={"token": token}) as client,
    ):
        assert (await client.join("room:7"))["status"] == "ok"


@pytest.mark.parametrize("name", ["Board", pytest.param("Zoo", marks=pytest.mark.long)])
async def test_a_channel_in_a_project_of_bennu_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is in the table of the socket, in the style of the project, and its test passes."""
    call("new", str(tmp_path / "shop"), "--bare")
    monkeypatch.chdir(tmp_path / "shop")
    project = Project(tmp_path / "shop")
    output = call("gen", "channel", name, "board:{board_id}:{part}")
    assert "  replaces  shop/socket.py\n" in output
    project.check_style()
    assert project.run("python -m pytest -q -p no:cacheprovider tests")
    served = project.run(
        "python -c",
        "from shop.socket import user_socket as s; s.define(); print(s.table.resolve('board:7:a')[1])",
    )
    assert served == "{'board_id': 7, 'part': 'a'}\n"
