"""Histories as server code reads them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bennu import (
    Channel,
    DefinitionError,
    History,
    HistoryPage,
    NotJoined,
    Position,
    StoreUnavailable,
    on,
)
from bennu.bus import MemoryNetwork
from bennu.errors import DecodeError
from bennu.testing.clock import settle

from ..support.memory import Server, endpoint_of, ok, serve
from ..support.stores import SharedStore


class Diary(Channel[Any]):
    """A room that reads its history."""

    history = History(size=20)

    floor: Any = None

    async def history_floor(self) -> datetime | None:
        if isinstance(Diary.floor, Exception):
            raise Diary.floor
        floor: datetime | None = Diary.floor
        return floor

    @on("read")
    async def read(self, payload: dict[str, Any]) -> dict[str, Any]:
        page = await self.history(**payload)
        return {"ns": [entry.payload["n"] for entry in page], "missed": page.missed}

    @on("read_in_thread")
    def read_in_thread(self) -> list[int]:
        return [entry.payload["n"] for entry in self.sync.history(limit=2)]


class Mute(Channel[Any]):
    """A room without history, which wants to read it all the same."""

    @on("read")
    async def read(self) -> None:
        await self.history()


class Hasty(Diary):
    """A room that reads before its join has succeeded."""

    async def join(self) -> None:
        await self.history()


def diary(**options: Any) -> Any:
    channels = {"room:*": Diary, "mute:*": Mute, "hasty:*": Hasty}
    return endpoint_of(channels, **options)


async def fill(server: Server, count: int = 5) -> None:
    for n in range(1, count + 1):
        await server.endpoint.broadcast("room:1", "said", {"n": n})


def numbers(page: HistoryPage) -> list[int]:
    return [entry.payload["n"] for entry in page]


async def test_the_endpoint_reads_back_and_forth() -> None:
    async with serve(diary()) as server:
        read = server.endpoint.history
        assert len(await read("room:1")) == 0
        start = await server.endpoint.position("room:1")
        assert start.offset == 0
        await fill(server)
        position = await server.endpoint.position("room:1")
        assert position == Position(start.epoch, 5)
        page = await read("room:1", limit=2)
        assert (numbers(page), page.newest, page.missed) == ([4, 5], position, None)
        entry = page[0]
        assert (entry.event, entry.position, page[:1]) == ("said", (start.epoch, 4), (entry,))
        assert datetime.now(UTC) - entry.time < timedelta(hours=1)
        assert numbers(await read("room:1", before=entry.position, limit=2)) == [2, 3]
        assert numbers(await read("room:1", since=start, limit=3)) == [1, 2, 3]
        assert numbers(await read("room:1", since=str(entry.position))) == [5]
        like_a_client = {"epoch": start.epoch, "offset": 1}
        assert numbers(await read("room:1", since=like_a_client, before=f"4:{start.epoch}")) == [
            2,
            3,
        ]
        lost = await read("room:1", since="3:another")
        assert (numbers(lost), lost.missed) == ([1, 2, 3, 4, 5], "epoch")
        sync = server.endpoint.sync
        assert numbers(await asyncio.to_thread(sync.history, "room:1", limit=1)) == [5]
        assert await asyncio.to_thread(sync.position, "room:1") == position


async def test_a_channel_reads_the_history_of_its_topic() -> None:
    async with serve(diary()) as server:
        client = await server.connect()
        await client.join("room:1", {"recovery": {}})
        await fill(server)
        await settle()
        client.read().clear()
        assert await client.call("room:1", "read", {"limit": 2}) == ok(
            {"ns": [4, 5], "missed": None}
        )
        assert await client.call("room:1", "read_in_thread") == ok([4, 5])


async def test_a_client_reads_nothing_from_before_its_floor() -> None:
    """What is older is left out, as in a replay."""
    async with serve(diary()) as server:
        await fill(server)
        Diary.floor = datetime.now(UTC) + timedelta(hours=1)
        try:
            client = await server.connect()
            await client.join("room:1")
            assert await client.call("room:1", "read", {}) == ok({"ns": [], "missed": None})
            assert len(await server.endpoint.history("room:1")) == 5
            start = str(await server.endpoint.position("room:1")).replace("5:", "2:")
            lost = await client.call("room:1", "read", {"since": start})
            assert lost == ok({"ns": [], "missed": "trimmed"})
        finally:
            Diary.floor = None


async def test_a_plain_client_that_joined_while_the_store_was_down_has_its_floor_too() -> None:
    store = SharedStore()
    async with serve(diary(store=store, pubsub=MemoryNetwork().adapter("one"))) as server:
        store.is_down = True
        client = await server.connect()
        assert await client.join("room:1", within=10) == ok()
        server.logged("The store memory:// is down")
        with pytest.raises(StoreUnavailable):
            await server.endpoint.history("room:1")
        store.is_down = False
        await settle_store(server)
        await fill(server, 2)
        await settle()
        client.read().clear()
        assert await client.call("room:1", "read", {}) == ok({"ns": [1, 2], "missed": None})
        Diary.floor = ValueError("no floor")
        try:
            client.push("room:1", "read", {})
            await settle()
        finally:
            Diary.floor = None
        crashed, ended = server.records
        assert "The history_floor of 'room:1' crashed" in crashed.getMessage()
        assert "history_floor" in ended.getMessage() + str(ended.exc_info)
        server.records.clear()


async def settle_store(server: Server) -> None:
    """Wait until the store is back."""
    from bennu.testing.clock import advance

    await advance(2)
    server.records.clear()


@pytest.mark.parametrize("topic", ["mute:1", "nobody:1"])
async def test_a_topic_without_history_says_what_to_write(topic: str) -> None:
    async with serve(diary()) as server:
        for method in (server.endpoint.history, server.endpoint.position):
            with pytest.raises(DefinitionError, match=r"history = History\(size=1000\)"):
                await method(topic)


async def test_an_endpoint_without_histories_says_the_same() -> None:
    async with serve(endpoint_of({"mute:*": Mute})) as server:
        with pytest.raises(DefinitionError, match="expected: a topic with history"):
            await server.endpoint.history("mute:1")
        client = await server.connect()
        await client.join("mute:1")
        client.push("mute:1", "read")
        await settle()
        record = server.records.pop()
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], DefinitionError)


async def test_reading_before_the_join_has_succeeded_says_where_to_write_it() -> None:
    async with serve(diary()) as server:
        client = await server.connect()
        client.start_join("hasty:1")
        await settle()
        record = server.records.pop()
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], NotJoined)
        assert "after_join" in str(record.exc_info[1])


@pytest.mark.parametrize("limit", [0, -1, 1001, True, 1.5, "10", None])
async def test_a_limit_has_bounds(limit: Any) -> None:
    async with serve(diary()) as server:
        with pytest.raises(ValueError, match=r"from 1 to 1000.*since=page"):
            await server.endpoint.history("room:1", limit=limit)
        with pytest.raises(DecodeError):
            await server.endpoint.history("room:1", since="yesterday")


def test_on_the_class_it_is_the_option() -> None:
    assert isinstance(Diary.history, History)
    assert Diary.history.size == 20
