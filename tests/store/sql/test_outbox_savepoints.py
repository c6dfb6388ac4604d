"""Outboxes and savepoints, closed sessions, hooks of the application and registries of sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import event as events, text
from sqlalchemy.ext.asyncio import (
    async_scoped_session,
)
from sqlalchemy.orm import Session, SessionTransaction, scoped_session

from tests.support.brokers.postgresql import postgresql

from .shop import Shop
from .started import address_of, started

pytestmark = pytest.mark.clock("real")


class Failed(Exception):
    """A failure of the application."""


@pytest.fixture(scope="module")
def server_address() -> Iterator[str]:
    with postgresql() as server:
        yield address_of(server)


@pytest.fixture(params=["postgresql", "sqlite"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/shop.db"
    found: str = request.getfixturevalue("server_address")
    return found


@asynccontextmanager
async def shop_at(address: str) -> AsyncGenerator[Shop]:
    async with started(address) as [store]:
        shop = Shop(store, address)
        try:
            await shop.create()
            async with shop.engine.begin() as connection:
                await connection.execute(text("DELETE FROM orders"))
            for topic in ("a", "b", "c"):
                await store.reset(topic)
            yield shop
        finally:
            await shop.close()


async def test_a_session_that_is_closed_forgets_its_broadcasts(address: str) -> None:
    async with shop_at(address) as shop:
        async with shop.sessions() as session:
            await shop.order(session, 1)
            shop.outbox(session).broadcast("a", "ordered", {"id": 1})
            await session.close()
            shop.outbox(session).broadcast("a", "ordered", {"id": 2})
            await session.commit()  # nothing but the broadcast
            shop.outbox(session).broadcast("a", "ordered", {"id": 3})
            await session.commit()
            await session.commit()
        assert await shop.payloads("a") == [b'{"id":2}', b'{"id":3}']
        assert len(shop.announced) == 2


async def test_a_savepoint_that_is_undone_takes_its_broadcasts_along(address: str) -> None:
    async with shop_at(address) as shop:
        async with shop.sessions.begin() as session:
            outbox = shop.outbox(session)

            async def fail() -> None:
                async with session.begin_nested():
                    async with session.begin_nested():
                        outbox.broadcast("a", "e", {"id": 3})
                    outbox.broadcast("a", "e", {"id": 4})
                    raise Failed

            outbox.broadcast("a", "e", {"id": 1})
            async with session.begin_nested():
                outbox.broadcast("a", "e", {"id": 2})
            assert await shop.entries("a") == []  # the end of a savepoint is no commit
            with pytest.raises(Failed):
                await fail()
            outbox.broadcast("a", "e", {"id": 5})
        assert await shop.payloads("a") == [b'{"id":1}', b'{"id":2}', b'{"id":5}']
        assert len(shop.announced) == 3


async def test_a_commit_with_an_open_savepoint_writes_too(address: str) -> None:
    async with shop_at(address) as shop:
        async with shop.sessions.begin() as session:
            outbox = shop.outbox(session)
            _ = await session.begin_nested()
            outbox.broadcast("a", "e", {"id": 1})
        async with shop.sessions() as session:
            outbox = shop.outbox(session)
            _ = await session.begin_nested()
            outbox.broadcast("a", "e", {"id": 2})
            await session.commit()
        async with shop.sessions.begin() as session:
            outbox = shop.outbox(session)

            async def fail() -> None:
                async with session.begin_nested():
                    async with session.begin_nested():
                        _ = await session.begin_nested()
                        outbox.broadcast("a", "e", {"id": 3})
                    raise Failed

            with pytest.raises(Failed):
                await fail()
            outbox.broadcast("a", "e", {"id": 4})
        assert await shop.payloads("a") == [b'{"id":1}', b'{"id":2}', b'{"id":4}']
        assert [one.entry.offset for one in shop.announced] == [1, 2, 3]


async def test_hooks_of_the_application_can_broadcast_in_the_commit(address: str) -> None:
    async with shop_at(address) as shop:
        async with shop.sessions() as session:
            outbox = shop.outbox(session)
            outbox.broadcast("b", "e", {"id": 1})

            def late(_: Session) -> None:
                outbox.broadcast("a", "e", {"id": 2})

            events.listen(session.sync_session, "before_commit", late)
            await session.commit()
        assert await shop.payloads("a") == [b'{"id":2}']
        assert [one.topic for one in shop.announced] == ["b", "a"]


async def test_a_broadcast_that_comes_too_late_to_be_written_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop_at(f"sqlite+aiosqlite:///{tmp_path}/shop.db") as shop:
        async with shop.sessions() as session:
            outbox = shop.outbox(session)
            outbox.broadcast("a", "e", {"id": 1})

            def late(_: Session, ended: SessionTransaction) -> None:
                if ended.nested:
                    outbox.broadcast("a", "e", {"id": 2})

            _ = await session.begin_nested()
            events.listen(session.sync_session, "after_transaction_end", late)
            transaction = session.get_transaction()
            assert transaction is not None
            await transaction.commit()
        assert await shop.payloads("a") == [b'{"id":1}']
        assert "1 broadcasts of an outbox are lost" in caplog.text


async def test_registries_of_sessions(tmp_path: Path) -> None:
    async with shop_at(f"sqlite+aiosqlite:///{tmp_path}/shop.db") as shop:

        def work() -> None:
            scoped = scoped_session(shop.sync_sessions)
            shop.outbox(scoped).broadcast("a", "e", {"id": 1})
            scoped.commit()
            scoped.remove()

        await asyncio.to_thread(work)
        own = async_scoped_session(shop.sessions, asyncio.current_task)
        shop.outbox(own).broadcast("a", "e", {"id": 2})
        await own.commit()
        await own.remove()
        assert await shop.payloads("a") == [b'{"id":1}', b'{"id":2}']
