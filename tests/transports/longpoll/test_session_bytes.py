"""Bytes for a client that polls, which can't be sent."""

from __future__ import annotations

import logging

import pytest

from bennu.reasons import DropReason
from tests.support.frames import broadcast, error, frames_of, joining, ok, pushing, reply

from .polling import Reach, joined, polling
from .rooms import CHANNELS, refused

pytestmark = pytest.mark.clock("virtual")


async def test_a_push_of_bytes_is_refused_to_the_channel(reach: Reach) -> None:
    """The session and the channel go on."""
    refused.clear()
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser)
        await browser.post(token, pushing("1", "2", "room:1", "push_bytes"))
        assert frames_of(await browser.get(token)) == [
            reply("1", "2", "room:1", ok({"still": "here"}))
        ]
        (problem,) = refused
        assert "polls" in str(problem)


async def test_a_reply_of_bytes_becomes_an_error(reach: Reach) -> None:
    """The client gets an error, and the log has a line."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        await browser.post(token, pushing("1", "2", "room:1", "bytes"))
        assert frames_of(await browser.get(token)) == [
            reply("1", "2", "room:1", error("binary_unsupported"))
        ]
        server.logged("V2 JSON over longpoll", level=logging.WARNING)


async def test_a_join_that_returns_bytes_crashes() -> None:
    """Nothing is left, and the topic can be joined."""
    async with polling("here", CHANNELS) as (server, browser, _):
        token = await browser.begin()
        await browser.post(token, joining("1", "room:1", {"binary": True}))
        assert frames_of(await browser.get(token)) == [
            reply("1", "1", "room:1", error("join crashed"))
        ]
        server.logged("returned a value that can't be sent")
        assert server.endpoint.pubsub.subscribers("room:1") == 0


async def test_a_broadcast_of_bytes_passes_by_clients_that_poll() -> None:
    """It is counted as dropped. Clients on a WebSocket get it."""
    async with polling("here", CHANNELS) as (server, browser, _):
        token = await joined(browser)
        other = await server.connect()
        await other.join("room:1")
        await server.endpoint.broadcast("room:1", "drawn", bytes(3))
        await other.expect(broadcast("room:1", "drawn", bytes(3)))
        assert (await browser.get(token)).status == 204
        server.logged("1 client(s) that speak V2 JSON over long polling", level=logging.WARNING)
        assert server.endpoint.telemetry.drops == {("room:1", DropReason.NO_BINARY): 1}
