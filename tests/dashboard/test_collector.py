"""What takes the samples of a node, while a page is open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bennu.dashboard.collector import MAX_TIMES, Collector
from bennu.dashboard.names import FIGURES, INSPECTOR
from bennu.pubsub import PubSub
from bennu.server.server import Server
from bennu.telemetry import Telemetry
from bennu.testing.clock import advance
from tests.support.clock import timers


@asynccontextmanager
async def started() -> AsyncIterator[Server]:
    server = Server(None, PubSub(), Telemetry(), debug=False)
    server.start()
    yield server
    await server.stop()


async def test_it_counts_the_messages_of_others() -> None:
    """Of many messages it keeps the times of the first ones."""
    async with started() as server:
        collector = Collector(server, (), None, 10)
        [timer] = server.timers
        assert await collector.collect() is None
        for number in range(MAX_TIMES * 2):
            timer("room:1", 0.25 if number < MAX_TIMES else 9)
            timer((FIGURES, INSPECTOR)[number % 2], 7)
        await advance(2)
        figures = await collector.collect()
        assert figures is not None
        assert (figures.messages_in, figures.handler_p99) == (MAX_TIMES, 0.25)  # by the second
        await advance(1)
        quiet = await collector.collect()
        assert quiet is not None
        assert (quiet.messages_in, quiet.handler_p99) == (0, None)
        collector.stop()


async def test_nothing_of_it_is_left() -> None:
    async with started() as server:
        before = timers()
        collectors = [Collector(server, (), None, 10) for _ in range(2)]
        assert len(server.timers) == 2
        for collector in collectors:
            collector.stop()
        assert server.timers == []
        assert timers() == before
