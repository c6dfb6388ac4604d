"""Files are written as a whole, and no file of the user is lost."""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath

import pytest

from bennu.generators.writing import File, FileChange, plan, write


def file(path: str, content: str = "new\n", **more: bool) -> File:
    return File(PurePosixPath(path), content, **more)


def put(root: Path, *files: File, answer: bool = False) -> dict[str, FileChange]:
    """Write files; return what was told."""
    told: dict[str, FileChange] = {}

    def tell(change: FileChange, path: PurePosixPath) -> None:
        told[str(path)] = change

    write(root, plan(root, files), may_replace=lambda _: answer, tell=tell)
    return told


def test_folders_are_made(tmp_path: Path) -> None:
    assert put(tmp_path / "new", file("a/b.py"), file("c")) == {
        "a/b.py": FileChange.NEW,
        "c": FileChange.NEW,
    }
    assert (tmp_path / "new/a/b.py").read_text() == "new\n"


@pytest.mark.parametrize(
    ("answer", "change", "content"),
    [(False, FileChange.KEPT, "mine"), (True, FileChange.REPLACED, "new\n")],
)
def test_a_file_of_the_user_is_replaced_only_with_permission(
    tmp_path: Path, answer: bool, change: FileChange, content: str
) -> None:
    (tmp_path / "a").write_text("mine")
    assert put(tmp_path, file("a"), answer=answer) == {"a": change}
    assert (tmp_path / "a").read_text() == content


def test_an_equal_file_is_not_written(tmp_path: Path) -> None:
    put(tmp_path, file("a"))
    before = (tmp_path / "a").stat()
    assert put(tmp_path, file("a"), answer=True) == {"a": FileChange.SAME}
    assert (tmp_path / "a").stat().st_ino == before.st_ino


def test_a_file_that_only_must_be_there_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    assert put(tmp_path, file("a", is_kept=True), answer=True) == {"a": FileChange.KEPT}
    assert (tmp_path / "a").read_text() == "mine"


def test_an_addition_needs_no_permission_and_keeps_the_permissions_of_the_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").write_text("mine\n")
    (tmp_path / "a").chmod(0o755)
    assert put(tmp_path, file("a", "mine\nnew\n", is_edit=True)) == {"a": FileChange.REPLACED}
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755


def test_a_secret_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    put(tmp_path, file(".env", is_secret=True))
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    put(tmp_path, file(".env", "newer\n", is_secret=True), answer=True)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_a_dangling_link_is_the_user_s(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "gone")
    assert put(tmp_path, file("a")) == {"a": FileChange.KEPT}


def test_an_exception_at_a_question_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("mine")

    def give_up(path: PurePosixPath) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(
            tmp_path,
            plan(tmp_path, [file("a"), file("b")]),
            may_replace=give_up,
            tell=lambda change, path: None,
        )
    assert [one.name for one in tmp_path.iterdir()] == ["b"]
