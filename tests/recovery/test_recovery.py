"""The command runs, and every client gets what was promised."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .stores import STORES

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("store", STORES)
def test_every_client_ends_with_every_message(store: str) -> None:
    options = ["--clients", "50", "--topics", "8", "--rate", "60", "--seconds", "40", "--seed", "3"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.recovery", store, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "as promised" in done.stdout


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("bus", ["redis", "sqlite", "postgresql", "jetstream"])
def test_the_accounts_name_every_loss_without_history(bus: str) -> None:
    options = ["--clients", "50", "--topics", "8", "--rate", "60", "--seconds", "40", "--seed", "3"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.recovery", bus, "--plain", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all named" in done.stdout
