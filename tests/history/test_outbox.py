"""The outbox of an endpoint: clients get a broadcast exactly if the user's transaction commits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from bennu import Channel, DefinitionError, Endpoint, History, NotStarted
from bennu.bus import MemoryNetwork
from bennu.store.sql import SQLOutbox
from tests.support.memory import endpoint_of

pytestmark = pytest.mark.clock("real")


class Hall(Channel[Any]):
    """A room with history."""

    history = History(size=100, ephemeral=["typing"])


class Strict(Hall):
    """A room that declares what it sends."""

    emits: ClassVar[dict[str, Any]] = {"said": dict[str, int]}


class Lobby(Channel[Any]):
    """A channel without history."""


class Seen:
    """Listens to a topic.

    Attributes:
        events: The names of the events that have come, in their order.
    """

    def __init__(self, endpoint: Endpoint, topic: str) -> None:
        self.events: list[str] = []
        self._new = asyncio.Event()
        self.subscription = endpoint.pubsub.subscribe(topic, self._take)

    def _take(self, message: Any) -> None:
        self.events.append(message.event)
        self._new.set()

    async def until(self, count: int) -> list[str]:
        """Wait for a number of events."""
        async with asyncio.timeout(20):
            while len(self.events) < count:
                self._new.clear()
                await self._new.wait()
        return self.events


@asynccontextmanager
async def two_nodes(path: Path) -> AsyncGenerator[tuple[Endpoint, Endpoint]]:
    network = MemoryNetwork()
    store = f"sqlite+aiosqlite:///{path}/chat.db"
    one, two = (
        endpoint_of({"room:*": Hall, "lobby": Lobby}, pubsub=network.adapter(name), store=store)
        for name in ("one", "two")
    )
    await one.start()
    await two.start()
    try:
        yield one, two
    finally:
        await one.stop()
        await two.stop()


async def test_all_nodes_get_what_was_committed(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as (one, two):
        seen = [Seen(one, "room:1"), Seen(two, "room:1")]
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/chat.db")
        async with AsyncSession(engine) as session:
            outbox = one.outbox(session)
            outbox.broadcast("room:1", "never")
            await session.rollback()
            outbox.broadcast("room:1", "first", {"n": 1})
            outbox.broadcast("room:1", "second", {"n": 2})
            await session.commit()
            with pytest.raises(DefinitionError, match="a topic with history"):
                outbox.broadcast("lobby", "said")
            with pytest.raises(DefinitionError, match="or an ephemeral event"):
                outbox.broadcast("room:1", "typing")
        await engine.dispose()
        await one.broadcast("room:1", "third")
        for one_seen in seen:
            assert await one_seen.until(3) == ["first", "second", "third"]
            one_seen.subscription.cancel()


async def test_a_worker_thread_commits(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as (one, two):
        seen = [Seen(one, "room:1"), Seen(two, "room:1")]

        def work() -> None:
            engine = create_engine(f"sqlite:///{tmp_path}/chat.db")
            with Session(engine) as session:
                one.outbox(session).broadcast("room:1", "said")
                session.commit()
            engine.dispose()

        await asyncio.to_thread(work)
        for one_seen in seen:
            assert await one_seen.until(1) == ["said"]
            one_seen.subscription.cancel()


async def test_a_commit_after_the_stop_is_in_the_log(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/chat.db")
    async with AsyncSession(engine) as session:
        async with two_nodes(tmp_path) as (one, _):
            outbox = one.outbox(session)
            outbox.broadcast("room:1", "said")
        await session.commit()
        async with two_nodes(tmp_path) as (one, _):
            assert (await one.position("room:1")).offset == 1
    await engine.dispose()


async def test_an_outbox_needs_a_store_in_a_database(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"the store memory://"):
        endpoint_of({"room:*": Hall}).outbox(object())
    with pytest.raises(DefinitionError, match="no channel with history"):
        endpoint_of({"room:*": Lobby}).outbox(object())
    endpoint = endpoint_of({"room:*": Hall}, store=f"sqlite+aiosqlite:///{tmp_path}/chat.db")
    with pytest.raises(NotStarted, match="not started in this process"):
        endpoint.outbox(object())


async def test_all_nodes_get_what_a_transaction_of_the_store_has_broadcast(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as (one, two):
        seen = [Seen(one, "room:1"), Seen(two, "room:1")]

        def fail(_: Session, outbox: SQLOutbox) -> None:
            outbox.broadcast("room:1", "never")
            raise LookupError

        with pytest.raises(LookupError):
            await one.transaction(fail)
        for event in ("first", "second"):

            def say(_: Session, outbox: SQLOutbox, event: str = event) -> None:
                outbox.broadcast("room:1", event)

            await one.transaction(say)
        with pytest.raises(DefinitionError, match="a topic with history"):
            await one.transaction(lambda session, outbox: outbox.broadcast("lobby", "said"))
        await asyncio.to_thread(
            one.sync.transaction, lambda _, outbox: outbox.broadcast("room:1", "third")
        )
        for one_seen in seen:
            assert await one_seen.until(3) == ["first", "second", "third"]
            one_seen.subscription.cancel()


async def test_a_transaction_needs_a_store_in_a_database(tmp_path: Path) -> None:
    def work(*_: object) -> None: ...

    endpoint = endpoint_of({"room:*": Hall}, store=f"sqlite+aiosqlite:///{tmp_path}/chat.db")
    with pytest.raises(NotStarted, match=r"endpoint\.transaction"):
        await endpoint.transaction(work)
    for channel, reason in ((Hall, "the store memory://"), (Lobby, "no channel with history")):
        endpoint = endpoint_of({"room:*": channel})
        await endpoint.start()
        try:
            with pytest.raises(DefinitionError, match=reason):
                await endpoint.transaction(work)
        finally:
            await endpoint.stop()


async def test_a_transaction_is_checked_in_development(tmp_path: Path) -> None:
    endpoint = endpoint_of(
        {"room:*": Strict}, store=f"sqlite+aiosqlite:///{tmp_path}/chat.db", debug=True
    )
    await endpoint.start()
    try:
        with pytest.raises(ValueError, match="wrong"):
            await endpoint.transaction(lambda session, outbox: outbox.broadcast("room:1", "wrong"))
    finally:
        await endpoint.stop()
