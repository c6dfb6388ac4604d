"""Many stock clients do random joins, leaves, updates, crashes and reconnects; at the end their lists are equal.

Set BENNU_SOAK_SEED to repeat a failed long run: its output has its seed.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.interop.program import RunScript, Server

pytestmark = pytest.mark.interop

KINDS = ("present", "instant")
"""Topics with merged diffs, and with a diff for each change."""


def soak(run_js: RunScript, server: Server, kind: str, seed: int, size: int, actions: int) -> None:
    """Run this number of clients and actions."""
    numbers = map(str, (seed, size, actions))
    seen = run_js("presence_soak", server.url, "phoenix", kind, *numbers).finish()
    assert sum(seen["done"].values()) == actions
    assert all(seen["done"].values()), seen["done"]
    assert f"quiet {actions}" in seen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [4, pytest.param(17, marks=pytest.mark.long)])
def test_twenty_clients_agree(run_js: RunScript, server: Server, kind: str, seed: int) -> None:
    """Twenty clients, 150 actions."""
    soak(run_js, server, kind, seed, size=20, actions=150)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_two_hundred_clients_agree(run_js: RunScript, own_server: Server, kind: str) -> None:
    """Two hundred clients, 2,000 actions, with a new seed each time."""
    seed = int(os.environ.get("BENNU_SOAK_SEED") or random.randrange(2**31))
    soak(run_js, own_server, kind, seed, size=200, actions=2000)
