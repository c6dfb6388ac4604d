"""The drain of clients that poll, before the server stops."""

from __future__ import annotations

import pytest

from bennu import Drain
from bennu.testing.clock import settle
from tests.support.frames import pushing

from .polling import Reach, joined, polling
from .rooms import CHANNELS, ended

pytestmark = pytest.mark.clock("virtual")


async def test_a_session_ends_when_its_turn_comes(reach: Reach) -> None:
    """A poll that waits gets the end. A new client gets 503, as an HTTP status, and tries again."""
    async with polling(reach, CHANNELS, drain=Drain(batch_size=1)) as (server, browser, _):
        token = await joined(browser)
        await browser.get(token)
        waiting = browser.start("GET", token)
        await settle()
        await server.endpoint.drain()
        assert (await waiting.answer()).body == {"status": 500}
        assert ended == [("room:1", "draining")]
        assert server.endpoint.connections == 0
        refused = await browser.get()
        assert refused.http_status == 503
        assert refused.headers["retry-after"] == "1"
        assert await browser.post(token, pushing("1", "3", "room:1", "echo")) == {"status": 410}
