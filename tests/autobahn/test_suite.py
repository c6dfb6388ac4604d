"""Runs the quick form of the suite. It needs Python 2.7, which not every machine has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

SCRIPT: Final = Path(__file__).parents[2] / "scripts" / "autobahn"

NO_PYTHON_2: Final = 77
"""The script's exit code without Python 2.7; all other failures have another code."""


@pytest.mark.long
@pytest.mark.timeout(900)  # one minute if the suite is already installed
def test_our_frames_are_those_of_the_rfc() -> None:
    """All cases except those of sections 9, 12 and 13, which ``scripts/autobahn`` also runs."""
    done = subprocess.run([SCRIPT, "--quick"], capture_output=True, text=True, check=False)
    if done.returncode == NO_PYTHON_2:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "plain: 247 cases" in done.stdout


def test_a_machine_without_python_2(tmp_path: Path) -> None:
    """The script says what is missing, and exits with its own code."""
    there = {name: value for name, value in os.environ.items() if name != "AUTOBAHN_PYTHON"}
    nowhere = {
        "PATH": "/usr/bin:/bin",
        "PYENV_ROOT": str(tmp_path),
        "VENV_AUTOBAHN": str(tmp_path / "venv"),
    }
    done = subprocess.run(
        [SCRIPT, "--quick"], env=there | nowhere, capture_output=True, text=True, check=False
    )
    if done.returncode != NO_PYTHON_2:
        pytest.skip("this machine's own Python is 2.7")
    assert "needs Python 2.7, and none was found" in done.stderr
    assert "AUTOBAHN_PYTHON" in done.stderr
