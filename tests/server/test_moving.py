"""Clients of a node that does not hear the bus are moved to other nodes, if the application wants that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bennu import DefinitionError, Drain, Endpoint
from bennu.testing.clock import advance, running_loop, settle

from ..pubsub.nodes import Node, lines_of, nodes, said
from ..support.memory import Client

AFTER = 60.0
CUT = 4.0
"""Seconds after which a node counts as cut off."""


def moved(*every: Node) -> list[str]:
    """Return the lines about clients that are moved; the others are about the bus and its watch."""
    return [line for line in lines_of(*every) if "are moved" in line]


def cut_off(node: Node) -> None:
    node.adapter.hangs |= {"subscribe", "publish", "confirm"}


async def closed_at(clients: list[Client], code: int = 1012) -> list[float]:
    """Wait until all clients are closed; return the times."""
    begun, times = running_loop().time(), list[float]()
    while len(times) < len(clients):
        await running_loop().clock.jump(begun + 600)
        await settle()
        closed = [client for client in clients if client.wire.code is not None]
        assert all(client.wire.code == code for client in closed)
        times += [running_loop().time() - begun] * (len(closed) - len(times))
        assert running_loop().time() < begun + 600
    return times


async def test_by_default_clients_stay() -> None:
    """They are served by a node that does not hear the bus."""
    async with nodes("one", timeout=100_000) as (one,):
        client = await one.enter("ann")
        cut_off(one)
        await advance(3600)
        assert client.wire.code is None
        one.adapter.release()
        await advance(5)
        assert moved(one) == []


async def test_clients_are_closed_in_the_batches_of_their_socket() -> None:
    """With 1012, so that they connect again. Those that come back are served, and stay."""
    drain = Drain(batch_size=2, batch_interval=10.0, log=False)
    async with nodes("one", timeout=100_000, move_clients_after=AFTER, drain=drain) as (one,):
        clients = [await one.enter(str(number)) for number in range(6)]
        cut_off(one)
        await advance(AFTER - 1)
        assert all(client.wire.code is None for client in clients)
        times = await closed_at(clients)
        assert times[0] < 10 + CUT
        assert 15 < times[-1] < 35
        [line] = moved(one)
        assert "its clients (6)" in line
        assert one.server.endpoint.pubsub.cluster is not None
        assert one.server.endpoint.pubsub.cluster.watch.silence > AFTER
        again = await one.server.connect()
        assert (await again.join("room:1"))["status"] == "ok"
        await advance(10 * AFTER)
        await one.server.endpoint.local_broadcast("room:1", "news", {})
        await again.expect(said({}, "news"))
        one.adapter.release()
        await advance(5)
        assert one.server.endpoint.is_ready
        assert moved(one) == []
        assert again.wire.code is None


async def test_a_second_outage_is_handled_like_the_first() -> None:
    """The clients of then are moved."""
    async with nodes("one", timeout=100_000, move_clients_after=AFTER, drain=Drain(log=False)) as (
        one,
    ):
        for _ in range(3):
            client = await one.enter("ann")
            cut_off(one)
            await advance(AFTER + 10)
            assert client.wire.code == 1012
            assert len(moved(one)) == 1
            one.adapter.release()
            await advance(AFTER)
            assert one.server.endpoint.is_ready
        lines_of(one)


async def test_when_the_bus_is_back_the_others_stay() -> None:
    """Half of the clients have been closed by then."""
    drain = Drain(batch_size=1, batch_interval=10.0, timeout=1000.0, log=False)
    async with nodes("one", timeout=100_000, move_clients_after=AFTER, drain=drain) as (one,):
        clients = [await one.enter(str(number)) for number in range(10)]
        cut_off(one)
        await advance(AFTER + 50)
        one.adapter.release()
        await advance(5)
        stay = [client for client in clients if client.wire.code is None]
        assert 3 <= len(stay) <= 7
        await advance(1000)
        assert all(client.wire.code is None for client in stay)
        assert len(moved(one)) == 1


async def test_a_short_outage_moves_nobody() -> None:
    """The bus was heard again in time."""
    async with nodes("one", timeout=100_000, move_clients_after=AFTER) as (one,):
        client = await one.enter("ann")
        for _ in range(5):
            cut_off(one)
            await advance(AFTER - 5)
            one.adapter.release()
            await advance(5)
        assert client.wire.code is None
        assert moved(one) == []


async def test_a_socket_that_does_not_drain_keeps_its_clients() -> None:
    """``drain=False`` means the same here."""
    async with nodes("one", timeout=100_000, move_clients_after=AFTER, drain=False) as (one,):
        client = await one.enter("ann")
        cut_off(one)
        await advance(10 * AFTER)
        assert client.wire.code is None
        one.adapter.release()
        await advance(5)
        lines_of(one)


async def _drained(one: Node) -> None:
    await one.server.endpoint.drain()


async def _stopped(one: Node) -> None:
    await one.server.endpoint.stop()


@pytest.mark.parametrize("end", [_drained, _stopped])
async def test_an_end_in_the_middle_takes_over(end: Callable[[Node], Any]) -> None:
    """All connections are closed at the speed of the end, and nothing is left."""
    drain = Drain(batch_size=1, batch_interval=10.0, timeout=30.0, log=False)
    async with nodes("one", timeout=100_000, move_clients_after=AFTER, drain=drain) as (one,):
        clients = [await one.enter(str(number)) for number in range(10)]
        cut_off(one)
        await advance(AFTER + 5)
        ending = asyncio.create_task(end(one))
        await advance(40)
        await ending
        assert all(client.wire.code in (1001, 1012) for client in clients)
        assert len(moved(one)) == 1
        one.adapter.release()
        await advance(AFTER)
        lines_of(one)


@pytest.mark.parametrize("given", [0, -1, "60", True])
def test_a_time_is_a_number_above_zero(given: Any) -> None:
    """The error says what to write."""
    with pytest.raises(DefinitionError, match="move_clients_after"):
        Endpoint(sockets={}, move_clients_after=given)


def test_without_a_bus_it_has_no_effect() -> None:
    """A node alone is never cut off."""

    async def live() -> None:
        endpoint = Endpoint(sockets={}, move_clients_after=1)
        await endpoint.start()
        assert endpoint.is_ready
        await endpoint.stop()

    asyncio.run(live())
