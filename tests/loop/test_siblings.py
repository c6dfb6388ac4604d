"""Other processes that serve the same application are found, where the system shows them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bennu.loop.siblings import other_workers, same_command

PARENT = os.getppid()


def processes(folder: Path, words: Mapping[int, tuple[int, str]]) -> Path:
    """Return a folder like /proc, with the parent and the command line of each process."""
    for pid, (parent, command) in words.items():
        place = folder / str(pid)
        place.mkdir()
        (place / "stat").write_text(f"{pid} (a name) with ) S {parent} 1 1 0")
        (place / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in command.split()))
        (place / "cwd").symlink_to(folder)
    (folder / "self").mkdir()
    (folder / "77777777").mkdir()  # the process has just ended
    return folder


MASTER = "/venv/bin/python /venv/bin/gunicorn -w 2 app:app"
HELPER = "python -c from multiprocessing.resource_tracker import main;main(5)"


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({PARENT: (1, MASTER), 8_000_001: (PARENT, MASTER)}, "gunicorn runs other workers"),
        ({PARENT: (1, "granian app:app"), 8_000_001: (PARENT, "granian")}, "granian runs other"),
        ({PARENT: (1, MASTER)}, None),
        ({PARENT: (1, "uvicorn --reload app:app"), 8_000_001: (PARENT, HELPER)}, None),
        ({PARENT: (1, MASTER), 8_000_001: (1, MASTER)}, None),
        ({PARENT: (1, "bash"), 8_000_001: (PARENT, "bash")}, None),
        ({}, None),
    ],
    ids=["gunicorn", "granian", "alone", "a reloader", "another server", "a shell", "nothing"],
)
def test_workers_of_the_same_parent(
    tmp_path: Path, others: dict[int, tuple[int, str]], said: str | None
) -> None:
    """The other children of a known server are its workers."""
    proc = processes(tmp_path, {os.getpid(): (PARENT, MASTER), **others})
    found = other_workers(proc)
    assert (found is None) if said is None else (found is not None and found.startswith(said))


def test_a_server_that_says_how_many_workers_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """uvicorn and hypercorn give each worker their settings."""

    def settings(workers: Any) -> Any:
        config = SimpleNamespace(workers=workers)
        return lambda: SimpleNamespace(_kwargs={"config": config})

    monkeypatch.setattr(multiprocessing, "current_process", settings(3))
    assert other_workers() == "types runs 3 workers"
    for alone in (1, None):
        monkeypatch.setattr(multiprocessing, "current_process", settings(alone))
        assert other_workers() is None


def test_where_there_is_no_proc_nothing_is_known(tmp_path: Path) -> None:
    assert other_workers(tmp_path / "none") is None
    assert same_command("app:endpoint", tmp_path / "none") is None


@pytest.mark.parametrize(
    ("command", "is_same"),
    [
        ("/venv/bin/python /venv/bin/bennu run app:endpoint --port 4001", True),
        ("python -m bennu run app:endpoint", True),
        ("python -m bennu run other:endpoint", False),
        ("vim bennu app:endpoint", False),
        ("python -m uvicorn app:endpoint", False),
    ],
)
def test_a_second_run_of_the_same_target(tmp_path: Path, command: str, *, is_same: bool) -> None:
    """A second ``bennu run`` in the same folder is found. Children of this process do not count."""
    proc = processes(
        tmp_path,
        {
            os.getpid(): (PARENT, "python -m bennu run app:endpoint"),
            8_000_001: (os.getpid(), "python -m bennu run app:endpoint"),
            8_000_002: (1, command),
        },
    )
    assert same_command("app:endpoint", proc) == (8_000_002 if is_same else None)
    (proc / "8000002" / "cwd").unlink()
    assert same_command("app:endpoint", proc) is None
