"""The stored visits of the chat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from examples.chat.store import RECENT, RECENTLY, ROOMS, Store, open_store
from examples.chat.wire import Seen
from tests.support.brokers.postgresql import postgresql


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
        for database in (
            tmp_path / "new" / "chat.db",
            server.address.replace("postgresql://", "postgresql+asyncpg://"),
        ):
            async with AsyncExitStack() as stack:
                opening = (stack.enter_async_context(open_store(database)) for _ in range(8))
                stores = await asyncio.gather(*opening)
                for _ in range(2):
                    added = await asyncio.gather(
                        *(store.add_message("lobby", "Ann", "Hello", "key") for store in stores)
                    )
                    assert len({message.id for message, _ in added}) == 1
                    await asyncio.gather(*(store.add_visit("lobby", "Ann", 7) for store in stores))
                assert {len(await store.rooms()) for store in stores} == {len(ROOMS)}
                assert [len((await store.history("lobby", 0))[0]) for store in stores] == [1] * 8
