"""``bennu new``: what it says, and what it never does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.generators.project import call


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_says_what_it_writes_and_what_comes_next(folder: Path) -> None:
    output = call("new", "shop")
    written = [line.split()[1] for line in output.splitlines() if line.startswith("  writes")]
    assert {folder / one for one in written} == {
        path for path in (folder / "shop").rglob("*") if path.is_file()
    } | {Path(folder / one) for one in written}
    assert output.endswith(
        "\nshop is ready. Next:\n"
        "\n"
        "  cd shop\n"
        "  pip install -e '.[dev]'\n"
        "  bennu run shop.app:app --reload\n"
        "\n"
        "README.md says where things are, and what to change before others use it.\n"
    )


def test_a_path_is_a_folder_and_a_name(folder: Path) -> None:
    call("new", "work/my-shop", "--bare")
    assert (folder / "work/my-shop/my_shop/room.py").exists()


def test_a_dry_run_writes_nothing(folder: Path) -> None:
    output = call("new", "shop", "--django", "--dry-run")
    assert "  would write shop/manage.py\n" in output
    assert [*folder.iterdir()] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["3x"], "Error: expected a name of small letters, digits and _"),
        (["class"], "Error: class is a word of Python"),
        (["shop", "--fastapi", "--django"], "Error: --django and --fastapi exclude each other"),
        ([], "Missing argument 'NAME'"),
    ],
)
def test_a_wrong_command_teaches(folder: Path, arguments: list[str], said: str) -> None:
    assert said in call("new", *arguments, code=2)
    assert [*folder.iterdir()] == []


def test_a_folder_with_files_is_refused(folder: Path) -> None:
    (folder / "shop").mkdir()
    for name in ("a", "b", "c", "d"):
        (folder / "shop" / name).touch()
    output = call("new", "shop", code=2)
    assert "shop has files (a, b, c, …), and a new project needs an empty folder" in output
    assert "write bennu gen socket" in output


def test_a_file_is_refused(folder: Path) -> None:
    (folder / "shop").touch()
    assert "shop is a file: write another name" in call("new", "shop", code=2)


def test_hidden_files_stay(folder: Path) -> None:
    """A repository can be there. A file that the project has too is kept, and the exit code says so."""
    (folder / "shop/.git").mkdir(parents=True)
    (folder / "shop/.gitignore").write_text("mine\n")
    output = call("new", "shop", code=1)
    assert "  is kept   shop/.gitignore\n" in output
    assert (
        "1 file(s) were there with another content, and were kept: --force replaces them" in output
    )
    assert (folder / "shop/.gitignore").read_text() == "mine\n"
    assert (folder / "shop/shop/app.py").exists()


def test_force_replaces_files_but_no_secret(folder: Path) -> None:
    call("new", "shop")
    (folder / "shop/README.md").write_text("mine")
    secret = (folder / "shop/.env").read_text()
    assert "  would replace shop/README.md\n" in call("new", "shop", "--force", "--dry-run")
    output = call("new", "shop", "--force")
    assert "  replaces  shop/README.md\n" in output
    assert output.count("writes") == 0
    assert (folder / "shop/README.md").read_text().startswith("# Shop")
    assert (folder / "shop/.env").read_text() == secret


def test_a_folder_that_can_not_be_made_is_named(folder: Path) -> None:
    (folder / "file").touch()
    assert "file" in call("new", "file/shop", code=1)
