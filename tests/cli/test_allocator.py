"""Memory that large messages needed goes back to the system."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from bennu.cli import allocator

PROGRAM = """
import sys
from pathlib import Path
from bennu.cli.allocator import give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if sys.argv[1] == "set":
    assert give_back()
bytes(30_000_000)  # is freed: without a setting, blocks of this size come from the heap from now on
before = resident()
kept = [bytearray(b"x") * 4_000_000 for _ in range(10)]
del kept
print(resident() - before)
"""

on_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc has thresholds that rise"
)


def stays(how: str) -> int:
    """Return the bytes that stay with a process that had 40 MB of large blocks."""
    command = [sys.executable, "-c", PROGRAM, how]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@on_glibc
def test_large_blocks_go_back() -> None:
    """Which they do not by themselves."""
    assert stays("set") < 5_000_000 < 20_000_000 < stays("as it is")


def test_another_library_or_system_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert not allocator.give_back()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not allocator.give_back()
