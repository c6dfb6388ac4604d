"""The directory is private, its sockets are those of living processes, and errors say what to do."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bennu.bus.ipc.directory import MAX_PATH, Directory, peer_of, safe_name
from bennu.errors import DefinitionError

from .paths import short_directory


@pytest.fixture
def path() -> Iterator[Path]:
    with short_directory() as path:
        yield path / "bus"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[str], Directory]]:
    """Return a function that opens the directory for a node."""
    directories = []

    def open_for(node: str) -> Directory:
        directory = Directory(path)
        directories.append(directory)
        directory.open(node)
        return directory

    yield open_for
    for directory in directories:
        directory.close()


def refusal(path: Path, node: str = "one") -> str:
    directory = Directory(path)
    with pytest.raises(DefinitionError) as caught:
        directory.open(node)
    assert directory.fd == -1
    return str(caught.value)


def dead_socket(path: Path) -> None:
    """Leave a socket whose process is dead."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def test_a_directory_is_made_for_its_user_alone(
    path: Path, opened: Callable[[str], Directory]
) -> None:
    opened("one").close()
    assert path.stat().st_mode & 0o777 == 0o700
    opened("one")


def test_a_directory_that_others_can_enter_is_refused(path: Path) -> None:
    path.mkdir()
    path.chmod(0o750)
    assert "mode 0750" in refusal(path)
    assert f"chmod 700 {path}" in refusal(path)


def test_a_symbolic_link_is_refused(path: Path) -> None:
    path.mkdir(0o700)
    link = path.with_name("link")
    link.symlink_to(path)
    assert "a symbolic link is refused" in refusal(link)


def test_a_file_and_a_missing_parent_are_refused(path: Path) -> None:
    path.touch()
    assert "Not a directory" in refusal(path)
    assert "mkdir -m 700" in refusal(path.with_name("missing") / "bus")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_a_directory_of_another_user_is_refused(path: Path) -> None:
    path.mkdir(0o700)
    os.chown(path, 12345, 12345)
    assert "a directory of the user 12345" in refusal(path)


@pytest.mark.parametrize("node", ["", ".hidden", "a/b", "ä", "x" * 65, "a b"])
def test_a_name_that_is_no_file_name_is_refused(path: Path, node: str) -> None:
    assert "64 ASCII letters" in refusal(path, node)
    assert not path.exists()


@pytest.mark.parametrize("name", ["web 1/ä", ".hidden", "x" * 99, "", "-", "a.b@c"])
def test_a_safe_name_can_be_used(name: str, opened: Callable[[str], Directory]) -> None:
    opened(safe_name(name))


def test_a_long_path_is_refused(path: Path, tmp_path: Path) -> None:
    long = path.with_name("d" * (MAX_PATH - len(str(path.parent)) - len("/") - len("/one.sock")))
    assert len(f"{long}/one.sock") == MAX_PATH
    directory = Directory(long)
    directory.open("one")
    directory.listen("one").close()
    directory.close()
    assert f"at most {MAX_PATH} bytes" in refusal(long, "four")


def test_a_socket_listens_under_the_name_of_its_node(opened: Callable[[str], Directory]) -> None:
    one = opened("one")
    with one.listen("one"):
        assert one.names() == ({"one"}, set())
        assert one.is_bound("one")
        with one.connect("one") as connection:
            assert peer_of(connection.fileno()) == os.getpid()
        one.unbind("one")
        assert one.names() == (set(), set())
        assert not one.is_bound("one")
        one.unbind("one")
    with pytest.raises(FileNotFoundError):
        one.connect("one")


def test_two_living_processes_have_two_names(opened: Callable[[str], Directory]) -> None:
    one = opened("one")
    with one.listen("one"), pytest.raises(DefinitionError, match="a living process has"):
        opened("one").listen("one")
    assert one.names() == ({"one"}, set())


def test_the_name_of_a_dead_process_is_free(path: Path, opened: Callable[[str], Directory]) -> None:
    one = opened("one")
    dead_socket(path / "one.sock")
    dead_socket(path / ".one.new")
    with pytest.raises(ConnectionRefusedError):
        one.connect("one")
    with one.listen("one"):
        one.connect("one").close()
        assert not one.remove_stale("one")


def test_the_socket_of_a_dead_process_is_removed(
    path: Path, opened: Callable[[str], Directory]
) -> None:
    one = opened("one")
    dead_socket(path / "two.sock")
    assert one.remove_stale("two")
    assert not one.remove_stale("two")
    assert one.names() == (set(), set())


def test_a_socket_of_another_process_is_not_unbound(
    path: Path, opened: Callable[[str], Directory]
) -> None:
    one, other = opened("one"), opened("one")
    one.listen("one").close()
    with other.listen("one"):
        assert not one.is_bound("one")
        one.unbind("one")
        assert other.is_bound("one")


def test_what_is_no_socket_of_this_user_is_refused(
    path: Path, opened: Callable[[str], Directory]
) -> None:
    one = opened("one")
    with one.listen("one"):
        (path / "link.sock").symlink_to(path / "one.sock")
        (path / "file.sock").touch()
        (path / "other").touch()
        assert one.names() == ({"one"}, {"link", "file"})
        for name in ("link", "file"):
            with pytest.raises(PermissionError):
                one.connect(name)
            with pytest.raises(DefinitionError, match="no socket of this user"):
                opened(name).listen(name)
