"""The outbox: broadcasts in the user's own transaction, with asynchronous and plain sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
    insert,
    select,
)
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from bennu.errors import DefinitionError, EncodeError, ReservedEvent
from bennu.store import LogEntry
from bennu.store.sql import SQLOutbox, SQLStore
from bennu.testing.contract_node import until
from bennu.testing.contract_store import KEEP, drafts, offsets
from tests.support.brokers.postgresql import postgresql
from tests.support.frames import PHX_JOIN

from .started import address_of, append, read, started

pytestmark = pytest.mark.clock("real")

ROOMS = Table("rooms", MetaData(), Column("id", Integer, primary_key=True))


class Own(NamedTuple):
    """An application beside a store in one database.

    Attributes:
        store: The store.
        engine: The application's engine.
        told: The topics, epochs and entries of commits.
    """

    store: SQLStore
    engine: AsyncEngine
    told: list[tuple[str, str, Sequence[LogEntry]]]

    def outbox(self, session: object) -> SQLOutbox:
        """Return an outbox for rooms, which have history."""
        return self.store.outbox(
            session,
            lambda topic, _: KEEP if topic.startswith("room") else None,
            lambda *told: self.told.append(told),
        )

    async def rooms(self) -> int:
        """Return the number of rows of the application."""
        async with self.engine.connect() as connection:
            return len((await connection.execute(select(ROOMS))).all())


@asynccontextmanager
async def own(address: str) -> AsyncGenerator[Own]:
    async with started(address) as (store,):
        engine = create_async_engine(address)
        async with engine.begin() as connection:
            await connection.run_sync(ROOMS.metadata.create_all)
        yield Own(store, engine, [])
        await engine.dispose()


@asynccontextmanager
async def in_sqlite(path: Path) -> AsyncGenerator[Own]:
    async with own(f"sqlite+aiosqlite:///{path}/chat.db") as found:
        yield found


def events(entries: Sequence[LogEntry]) -> list[str]:
    return [entry.event for entry in entries]


async def test_a_commit_appends_and_tells(tmp_path: Path) -> None:
    async with in_sqlite(tmp_path) as app, AsyncSession(app.engine) as session:
        outbox = app.outbox(session)
        await session.execute(insert(ROOMS).values(id=1))
        outbox.broadcast("room:2", "b", {"n": 1})
        outbox.broadcast("room:1", "a")
        outbox.broadcast("room:2", "c", {"n": 2})
        assert app.told == []
        await session.commit()
        assert await app.rooms() == 1
        assert [(topic, events(entries)) for topic, _, entries in app.told] == [
            ("room:1", ["a"]),
            ("room:2", ["b", "c"]),
        ]
        page = await read(app.store, "room:2")
        assert app.told[1] == ("room:2", page.epoch, page.entries)
        assert page.entries[0].payload == b'{"n":1}'
        outbox.broadcast("room:2", "d")
        await session.commit()
        assert app.told[2][2][0].offset == 3
        await session.commit()
        assert len(app.told) == 3


async def test_a_rollback_leaves_nothing(tmp_path: Path) -> None:
    async with in_sqlite(tmp_path) as app, AsyncSession(app.engine) as session:
        outbox = app.outbox(session)
        outbox.broadcast("room:1", "a")
        await session.rollback()
        await session.execute(insert(ROOMS).values(id=1))
        outbox.broadcast("room:1", "b")
        await session.rollback()
        await session.commit()
        assert app.told == []
        assert (await read(app.store, "room:1")).newest == 0
        outbox.broadcast("room:1", "c")
        await session.commit()
        assert offsets((await read(app.store, "room:1")).entries) == [1]


async def test_a_commit_that_fails_leaves_nothing(tmp_path: Path) -> None:
    async with in_sqlite(tmp_path) as app, AsyncSession(app.engine) as session:
        outbox = app.outbox(session)

        def fail(_: object) -> None:
            raise RuntimeError("no")

        event.listen(session.sync_session, "before_commit", fail)  # after the outbox has written
        outbox.broadcast("room:1", "a")
        with pytest.raises(RuntimeError, match="no"):
            await session.commit()
        await session.rollback()
        event.remove(session.sync_session, "before_commit", fail)
        await session.commit()
        assert app.told == []
        assert (await read(app.store, "room:1")).newest == 0


async def test_a_rollback_to_a_savepoint_forgets_what_came_after_it(tmp_path: Path) -> None:
    with postgresql() as server:
        async with own(address_of(server)) as app, AsyncSession(app.engine) as session:
            outbox = app.outbox(session)
            outbox.broadcast("room:1", "before")
            async with session.begin_nested():
                outbox.broadcast("room:1", "kept")
            assert app.told == []
            nested = await session.begin_nested()
            outbox.broadcast("room:1", "forgotten")
            async with session.begin_nested():
                outbox.broadcast("room:1", "forgotten too")
            await nested.rollback()
            outbox.broadcast("room:1", "after")
            await session.commit()
            [(_, _, entries)] = app.told
            assert events(entries) == ["before", "kept", "after"]


async def test_a_plain_session_in_a_worker_thread(tmp_path: Path) -> None:
    async with in_sqlite(tmp_path) as app:

        def work(engine: Engine) -> None:
            with Session(engine) as session:
                outbox = app.outbox(session)
                assert app.outbox(session) is outbox
                session.execute(insert(ROOMS).values(id=1))
                outbox.broadcast("room:1", "a")
                session.rollback()
                with session.begin():
                    session.execute(insert(ROOMS).values(id=2))
                    outbox.broadcast("room:1", "b")

        engine = create_engine(f"sqlite:///{tmp_path}/chat.db")
        await asyncio.to_thread(work, engine)
        engine.dispose()
        assert await app.rooms() == 1
        assert events((await read(app.store, "room:1")).entries) == ["b"]
        assert len(app.told) == 1


@pytest.mark.parametrize("is_committed", [True, False])
async def test_a_second_transaction_waits_for_the_first(is_committed: bool) -> None:
    with postgresql() as server:
        async with own(address_of(server)) as app:
            before = await append(app.store, "room:1", drafts(1))
            async with app.engine.connect() as first, AsyncSession(app.engine) as session:
                outer = AsyncSession(first)
                app.outbox(outer).broadcast("room:1", "first")
                transaction = await first.begin()  # so the commit of the session commits nothing
                await outer.commit()
                app.told.clear()
                app.outbox(session).broadcast("room:1", "second")
                second = asyncio.ensure_future(session.commit())
                waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                await until(lambda: server.sql(waits).strip() == "1")
                page = await read(app.store, "room:1")
                assert (page.epoch, page.newest) == (before.epoch, 1)
                await (transaction.commit() if is_committed else transaction.rollback())
                await second
                await outer.close()
            page = await read(app.store, "room:1")
            assert events(page.entries)[1:] == (["first"] if is_committed else []) + ["second"]
            assert offsets(page.entries) == [*range(1, page.newest + 1)]


async def test_transactions_with_the_same_topics_do_not_wait_for_each_other_for_ever() -> None:
    with postgresql() as server:
        async with own(address_of(server)) as app:

            async def publish(number: int) -> None:
                topics = [f"room:{one}" for one in range(4)]
                async with AsyncSession(app.engine) as session:
                    outbox = app.outbox(session)
                    for topic in topics if number % 2 else reversed(topics):
                        outbox.broadcast(topic, f"e{number}")
                    if number % 5 == 0:
                        await session.rollback()
                    await session.commit()

            await asyncio.gather(*(publish(number) for number in range(40)))
            for one in range(4):
                page = await read(app.store, f"room:{one}")
                assert offsets(page.entries) == [*range(1, 33)]
                told = [told[2][0] for told in app.told if told[0] == f"room:{one}"]
                assert sorted(told) == page.entries


# Mistakes.


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda box: box.broadcast("lobby", "a"), DefinitionError, "a topic with history"),
        (lambda box: box.broadcast("room:1", "a", b"1"), EncodeError, "is bytes"),
        (lambda box: box.broadcast("room:1", "a", [1]), EncodeError, "JSON object"),
        (lambda box: box.broadcast("room:1", "a", {"a": "x" * 16_000_000}), EncodeError, "at most"),
        (lambda box: box.broadcast("room:1", PHX_JOIN), ReservedEvent, PHX_JOIN),
    ],
)
async def test_a_broadcast_that_cant_be_written(
    call: Callable[[Any], Any], kind: type[Exception], text: str, tmp_path: Path
) -> None:
    async with in_sqlite(tmp_path) as app, AsyncSession(app.engine) as session:
        outbox = app.outbox(session)
        with pytest.raises(kind, match=text):
            call(outbox)
        await session.commit()
        assert app.told == []


async def test_sessions_that_cant_be_used(tmp_path: Path) -> None:
    async with in_sqlite(tmp_path) as app:
        with pytest.raises(DefinitionError, match="AsyncSession or a Session"):
            app.outbox(app.engine)
        other = create_async_engine("postgresql+asyncpg://db/chat")
        async with AsyncSession(other) as session:
            with pytest.raises(DefinitionError, match="a session on postgresql"):
                app.outbox(session)
