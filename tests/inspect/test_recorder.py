"""The recorder writes in a thread, and says what it could not write."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from bennu.inspect import ConnectSeen, Recorder, Recording, recorder as module
from bennu.inspect.sights import FrameSight
from bennu.logs.hiding import ParameterFilter
from bennu.message import TEXT

pytestmark = pytest.mark.clock("real")

FRAME = FrameSight(2.0, "1", "in", TEXT, b"hello")


def begun(file: Path) -> Recorder:
    recorder = Recorder(file, ParameterFilter(), stop=lambda _: None)
    recorder.begin(ConnectSeen(connection="1", path="/raw/websocket"), 1.0)
    return recorder


async def test_frames_that_do_not_fit_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", -1)
    recorder = begun(tmp_path / "s.jsonl")
    recorder.put(FRAME)
    recorder.put(FRAME)
    recorder.close()
    recorder.put(FRAME)
    await recorder.wait_closed()
    assert recorder.lost == 2
    assert Recording.read(recorder.file.read_bytes().splitlines()).lost == 2


async def test_a_disk_that_is_full() -> None:
    recorder = begun(Path("/dev/full"))
    recorder.put(FRAME)
    recorder.close()
    with pytest.raises(OSError, match="No space left on device") as caught:
        await recorder.wait_closed()
    assert caught.value.errno == errno.ENOSPC


async def test_a_file_that_was_there_is_made_anew(tmp_path: Path) -> None:
    """Nobody else can read it, even if everybody could before."""
    file = tmp_path / "s.jsonl"
    file.write_text("old\n" * 100)
    file.chmod(0o644)
    recorder = begun(file)
    recorder.close()
    await recorder.wait_closed()
    assert recorder.wants("any")
    assert file.stat().st_mode & 0o777 == 0o600
    assert not Recording.read(file.read_bytes().splitlines()).frames
