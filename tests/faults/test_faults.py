"""The command that breaks things: one case of each kind that needs no broker, with every message accounted for."""

from __future__ import annotations

import pytest

from .__main__ import run
from .faults import CASES

pytestmark = [pytest.mark.clock("real"), pytest.mark.long, pytest.mark.timeout(300)]


@pytest.mark.parametrize("name", ["ipc-kill", "ipc-hang", "redis-restart", "nats-restart"])
async def test_every_message_is_accounted_for(name: str) -> None:
    result = await run(name, CASES[name], 1, 100)
    assert not result.wrong
    assert result.account.published > 1000
