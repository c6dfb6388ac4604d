"""The stored visits of the chat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bennu import Endpoint
from bennu_demos.chat.app import make
from bennu_demos.chat.store import RECENT, RECENTLY, ROOMS, Store, open_store
from bennu_demos.chat.wire import Seen
from tests.support.brokers.postgresql import PostgreSQL, postgresql


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "chat.db") as store:
        yield store


@pytest.fixture
def now() -> int:
    return time.time_ns() // 1_000_000


async def test_visits_are_kept_by_room_and_the_latest_comes_first(store: Store, now: int) -> None:
    """Each room has its own visits."""
    await store.add_visit("lobby", "Ann", now - 2)
    await store.add_visit("lobby", "Bo", now - 1)
    await store.add_visit("python", "Cy", now)
    assert await store.recent("lobby") == [Seen("Bo", now - 1), Seen("Ann", now - 2)]
    assert await store.recent("python") == [Seen("Cy", now)]
    assert await store.recent("coffee") == []


async def test_the_last_visit_counts(store: Store, now: int) -> None:
    """A person with several visits is listed once."""
    await store.add_visit("lobby", "Ann", now - 9)
    await store.add_visit("lobby", "Bo", now - 5)
    await store.add_visit("lobby", "Ann", now)
    assert await store.recent("lobby") == [Seen("Ann", now), Seen("Bo", now - 5)]


async def test_long_ago_is_not_lately(store: Store, now: int) -> None:
    """Visits before the last week are not listed."""
    await store.add_visit("lobby", "Ann", now - RECENTLY)
    await store.add_visit("lobby", "Bo", now - RECENTLY + 600_000)
    assert [seen.name for seen in await store.recent("lobby")] == ["Bo"]


async def test_no_more_are_told_than_a_page_shows(store: Store, now: int) -> None:
    """The latest visits are listed."""
    for number in range(RECENT + 3):
        await store.add_visit("lobby", f"Number {number}", now + number)
    names = [seen.name for seen in await store.recent("lobby")]
    assert names == [f"Number {number}" for number in range(RECENT + 2, 2, -1)]


async def test_visits_outlive_the_server(tmp_path: Path, now: int) -> None:
    """The visits are there after a restart."""
    async with open_store(tmp_path / "chat.db") as store:
        await store.add_visit("lobby", "Ann", now)
    async with open_store(tmp_path / "chat.db") as store:
        assert await store.recent("lobby") == [Seen("Ann", now)]


async def test_processes_that_start_together_create_one_database(tmp_path: Path) -> None:
    """Each process opens the database when it starts. All use the same messages, and know each key once."""
    with postgresql() as server:
        for database in (tmp_path / "new" / "chat.db", with_asyncpg(server)):
            async with AsyncExitStack() as stack:
                endpoints = await started(stack, database, 8)
                stores = [endpoint.state.store for endpoint in endpoints]
                for _ in range(2):
                    adding = (
                        store.add_message(endpoint, "lobby", "Ann", "Hello", "key")
                        for endpoint, store in zip(endpoints, stores, strict=True)
                    )
                    added = await asyncio.gather(*adding)
                    assert len({message.id for message, _ in added}) == 1
                    await asyncio.gather(*(store.add_visit("lobby", "Ann", 7) for store in stores))
                assert {len(await store.rooms()) for store in stores} == {len(ROOMS)}
                assert [len(await store.messages("lobby")) for store in stores] == [1] * 8
                assert [len(await one.history("room:lobby")) for one in endpoints] == [1] * 8


async def test_ids_rise_in_the_order_of_the_history_on_all_nodes(tmp_path: Path) -> None:
    """The messages of several processes have one order, by their ids and in the history of the room."""
    with postgresql() as server:
        for database in (tmp_path / "chat.db", with_asyncpg(server)):
            async with AsyncExitStack() as stack:
                endpoints = await started(stack, database, 4)
                adding = (
                    endpoint.state.store.add_message(
                        endpoint, room, "Ann", "Hello", f"{room} {key}"
                    )
                    for key in range(40)
                    for room, endpoint in ((room, endpoints[key % 4]) for room in ROOMS)
                )
                await asyncio.gather(*adding)
                for room in ROOMS:
                    stored = [
                        message.id for message in await endpoints[0].state.store.messages(room)
                    ]
                    kept = [
                        entry.payload["id"] for entry in await endpoints[1].history(f"room:{room}")
                    ]
                    assert stored == sorted(stored) == kept
                    assert len(kept) == 40


def with_asyncpg(server: PostgreSQL) -> str:
    return server.address.replace("postgresql://", "postgresql+asyncpg://")


async def started(stack: AsyncExitStack, database: Path | str, count: int) -> list[Endpoint]:
    """Start this number of endpoints at once, as processes do that start together."""
    endpoints = [make(database) for _ in range(count)]
    for endpoint in endpoints:
        stack.push_async_callback(endpoint.stop)
    await asyncio.gather(*(endpoint.start() for endpoint in endpoints))
    return endpoints
