"""The database of the chat: one for all processes, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bennu import Endpoint
from bennu_demos.chat.app import make
from bennu_demos.chat.database import now, open_database
from bennu_demos.chat.rooms import RECENT, RECENTLY, ROOMS, Rooms
from bennu_demos.chat.wire import Seen

from .guests import QUICK, account, seat


@pytest.fixture
async def rooms(database: Path | str) -> AsyncIterator[Rooms]:
    async with open_database(database) as opened:
        rooms = Rooms(opened)
        for name in ROOMS:
            await rooms.add_open(name)
        yield rooms


async def test_visits_are_kept_by_room_and_the_latest_comes_first(rooms: Rooms) -> None:
    """Each room has its own visits. A person with several visits is listed once."""
    time = now()
    for name, seen_at in (("Ann", time - 9), ("Bo", time - 5), ("Ann", time - 2)):
        await rooms.add_visit("lobby", name, seen_at)
    await rooms.add_visit("python", "Cy", time)
    assert await rooms.recent("lobby") == [Seen("Ann", time - 2), Seen("Bo", time - 5)]
    assert await rooms.recent("python") == [Seen("Cy", time)]
    assert await rooms.recent("coffee") == []


async def test_long_ago_is_not_lately(rooms: Rooms) -> None:
    """Visits before the last week are not listed."""
    await rooms.add_visit("lobby", "Ann", now() - RECENTLY)
    await rooms.add_visit("lobby", "Bo", now() - RECENTLY + 600_000)
    assert [seen.name for seen in await rooms.recent("lobby")] == ["Bo"]


async def test_no_more_are_told_than_a_page_shows(rooms: Rooms) -> None:
    """The latest visits are listed."""
    time = now()
    for number in range(RECENT + 3):
        await rooms.add_visit("lobby", f"Number {number}", time + number)
    names = [seen.name for seen in await rooms.recent("lobby")]
    assert names == [f"Number {number}" for number in range(RECENT + 2, 2, -1)]


async def test_database_outlives_the_server(database: Path | str) -> None:
    """The migrations run at each start, and change nothing where they have run."""
    time = now()
    for expected in ([], [Seen("Ann", time)]):
        async with open_database(database) as opened:
            rooms = Rooms(opened)
            assert await rooms.add_open("lobby") is not bool(expected)
            assert await rooms.recent("lobby") == expected
            await rooms.add_visit("lobby", "Ann", time)


async def test_processes_that_start_together_create_one_database(database: Path | str) -> None:
    """Each process opens the database when it starts. All have the same accounts and messages, and know each key once."""
    async with AsyncExitStack() as stack:
        endpoints = await started(stack, database, 8)
        people = await asyncio.gather(*(account(one, "Ann") for one in endpoints))
        assert {person.id for person in people} == {people[0].id}
        assert len({endpoint.state.secret for endpoint in endpoints}) == 1
        lobby = await seat(endpoints[0], people[0])
        for _ in range(2):
            adding = (
                one.state.messages.add(one, "lobby", people[0], "key", lambda _: "Hello")
                for one in endpoints
            )
            added = await asyncio.gather(*adding)
            assert {message.id for _, message, _ in added} == {1}
        for one in endpoints:
            assert [room.last_id for room in await one.state.rooms.open_rooms(1)] == [0, 1, 0]
            assert len(await one.state.messages.newest(lobby)) == 1
            assert len(await one.history("room:lobby")) == 1


async def test_ids_rise_by_one_in_the_order_of_the_history_on_all_nodes(
    database: Path | str,
) -> None:
    """The messages of several processes have one order, by their ids and in the history of the room."""
    async with AsyncExitStack() as stack:
        endpoints = await started(stack, database, 4)
        ann = await account(endpoints[0], "Ann")
        seats = [await seat(endpoints[0], ann, room) for room in ROOMS]
        adding = (
            endpoints[key % 4].state.messages.add(
                endpoints[key % 4], room.name, ann, f"{room.name} {key}", lambda _: "Hello"
            )
            for key in range(40)
            for room in seats
        )
        await asyncio.gather(*adding)
        for room in seats:
            stored = [one.id for one in await endpoints[0].state.messages.newest(room)]
            kept = [one.payload["id"] for one in await endpoints[1].history(f"room:{room.name}")]
            assert stored == kept == list(range(1, 41))


async def started(stack: AsyncExitStack, database: Path | str, count: int) -> list[Endpoint]:
    """Start this number of endpoints at once, as processes do that start together."""
    endpoints = [make(database, hasher=QUICK) for _ in range(count)]
    for endpoint in endpoints:
        stack.push_async_callback(endpoint.stop)
    await asyncio.gather(*(endpoint.start() for endpoint in endpoints))
    return endpoints
