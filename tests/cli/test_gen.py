"""``bennu gen``: what it says, and what it never does. tests/generators/test_parts_run.py runs what it writes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from bennu.secret_key import secrets_of
from tests.generators.project import call


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project without a socket, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.py").touch()
    return tmp_path


def test_a_secret_alone_is_printed() -> None:
    secret = call("gen", "secret").removesuffix("\n")
    assert secrets_of(secret)
    assert len(secret) == 64


@pytest.mark.parametrize("part", ["socket", "presence", "auth"])
def test_a_part_says_what_is_left_to_do(folder: Path, part: str) -> None:
    output = call("gen", part)
    assert f"  writes    realtime/{'tokens' if part == 'auth' else part}.py\n" in output
    assert "    from realtime." in output.split("\n\n", 1)[1]


@pytest.mark.conformance("GE001")
def test_a_channel_goes_into_the_socket(folder: Path) -> None:
    call("gen", "socket")
    output = call("gen", "channel", "Room", "room:{room_id}")
    assert output == (
        "  writes    realtime/room.py\n"
        "  replaces  realtime/socket.py\n"
        "  writes    tests/test_room.py\n"
    )


@pytest.mark.conformance("GE005", "GE010")
def test_one_more_socket_and_another_package(folder: Path) -> None:
    output = call("gen", "socket", "Admin", "--package", "shop.live")
    assert "  writes    shop/live/admin_socket.py\n" in output
    assert "from shop.live.admin_socket import admin_socket" in output


def test_a_dry_run_writes_nothing(folder: Path) -> None:
    (folder / "realtime").mkdir()
    (folder / "realtime/presence.py").write_text("mine")
    output = call("gen", "presence", "--dry-run")
    assert "  would ask before it replaces realtime/presence.py\n" in output
    assert "  would write realtime/users.py\n" in output
    assert not (folder / "realtime/users.py").exists()


@pytest.mark.conformance("GE006", "GE012")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["channel", "room", "room:*"], "write Room"),
        (["channel", "Room", "room:{topic}"], "write for example 'room:{my_topic}'"),
        (["channel", "Room", "room:{a}{b}"], "two parameters with no text between them"),
        (["channel", "Room"], "Missing argument 'TOPIC'"),
        (["socket", "--package", "a/b"], "expected the name of a package"),
    ],
)
def test_a_wrong_command_teaches(folder: Path, arguments: list[str], said: str) -> None:
    assert said in call("gen", *arguments, code=2)
    assert [one.name for one in folder.iterdir()] == ["main.py"]


@pytest.mark.conformance("GE007", "GE013")
@pytest.mark.parametrize("part", ["presence", "socket"])
def test_a_file_of_the_user_is_kept(folder: Path, part: str) -> None:
    call("gen", part)
    (folder / f"realtime/{part}.py").write_text("mine")
    output = call("gen", part, code=1)
    assert f"  is kept   realtime/{part}.py\n" in output
    assert (folder / f"realtime/{part}.py").read_text() == "mine"
    assert f"  replaces  realtime/{part}.py\n" in call("gen", part, "--force")


@pytest.mark.parametrize(("answer", "code", "content"), [("y", 0, "new"), ("n", 1, "mine")])
def test_on_a_terminal_it_asks(folder: Path, answer: str, code: int, content: str) -> None:
    call("gen", "presence")
    new = (folder / "realtime/presence.py").read_text()
    (folder / "realtime/presence.py").write_text("mine")
    person, terminal = pty.openpty()
    os.write(person, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "bennu", "gen", "presence"],
        stdin=terminal,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(person)
    os.close(terminal)
    assert done.returncode == code
    assert "realtime/presence.py has another content. Replace it? [y/N]" in done.stdout
    expected = {"new": new, "mine": "mine"}[content]
    assert (folder / "realtime/presence.py").read_text() == expected
