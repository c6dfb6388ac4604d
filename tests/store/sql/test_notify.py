"""PostgreSQL announces new entries by itself."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from bennu.errors import DefinitionError, StoreUnavailable
from bennu.store import LogEntry
from bennu.store.sql import SQLStore
from bennu.store.store import Appended, Store
from bennu.testing.contract_store import KEEP, PLENTY, ContractStore, draft, drafts
from bennu.testing.store_contract import StoreContract
from tests.support.brokers.postgresql import PASSWORD, PostgreSQL, postgresql, standby_of
from tests.support.until import until

from .started import address_of

pytestmark = pytest.mark.clock("real")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as server:
        yield server


def notifying(server: PostgreSQL) -> str:
    return f"{address_of(server)}?announce=notify"


@pytest.mark.long
class TestPostgreSQLThatNotifies(StoreContract):
    """The contract, with announcements by the store."""

    too_large = 16_000_001
    server: PostgreSQL

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def data(cls) -> Iterator[None]:
        with postgresql() as server:
            cls.server = server
            yield

    def store(self) -> Store:
        return SQLStore(notifying(self.server))

    async def restart(self) -> None:
        await asyncio.to_thread(self.server.restart)


async def test_a_topic_is_read_again_after_the_connection_was_lost(
    server: PostgreSQL, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = (
        ContractStore(SQLStore(notifying(server))),
        ContractStore(SQLStore(address_of(server))),
    )
    await one.start()
    await two.start()
    try:
        await one.store.subscribe(["a", "b"])
        await asyncio.to_thread(server.stop)
        await until(lambda: "announces no new entries" in caplog.text)
        await asyncio.to_thread(server.start)
        await until(lambda: ("a", "", None) in one.heard and ("b", "", None) in one.heard)
        await one.store.append("a", drafts(1), KEEP)
        await until(lambda: one.announced("a")[-1] is not None)
        assert "announces new entries again" in caplog.text
        assert PASSWORD not in caplog.text
        assert two.heard == []
    finally:
        await one.store.stop()
        await two.store.stop()


async def test_large_entries_are_announced_without_themselves(server: PostgreSQL) -> None:
    node = ContractStore(SQLStore(notifying(server)))
    await node.start()
    try:
        await node.store.subscribe(["large"])
        sizes = [5_800, 5_850, 5_900, 5_950, 6_000, 100_000]
        epoch = ""
        for size in sizes:
            appended = await node.store.append("large", [draft(b"x" * size)], KEEP)
            epoch = appended.epoch
        await until(lambda: len(node.heard) == len(sizes))
        assert {one[1] for one in node.heard} == {epoch}
        assert node.heard[0][2] is not None
        assert node.heard[-1][2] is None
    finally:
        await node.store.stop()


async def test_entries_are_heard_when_their_transaction_commits(server: PostgreSQL) -> None:
    store = SQLStore(notifying(server))
    node = ContractStore(store)
    await node.start()
    engine = create_async_engine(address_of(server))
    try:
        await store.subscribe(["commits"])

        def append(connection: Connection) -> Appended:
            return store.statements.append(connection, "commits", drafts(2), KEEP)

        async with engine.connect() as connection:
            await connection.run_sync(append)
            await connection.rollback()
            await connection.run_sync(append)
            await store.append("other", drafts(1), KEEP)
            assert node.heard == []
            await connection.commit()
        await until(lambda: len(node.heard) == 2)
        page = await store.read("commits", 0, 10, PLENTY, KEEP)
        assert node.heard == [("commits", page.epoch, entry) for entry in page.entries]
    finally:
        await engine.dispose()
        await store.stop()


async def test_a_foreign_notification_only_costs_a_read(server: PostgreSQL) -> None:
    node = ContractStore(SQLStore(notifying(server)))
    await node.start()
    try:
        await node.store.subscribe(["a"])
        await node.store.append("a", drafts(1), KEEP)
        await until(lambda: len(node.heard) == 1)
        entry = node.heard[0][2]
        assert isinstance(entry, LogEntry)
        key = "ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs="  # of the topic "a"
        for payload in ("", "x", "x y z", f"{key} e 1", f"{key} e x y", f"{key} e 1 ////"):
            await asyncio.to_thread(server.sql, f"NOTIFY bennu_entries, '{payload}'")
        await until(lambda: len(node.heard) == 4)
        assert node.heard[1:] == [("a", "", None)] * 3
    finally:
        await node.store.stop()


async def test_a_store_that_is_not_started_hears_nothing() -> None:
    store = SQLStore("postgresql+asyncpg://db/chat?announce=notify&ssl=require")
    with pytest.raises(StoreUnavailable, match="is not started"):
        await store.subscribe(["a"])
    store.unsubscribe(["a"])


async def test_a_standby_is_not_heard(caplog: pytest.LogCaptureFixture) -> None:
    with postgresql() as primary, standby_of(primary) as standby:
        node = ContractStore(SQLStore(notifying(standby)))
        await node.start()
        try:
            with pytest.raises(StoreUnavailable, match="is a standby"):
                await node.store.subscribe(["a"])
            await asyncio.to_thread(standby.promote)
            await until(lambda: "announces new entries again" in caplog.text)
            await node.store.append("a", drafts(1), KEEP)
            await until(lambda: node.heard and node.heard[-1][2] is not None)
        finally:
            await node.store.stop()


async def test_a_child_of_a_fork_hears_nothing(server: PostgreSQL) -> None:
    node = ContractStore(SQLStore(notifying(server)))
    await node.start()
    try:
        await node.store.subscribe(["a"])
        child = os.fork()
        if child == 0:
            os._exit(node.store.announces is False)  # without a clean end, which the parent has
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert status == 0
        await node.store.append("a", drafts(1), KEEP)
        await until(lambda: node.heard)
    finally:
        await node.store.stop()


async def test_a_wrong_password_is_said_at_the_start(
    server: PostgreSQL, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "bennu")
    store = SQLStore(notifying(server).replace(PASSWORD, "hunter3"))
    with pytest.raises(DefinitionError, match="password"):
        await store.start(lambda *_: None)
    assert "hunter3" not in caplog.text
    await store.stop()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql+asyncpg://me@db/chat?announce=yes", "announce=bus or notify"),
        ("sqlite+aiosqlite:///chat.db?announce=notify", "SQLite has no notifications"),
    ],
)
def test_a_wrong_announce_is_refused(address: str, expected: str) -> None:
    with pytest.raises(DefinitionError, match=expected):
        SQLStore(address)


async def test_the_connection_that_listens_needs_files_that_exist() -> None:
    store = SQLStore("postgresql+asyncpg://me:hunter2@db/chat?announce=notify&sslrootcert=/no/file")
    with pytest.raises(DefinitionError, match=r"the store .*\n.*sslrootcert") as caught:
        await store.start(lambda *_: None)
    assert "hunter2" not in str(caught.value)
