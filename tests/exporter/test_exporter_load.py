"""The metrics of all workers agree with what the load generator has counted, over kills and restarts of workers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from bennu.bench.engines import choose_engine
from bennu.bench.result import BenchCounts, BenchResult
from tests.bench.plans import plan
from tests.cli.command import Command, bennu, is_alive
from tests.cli.workers.service import workers_ready
from tests.support.servers import Server
from tests.support.until import until_true

from .scrape import scrape_server

pytestmark = [pytest.mark.long, pytest.mark.clock("real"), pytest.mark.timeout(180)]

APP: Final = """
from bennu import Channel, Endpoint, Socket, on

class Room(Channel):
    @on("say")
    async def say(self, payload: dict) -> dict:
        await self.broadcast("said", payload)
        return {}

app = Endpoint(sockets={"/socket": Socket(connect=lambda: None, channels={"room:*": Room})}, metrics="/metrics")
"""

NAMES: Final = {
    "connects": "bennu_connections_opened_total",
    "joins": "bennu_joins_total",
    "sent": "bennu_messages_received_total",
    "replies": "bennu_replies_total",
    "broadcasts": "bennu_deliveries_total",
    "handled": "bennu_handler_seconds_count",
}
"""What is compared, and the metric of each."""

CLIENTS: Final = 20


def seen(counts: BenchCounts) -> Counter[str]:
    """Return what the clients of the load generator have sent and got."""
    return Counter(
        connects=counts.opened,
        joins=counts.joined,
        sent=counts.joined + counts.pushed,
        replies=counts.joined + counts.replied,
        broadcasts=counts.heard,
        handled=counts.replied,
    )


class Loaded:
    """A command with two workers, and what the load generator has counted.

    Args:
        command: The command.
        server: Its address.
    """

    def __init__(self, command: Command, server: Server) -> None:
        self._command = command
        self._server = server
        self._seen: Counter[str] = Counter()

    async def load(self) -> None:
        """Load the workers until nothing is missing: they have counted what the clients have."""
        counts = (await self._run(asyncio.Event(), seconds=0.5)).counts
        assert (counts.opened, counts.lost, counts.refused) == (CLIENTS, 0, 0)
        assert counts.replied == counts.pushed > 0
        assert counts.heard == counts.expected == CLIENTS // 4 * counts.pushed
        self._seen += seen(counts)
        assert await self._counted() == self._seen

    async def kill(self, number: int) -> None:
        """Kill a worker, and wait for the next one."""
        victim = self._command.workers[number]
        os.kill(victim, signal.SIGKILL)
        await until_true(self._has_replaced(victim))

    async def reload(self) -> None:
        """Replace all workers."""
        old = self._command.workers.values()
        self._command.process.send_signal(signal.SIGHUP)
        await until_true(self._has_replaced(*old))

    async def kill_under_load(self, number: int) -> None:
        """Kill a worker between two of many messages.

        All that clients have seen is counted. What is counted beyond that was on its way: no client has sent less.
        """
        stop = asyncio.Event()
        loading = asyncio.create_task(self._run(stop, seconds=600))
        await until_true(self._has_handled(200))
        before = await self._counted()
        os.kill(self._command.workers[number], signal.SIGKILL)
        await until_true(self._has_handled(400))
        stop.set()
        counts = (await loading).counts
        assert 0 < counts.lost < CLIENTS
        await until_true(self._is_quiet)
        clients, workers = self._seen + seen(counts), await self._counted()
        for what, count in workers.items():
            assert count >= before[what], what
            assert what == "sent" or count >= clients[what], what
        assert workers["replies"] <= workers["sent"] <= clients["sent"]
        self._seen = workers

    async def _run(self, stop: asyncio.Event, *, seconds: float) -> BenchResult:
        """Run the load generator, with clients in four rooms."""
        load = plan(
            url=self._server.url("/socket"),
            clients=CLIENTS,
            topic="room:{n}",
            topics=4,
            event="say",
            rate=20.0,
            seconds=seconds,
            hears=True,
        )
        return await choose_engine("auto", load, lambda _: None, print).run(stop)

    async def _counted(self) -> Counter[str]:
        scraped = await scrape_server(self._server)
        return Counter({what: int(scraped.sum(name)) for what, name in NAMES.items()})

    def _has_replaced(self, *ended: int) -> Callable[[], Awaitable[bool]]:
        """Return a question: do two workers serve, and none of these? The counts agree all the time."""

        async def has_replaced() -> bool:
            assert await self._counted() == self._seen
            if any(map(is_alive, ended)):
                return False
            return (await scrape_server(self._server)).sum("bennu_workers") == 2

        return has_replaced

    def _has_handled(self, count: int) -> Callable[[], Awaitable[bool]]:
        """Return a question: have the workers handled so many messages more than the clients had counted?"""

        async def has_handled() -> bool:
            return (await self._counted())["handled"] >= self._seen["handled"] + count

        return has_handled

    async def _is_quiet(self) -> bool:
        """Return whether two workers serve, and no client is left."""
        scraped = await scrape_server(self._server)
        return scraped.sum("bennu_workers") == 2 and scraped.sum("bennu_connections") == 0


async def test_the_metrics_agree_with_the_load_generator_over_kills_and_restarts(
    tmp_path: Path,
) -> None:
    """Nothing that was counted is lost, and nothing is counted twice."""
    (tmp_path / "app.py").write_text(APP)
    async with bennu(tmp_path, "app:app", "--port", "0", "--workers", "2") as command:
        loaded = Loaded(command, await workers_ready(command, 2))
        await loaded.load()
        await loaded.kill(2)
        await loaded.reload()
        await loaded.load()
        await loaded.kill_under_load(1)
        await loaded.load()
    assert "Traceback" not in command.output
