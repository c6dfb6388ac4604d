"""The metrics of all workers agree with what their clients have counted, also over the death of a worker."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.cli.command import Command, bennu
from tests.cli.workers.service import workers_ready
from tests.support.frames import ok
from tests.support.servers import Server
from tests.support.until import until_true
from tests.support.wire import Phoenix, connect

from .scrape import Scraped, scrape_server

pytestmark = pytest.mark.clock("real")

APP: Final = """
import os
from bennu import Channel, Endpoint, Socket, on

class Room(Channel):
    @on("say")
    async def say(self, payload: dict) -> dict:
        await self.broadcast("said", payload)
        return {"pid": os.getpid()}

app = Endpoint(sockets={"/socket": Socket(connect=lambda: None, channels={"room:*": Room})}, metrics="/metrics")
"""

NAMES: Final = {
    "connects": "bennu_connections_opened_total",
    "joins": "bennu_joins_total",
    "sent": "bennu_messages_received_total",
    "replies": "bennu_replies_total",
    "broadcasts": "bennu_deliveries_total",
    "handled": "bennu_handler_seconds_count",
    "fan-outs": "bennu_fanout_receivers_sum",
}


def counted(scraped: Scraped) -> Counter[str]:
    """Return what the servers have counted."""
    return Counter({what: int(scraped.sum(name)) for what, name in NAMES.items()})


class Crowd:
    """Clients, and what they have counted.

    Args:
        server: The server.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.counts: Counter[str] = Counter()
        self.clients: dict[Phoenix, int] = {}

    async def come(self, stack: AsyncExitStack) -> int:
        """Connect a client, and join; return the process that serves it."""
        client = await stack.enter_async_context(connect(self.server))
        assert await client.join("room:1") == ok()
        self.clients[client] = 0
        self.counts += Counter(connects=1, joins=1, sent=1, replies=1)
        await self.say(client)
        return self.clients[client]

    async def say(self, client: Phoenix) -> None:
        """Say something, and wait until all clients have heard it."""
        ref = await client.push("room:1", "say", {"a": 1})
        self.counts += Counter(sent=1, handled=1)
        await asyncio.gather(
            *(self._hear(one, ref if one is client else None) for one in self.clients)
        )

    async def _hear(self, client: Phoenix, ref: str | None) -> None:
        for _ in range(1 if ref is None else 2):
            frame = await client.receive()
            if frame.event == "said":
                self.counts += Counter({"broadcasts": 1, "fan-outs": 1})
            else:
                assert frame.ref == ref
                self.clients[client] = frame.payload["response"]["pid"]
                self.counts["replies"] += 1

    def gone(self, pid: int) -> None:
        """Forget the clients of a process that has ended."""
        self.clients = {client: of for client, of in self.clients.items() if of != pid}


async def agree(crowd: Crowd) -> None:
    """Check that the processes have counted what the clients have counted."""
    scraped = await scrape_server(crowd.server)
    assert counted(scraped) == crowd.counts


async def come_to_both(crowd: Crowd, command: Command, stack: AsyncExitStack) -> None:
    """Connect until both workers have two clients."""
    pids = set(command.workers.values())
    while any(list(crowd.clients.values()).count(pid) < 2 for pid in pids):
        await crowd.come(stack)


@pytest.mark.parametrize(
    "kills", [1, pytest.param(6, marks=[pytest.mark.long, pytest.mark.timeout(300)])]
)
async def test_the_metrics_agree_with_the_clients_over_kills(tmp_path: Path, kills: int) -> None:
    """Nothing that a worker has counted is lost when it is killed. What it has open is gone."""
    (tmp_path / "app.py").write_text(APP)
    async with (
        bennu(tmp_path, "app:app", "--port", "0", "--workers", "2") as command,
        AsyncExitStack() as stack,
    ):
        crowd = Crowd(await workers_ready(command, 2))
        await come_to_both(crowd, command, stack)
        await agree(crowd)
        for kill in range(kills):
            number = kill % 2 + 1
            victim = command.workers[number]
            os.kill(victim, signal.SIGKILL)
            crowd.gone(victim)
            await until_true(partial(_serves_again, crowd, command, number, victim))
            scraped = await scrape_server(crowd.server)
            assert scraped.sum("bennu_connections") == len(crowd.clients)
            assert scraped.sum("bennu_channels") == len(crowd.clients)
            await come_to_both(crowd, command, stack)
            for client in crowd.clients:
                await crowd.say(client)
            await agree(crowd)
    assert "Traceback" not in command.output


async def _serves_again(crowd: Crowd, command: Command, number: int, victim: int) -> bool:
    """Return whether another worker serves in the place of a killed one; the counters agree all the time."""
    await agree(crowd)
    scraped = await scrape_server(crowd.server)
    return command.workers.get(number) != victim and scraped.sum("bennu_workers") == 2
