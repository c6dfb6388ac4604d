"""The environment of workers."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from bennu.cli.workers.environment import make_directory, worker_environment


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BENNU_PUBSUB", "BENNU_SECRET_KEY", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def short() -> Path:
    return Path(tempfile.mkdtemp(prefix="b-", dir="/tmp"))


@pytest.mark.parametrize("name", ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"])
def test_the_directory_is_private_and_short(
    monkeypatch: pytest.MonkeyPatch, short: Path, name: str
) -> None:
    monkeypatch.setenv(name, f"{short}:/elsewhere")
    made = make_directory()
    assert made is not None
    assert Path(made).parent == short
    assert stat.S_IMODE(os.stat(made).st_mode) == 0o700
    Path(made).rmdir()
    short.rmdir()


def test_a_folder_with_a_long_path_or_without_permission_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * 60)
    deep.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(deep))
    made = make_directory()
    assert made is not None
    assert Path(made).parent == Path("/tmp")  # noqa: S108
    assert not list(deep.iterdir())
    Path(made).rmdir()


def test_where_no_directory_can_be_made_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: str) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(OSError, match="No space left"):
        make_directory()


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENNU_PUBSUB", "redis://cache")
    monkeypatch.setenv("BENNU_SECRET_KEY", "mine")
    assert make_directory() is None
    environment = worker_environment(None)
    assert environment["BENNU_PUBSUB"] == "redis://cache"
    assert environment["BENNU_SECRET_KEY"] == "mine"


def test_what_is_not_set_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """What systemd says to the supervisor is not for workers."""
    monkeypatch.setenv("BENNU_SECRET_KEY", "")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    environment = worker_environment("/run/x")
    assert environment["BENNU_PUBSUB"] == "ipc:///run/x"
    assert len(environment["BENNU_SECRET_KEY"]) >= 60
    assert worker_environment("/run/x")["BENNU_SECRET_KEY"] != environment["BENNU_SECRET_KEY"]
    assert "NOTIFY_SOCKET" not in environment
    assert environment["PATH"] == os.environ["PATH"]
