"""The pytest plugin, in runs of pytest of their own: with pytest-asyncio, with anyio, and with unittest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

STORY: Final = """
import asyncio
import pytest
from bennu.testing import connect
from tests.testing.rooms import endpoint_of_rooms

MARK
async def test_an_hour(clock):
    loop = asyncio.get_running_loop()
    async with connect(endpoint_of_rooms(), "/socket", {"name": "ann"}) as ann:
        room = await ann.join("room:1")
        room.push("later", {"seconds": 3600})
        await clock.settle()
        await clock.advance(3600)
        await room.assert_push("now", within=0)
        await ann.heartbeat()
    assert 3600 <= clock.now < 3700

MARK
async def test_time_is_real_without_the_fixture():
    async with connect(endpoint_of_rooms(), "/socket", {"name": "ann"}) as ann:
        room = await ann.join("room:1")
        await room.push("new_msg", {"body": "Hi"}).assert_reply()
        room.push("typing")
        await room.refute_push("typing")

MARK
async def test_the_clock_can_begin_before_the_kit(clock):
    assert clock.now == 0
    await clock.advance(5)
    await asyncio.sleep(5)
    assert clock.now == 10
"""

UNITTEST: Final = """
import asyncio, unittest
from bennu.testing import connect, virtual_time
from tests.testing.rooms import endpoint_of_rooms

class Rooms(unittest.IsolatedAsyncioTestCase):
    async def test_five_minutes(self):  # unittest debugs its event loop, which makes an hour slow
        with virtual_time() as clock:
            async with connect(endpoint_of_rooms(), "/socket", {"name": "ann"}) as ann:
                room = await ann.join("room:1")
                room.push("later", {"seconds": 300})
                await clock.advance(301)
                await room.assert_push("now")
"""


def run(path: Path, story: str, *options: str) -> str:
    """Run pytest in a directory of its own, and return what it prints."""
    (path / "test_story.py").write_text(story)
    (path / "pytest.ini").write_text("[pytest]\n")
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("mark", "options"),
    [
        ("@pytest.mark.anyio", ["-p", "no:asyncio"]),
        ("@pytest.mark.asyncio", []),
        pytest.param("", ["-o", "asyncio_mode=auto"], marks=pytest.mark.long),
    ],
    ids=["anyio", "pytest-asyncio", "pytest-asyncio, auto"],
)
def test_it_works_with_each_runner(tmp_path: Path, mark: str, options: list[str]) -> None:
    story = STORY.replace("MARK", mark)
    if mark == "@pytest.mark.anyio":
        story += '\n@pytest.fixture\ndef anyio_backend():\n    return "asyncio"\n'
    assert "3 passed" in run(tmp_path, story, *options)


@pytest.mark.long
def test_unittest_has_virtual_time_too(tmp_path: Path) -> None:
    assert "1 passed" in run(tmp_path, UNITTEST)


def test_uvloop_has_no_virtual_time_and_is_told(tmp_path: Path) -> None:
    backend = (
        '\n@pytest.fixture\ndef anyio_backend():\n    return "asyncio", {"use_uvloop": True}\n'
    )
    story = STORY.replace("MARK", "@pytest.mark.anyio") + backend
    printed = run(tmp_path, story, "-p", "no:asyncio")
    assert "virtual time needs an event loop of asyncio, got uvloop.Loop" in printed
    assert "2 failed, 1 passed" in printed
