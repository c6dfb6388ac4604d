"""Stores whose server is killed, restarted, paused, promoted or cut off: what becomes of calls, entries and epochs."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from bennu.errors import DefinitionError, StoreUnavailable
from bennu.store import Claim, ClaimState, Draft
from bennu.store.sql import SQLStore
from bennu.testing.contract_node import until
from bennu.testing.contract_store import KEEP, PLENTY, draft, drafts, offsets
from tests.support.brokers.postgresql import DATABASE, PASSWORD, postgresql, standby_of

from .started import address_of, append, patiently, read, started

pytestmark = pytest.mark.clock("real")

DURABLE = "fsync = on\nsynchronous_commit = on"


@pytest.mark.clock("both loops")
async def test_a_restart_keeps_epochs_entries_and_keys() -> None:
    with postgresql(DURABLE) as server:
        async with started(address_of(server), 2) as (one, two):
            before = await append(one, "t", drafts(3))
            assert await one.claim("k", "a", 60) == Claim(ClaimState.NEW)
            assert await one.settle("k", "a", b"1", 60)
            for stop in (server.stop, server.kill):
                await asyncio.to_thread(stop)
                with pytest.raises(StoreUnavailable, match=r"store postgresql\+asyncpg://.* can't"):
                    await append(one, "t", drafts(1))
                await asyncio.to_thread(server.start)
            assert (await append(one, "t", drafts(1))) == (before.epoch, [(4, 3)])
            page = await two.read("t", 0, 10, PLENTY, KEEP)  # its connections are all dead
            assert (page.epoch, offsets(page.entries)) == (before.epoch, [1, 2, 3, 4])
            assert await two.claim("k", "b", 60) == Claim(ClaimState.SETTLED, b"1")


async def test_an_append_that_is_cut_has_no_second_effect_when_it_is_repeated() -> None:
    with postgresql() as server:
        async with started(address_of(server), 2) as stores:
            written = [draft(b"x" * 2000) for _ in range(300)]
            is_over = False

            async def write(store: SQLStore, some: list[Draft]) -> None:
                for start in range(0, len(some), 3):
                    await patiently(store, "t", some[start : start + 3])

            async def follow(store: SQLStore) -> list[int]:
                found, last = list[int](), 0
                while not is_over or last < 300:
                    page = await read(store, "t", last)
                    found += offsets(page.entries)
                    last = found[-1] if found else 0
                return found

            following = asyncio.gather(*(follow(store) for store in stores))
            writing = asyncio.gather(
                *(write(stores[start % 2], written[start::10]) for start in range(10))
            )
            cut = 0
            while not writing.done():
                for pid in server.clients():
                    await asyncio.to_thread(server.terminate, pid)
                    cut += 1
                await asyncio.sleep(0.02)
            await writing
            is_over = True
            assert cut > 0
            assert await following == [[*range(1, 301)]] * 2
            page = await read(stores[0], "t")
            assert {entry.id for entry in page.entries} == {one.id for one in written}


@pytest.mark.long
async def test_a_connection_that_died_in_the_pool_costs_no_call() -> None:
    with postgresql() as server:
        async with started(address_of(server)) as (store,):
            await append(store, "t", drafts(1))
            for number in range(2, 5):
                for pid in server.clients():
                    server.terminate(pid)
                assert (await append(store, "t", drafts(1))).places == [(number, number - 1)]
                for pid in server.clients():
                    server.terminate(pid)
                assert (await store.heads(["t"]))["t"].newest == number


@pytest.mark.long
async def test_a_server_that_is_down_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    with postgresql() as server:
        server.kill()
        async with started(address_of(server)) as (store,):
            assert "At the start the store postgresql+asyncpg://" in caplog.text
            with pytest.raises(StoreUnavailable):
                await append(store, "t", drafts(1))
            await asyncio.to_thread(server.start)
            await append(store, "t", drafts(1))
        assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    ("old", "new"), [(f":{PASSWORD}@", ":wrong-secret@"), (f"/{DATABASE}", "/missing")]
)
async def test_a_login_that_is_refused(old: str, new: str) -> None:
    with postgresql() as server:
        with pytest.raises(DefinitionError, match="can log in to") as caught:
            async with started(address_of(server).replace(old, new)):
                pass
        assert "secret" not in str(caught.value)
        assert PASSWORD not in str(caught.value)


@pytest.mark.long
async def test_settings_that_lose_entries_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    with postgresql() as server:
        async with started(address_of(server)):
            assert "Set fsync = on" in caplog.text
            assert "Set synchronous_commit = on" in caplog.text
    caplog.clear()
    with postgresql(DURABLE) as server, caplog.at_level(logging.WARNING):
        async with started(address_of(server)):
            assert caplog.text == ""


@pytest.mark.long
async def test_a_server_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = "bennu.store.sql.runner.LIMIT"
    monkeypatch.setattr("bennu.store.sql.runner.CLOSE_LIMIT", 0.1)
    with postgresql() as server:
        async with started(address_of(server)) as (store,):
            await append(store, "t", drafts(1))
            one = draft()
            with server.paused():
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await append(store, "t", [one])
                with monkeypatch.context() as hurry:
                    hurry.setattr(limit, 0.3)
                    with pytest.raises(StoreUnavailable, match=r"has not answered within 0.3 s"):
                        await append(store, "t", [one])
            assert (await patiently(store, "t", [one])).places == [(2, 1)]
            with server.paused():
                waiting = asyncio.ensure_future(append(store, "t", [one]))
                await asyncio.sleep(0)
                await store.stop()
                with pytest.raises(StoreUnavailable):
                    await waiting


# Lineage.


@pytest.mark.long
async def test_a_promoted_standby_begins_new_epochs() -> None:
    with postgresql() as primary:
        async with started(address_of(primary)) as (store,):
            before = await append(store, "t", drafts(3))
        with standby_of(primary) as standby:
            async with started(address_of(standby)) as (store,):
                with pytest.raises(StoreUnavailable, match="recovery is in progress"):
                    await store.heads(["t"])
                with pytest.raises(StoreUnavailable, match=r"read-only|recovery is in progress"):
                    await append(store, "t", drafts(1))
                primary.kill()
                await asyncio.to_thread(standby.promote)
                assert await _heads(store) == {}
                page = await read(store, "t")
                assert page.epoch != before.epoch
                assert (page.newest, page.entries) == (0, [])
                assert await append(store, "t", drafts(1)) == (page.epoch, [(1, 0)])
            async with started(address_of(standby)) as (store,):
                assert (await read(store, "t")).epoch == page.epoch


@pytest.mark.long
async def test_a_trusted_standby_keeps_the_epochs() -> None:
    with postgresql() as primary:
        async with started(f"{address_of(primary)}?on_restart=trust") as (store,):
            before = await append(store, "t", drafts(3))
        with standby_of(primary) as standby:
            primary.kill()
            await asyncio.to_thread(standby.promote)
            async with started(f"{address_of(standby)}?on_restart=trust") as (store,):
                assert await append(store, "t", drafts(1)) == (before.epoch, [(4, 3)])


async def _heads(store: SQLStore) -> object:
    while True:
        try:
            return await store.heads(["t"])
        except StoreUnavailable:
            continue


# Cancelled calls, start and stop.


@pytest.mark.long
async def test_a_release_does_not_overtake_a_cancelled_claim(tmp_path: Path) -> None:
    with postgresql() as server:
        for address in (address_of(server), f"sqlite+aiosqlite:///{tmp_path}/log.db"):
            async with started(address, 2) as (one, two):
                for turns in range(0, 60, 3):
                    claiming = asyncio.ensure_future(one.claim(f"k{turns}", "a", 60))
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    claiming.cancel()
                    await one.release(f"k{turns}", "a")
                    assert await two.claim(f"k{turns}", "b", 60) == Claim(ClaimState.NEW)


async def test_many_cancelled_calls_leak_no_connection() -> None:
    with postgresql() as server:
        async with started(f"{address_of(server)}?pool_size=2") as (store,):
            calls = [
                asyncio.ensure_future(append(store, f"t{number % 7}", drafts(1)))
                for number in range(100)
            ]
            for number, call in enumerate(calls):
                if number % 3:
                    await asyncio.sleep(0)
                    call.cancel()
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert not [one for one in results if isinstance(one, StoreUnavailable)]
            assert len(server.clients()) <= 2
            await asyncio.gather(*(read(store, f"t{number}") for number in range(7)))
        await until(lambda: server.clients() == [])


async def test_a_store_that_is_not_started() -> None:
    store = SQLStore("sqlite+aiosqlite:///chat.db")
    with pytest.raises(StoreUnavailable, match=r"chat\.db is not started"):
        await store.heads(["t"])


async def test_a_file_that_cant_be_opened(tmp_path: Path) -> None:
    address = f"sqlite+aiosqlite:///{tmp_path}/missing/log.db"
    async with started(address) as (store,):
        with pytest.raises(StoreUnavailable, match="unable to open database file"):
            await append(store, "t", drafts(1))
        (tmp_path / "missing").mkdir()
        await append(store, "t", drafts(1))
