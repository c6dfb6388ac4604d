"""The tables of a store in a SQL database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, inspect

from bennu.errors import EncodeError, StoreUnavailable
from bennu.store.sql import metadata
from bennu.store.sql.tables import hashed, shown
from bennu.testing.contract_store import drafts
from tests.support.brokers.postgresql import postgresql

from .started import address_of, append, patiently, started

pytestmark = pytest.mark.clock("real")


def test_a_topic_is_shown_in_ascii() -> None:
    assert shown("room:1") == "room:1"
    assert shown("ä\x00🐦") == "\\xe4\\x00\\U0001f426"


@pytest.mark.parametrize("topic", ["x" * 65_536, "\ud800"])
def test_a_topic_that_can_be_no_key_is_refused(topic: str) -> None:
    with pytest.raises(EncodeError):
        hashed(topic)


def test_the_tables_can_be_created_beside_those_of_an_application(tmp_path: Path) -> None:
    own = MetaData()
    Table("rooms", own, Column("id", Integer, primary_key=True))
    engine = create_engine(f"sqlite:///{tmp_path}/chat.db")
    for tables in (own, metadata(), metadata("other_")):
        tables.create_all(engine)
    names = inspect(engine).get_table_names()
    assert {"rooms", "bennu_topics", "bennu_entries", "other_keys"} <= set(names)
    engine.dispose()


async def test_tables_that_the_store_may_not_create(tmp_path: Path) -> None:
    file = tmp_path / "chat.db"
    async with started(f"sqlite+aiosqlite:///{file}?create=false&prefix=my_") as (store,):
        with pytest.raises(StoreUnavailable, match="no such table: my_topics"):
            await append(store, "t", drafts(1))
        engine = create_engine(f"sqlite:///{file}")
        metadata("my_").create_all(engine)
        engine.dispose()
        assert (await append(store, "t", drafts(1))).places == [(1, 0)]


async def test_two_prefixes_are_two_stores(tmp_path: Path) -> None:
    file = tmp_path / "chat.db"
    async with (
        started(f"sqlite+aiosqlite:///{file}") as (one,),
        started(f"sqlite+aiosqlite:///{file}?prefix=other_") as (two,),
    ):
        await append(one, "t", drafts(2))
        assert (await append(two, "t", drafts(1))).places == [(1, 0)]


async def test_tables_that_were_dropped_are_created_again() -> None:
    with postgresql() as server:
        async with started(address_of(server)) as (store,):
            before = await append(store, "t", drafts(2))
            server.sql("DROP TABLE bennu_topics, bennu_entries, bennu_keys")
            after = await patiently(store, "t", drafts(1))
            assert after.epoch != before.epoch
            assert after.places == [(1, 0)]


@pytest.mark.long
async def test_many_nodes_create_the_tables_at_once(tmp_path: Path) -> None:
    with postgresql() as server:
        for address in (address_of(server), f"sqlite+aiosqlite:///{tmp_path}/chat.db"):
            async with started(address, 0), asyncio.TaskGroup() as group:
                for _ in range(8):
                    group.create_task(_start_and_append(address))
            async with started(address) as (store,):
                assert (await store.heads(["t"]))["t"].newest == 8


async def _start_and_append(address: str) -> None:
    async with started(address) as (store,):
        await append(store, "t", drafts(1))
