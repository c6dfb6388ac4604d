"""Publishers that append to real stores: SQLite with processes of one host, and Redis."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bennu import Channel, Endpoint, History, NotStarted, Publisher
from bennu.history.logs import Logs
from bennu.testing.shared_store import SharedStore

from ..bus.ipc.paths import short_directory
from ..support import servers, wire
from ..support.brokers.redis import redis_server
from ..support.frames import broadcast, push
from ..support.memory import endpoint_of

pytestmark = pytest.mark.clock("real")

TOPIC = "room:1"


class Room(Channel[Any]):
    """A room with history."""

    history = History(size=100, ephemeral=["typing"])


@pytest.fixture(params=["sqlite", "redis"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Endpoint]:
    """An endpoint, not started, whose store tells the nodes over the bus (SQLite) or by itself (Redis)."""
    if request.param == "redis":
        with redis_server() as server:
            yield endpoint_of({"room:*": Room}, pubsub=server.address, store=server.address)
    else:
        with short_directory() as directory:
            store = f"sqlite+aiosqlite:///{tmp_path / 'chat.db'}"
            yield endpoint_of({"room:*": Room}, pubsub=f"ipc://{directory}/bus", store=store)


async def test_clients_that_are_there_and_clients_that_were_away(endpoint: Endpoint) -> None:
    """The publisher has its own connections, so that it works beside the endpoint."""
    async with (
        servers.serve("native", endpoint) as server,
        Publisher.of(endpoint) as publisher,
        wire.connect(server) as ann,
    ):
        reply = await ann.join(TOPIC, {"recovery": {}})
        epoch = reply["response"]["recovery"]["epoch"]
        for n in (1, 2):
            await publisher.broadcast(TOPIC, "said", {"n": n})
            assert (await ann.receive()) == broadcast(TOPIC, "said", {"n": n}, at=f"{n}:{epoch}")
        await publisher.broadcast(TOPIC, "typing", {"n": 3})
        assert (await ann.receive()) == broadcast(TOPIC, "typing", {"n": 3})
        async with wire.connect(server) as ben:
            await ben.join(TOPIC, {"recovery": {"epoch": epoch, "offset": 1}})
            assert (await ben.receive()) == push("1", TOPIC, "said", {"n": 2}, at=f"2:{epoch}")


async def test_a_parent_and_its_child_publish(endpoint: Endpoint) -> None:
    """A child of fork has a store of its own. Ids of drafts do not repeat, so each broadcast is an entry."""
    logs = endpoint.pubsub.logs
    assert isinstance(logs, Logs)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.publisher.prefork_history"),
        *(str(endpoint.pubsub.bus.bus), str(logs.source)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=Path(__file__).parents[2],
    )
    output, _ = await process.communicate()
    assert (process.returncode, output) == (0, b"")
    await endpoint.start()
    try:
        assert [entry.payload["n"] for entry in await endpoint.history(TOPIC)] == [1, 2, 3, 4]
    finally:
        await endpoint.stop()


async def test_a_store_object_belongs_to_the_endpoint_that_is_started() -> None:
    with short_directory() as directory:
        endpoint = endpoint_of({"room:*": Room}, pubsub=f"ipc://{directory}", store=SharedStore())
        async with Publisher.of(endpoint) as publisher:
            await publisher.broadcast(TOPIC, "said", {"n": 1})
        await endpoint.start()
        assert len(await endpoint.history(TOPIC)) == 1
        with pytest.raises(NotStarted, match=r"write endpoint\.broadcast"):
            await publisher.start()
        await endpoint.stop()
