"""The memory of large messages is returned to the system."""

from __future__ import annotations

import asyncio
import ctypes
import platform
import subprocess
import sys

import pytest

from bennu.cli import allocator
from bennu.cli.allocator import EVERY, GROWTH, Trimmer
from bennu.testing.clock import VirtualLoop, advance

PROGRAM = """
import sys
from pathlib import Path
from bennu.cli.allocator import fix_thresholds

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if sys.argv[1] == "set":
    assert fix_thresholds()
bytes(30_000_000)  # is freed: without a setting, blocks of this size come from the heap from now on
before = resident()
kept = [bytearray(b"x") * 4_000_000 for _ in range(10)]
del kept
print(resident() - before)
"""

on_glibc = pytest.mark.skipif(  # CI is on Debian
    platform.libc_ver()[0] != "glibc", reason="only glibc has thresholds that rise"
)


def stays(how: str, program: str = PROGRAM) -> int:
    """Return the bytes that a process keeps after it had blocks of 40 MB or more."""
    command = [sys.executable, "-c", program, how]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@on_glibc
def test_large_blocks_go_back() -> None:
    """Without this setting they stay."""
    assert stays("set") < 5_000_000 < 20_000_000 < stays("as it is")


FRAGMENTS = """
import sys
from pathlib import Path
from bennu.cli.allocator import Trimmer, fix_thresholds

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

fix_thresholds()
trimmer = Trimmer.for_process()
before = resident()
kept = [b"x" * 50_000 for _ in range(1_000)]
end = b"y" * 50_000  # stays, at the end of the heap
del kept
if sys.argv[1] == "trimmed":
    assert trimmer.check()
    assert not trimmer.check()  # though as much is free as before
print(resident() - before)
"""


@on_glibc
def test_small_blocks_go_back_from_the_midst_of_the_heap() -> None:
    """Without this setting they stay."""
    assert stays("trimmed", FRAGMENTS) < 5_000_000 < 20_000_000 < stays("as it is", FRAGMENTS)


def test_what_is_free_is_given_back_once() -> None:
    """Returned memory counts as free too."""
    free = 100_000_000
    trims: list[int] = []
    trimmer = Trimmer(lambda: free, lambda: trims.append(free))
    assert not trimmer.check()  # as much as there was at the beginning
    free += GROWTH
    assert trimmer.check()
    assert not trimmer.check()
    free -= GROWTH  # is in use again
    assert not trimmer.check()
    free += GROWTH - 1
    assert not trimmer.check()
    free += 1
    assert trimmer.check()
    assert len(trims) == 2


def test_it_looks_again_and_again_until_it_is_stopped() -> None:
    looks: list[float] = []

    def free() -> int:
        looks.append(0)
        return 0

    async def run() -> None:
        trimmer = Trimmer(free, looks.clear)
        trimmer.start(asyncio.get_running_loop())
        await advance(EVERY * 3)
        trimmer.stop()
        await advance(EVERY * 3)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(run())
    assert len(looks) == 4  # one of them at the beginning


def test_another_library_or_system_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert not allocator.fix_thresholds()
    assert Trimmer.for_process() is None
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not allocator.fix_thresholds()
