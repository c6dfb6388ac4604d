"""Transactions of the user on the connections of the store: rows and broadcasts, both or neither."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bennu.errors import StoreUnavailable
from bennu.store import Claim, ClaimState
from bennu.store.sql import SQLOutbox
from bennu.testing.contract_node import until
from tests.support.brokers.postgresql import postgresql

from .shop import Shop
from .started import address_of, started

pytestmark = pytest.mark.clock("real")

Order = Callable[[Session, SQLOutbox], int]


class Refusal(Exception):
    """The application refuses an order."""


@pytest.fixture(scope="module")
def server_address() -> Iterator[str]:
    with postgresql() as server:
        yield address_of(server)


@pytest.fixture(params=["sqlite", "postgresql"])
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Shop]:
    """A shop whose table is empty, and whose topics no other test has."""
    if request.param == "sqlite":
        address = f"sqlite+aiosqlite:///{tmp_path}/shop.db"
    else:
        server: str = request.getfixturevalue("server_address")
        address = f"{server}?prefix=p{abs(hash(tmp_path)):x}_"
    async with started(address) as (store,):
        found = Shop(store, address.partition("?")[0])
        await found.create()
        async with found.engine.begin() as connection:
            await connection.execute(text("DELETE FROM orders"))
        yield found
        await found.close()


def order(number: int, *, refuses: bool = False) -> Order:
    """Return what adds an order and tells the topic of the shop."""

    def work(session: Session, outbox: SQLOutbox) -> int:
        session.execute(text("INSERT INTO orders VALUES (:number)"), {"number": number})
        outbox.broadcast("shop", "ordered", {"number": number})
        if refuses:
            raise Refusal(number)
        return number

    return work


async def test_rows_and_broadcasts_are_committed_together(shop: Shop) -> None:
    assert await shop.transaction(order(1)) == 1
    assert await shop.transaction(order(2)) == 2
    assert await shop.count() == 2
    assert await shop.payloads("shop") == [b'{"number":1}', b'{"number":2}']
    assert [one.entry for one in shop.announced] == await shop.entries("shop")


async def test_what_the_function_raises_undoes_it_and_nothing_else(shop: Shop) -> None:
    await shop.transaction(order(1))
    said = await asyncio.gather(
        shop.transaction(order(2)),
        shop.transaction(order(3, refuses=True)),
        shop.transaction(order(1)),  # the column is unique
        shop.store.claim("key", "me", 60),
        shop.transaction(order(4)),
        return_exceptions=True,
    )
    assert [one if isinstance(one, int | Claim) else type(one) for one in said] == [
        2,
        Refusal,
        IntegrityError,
        Claim(ClaimState.NEW),
        4,
    ]
    assert sorted(await shop.payloads("shop")) == [b'{"number":%d}' % n for n in (1, 2, 4)]
    assert await shop.count() == len(shop.announced) == 3


async def test_a_constraint_that_is_checked_at_the_commit_undoes_its_transaction(
    shop: Shop,
) -> None:
    lines = (
        "CREATE TABLE IF NOT EXISTS lines"
        " (order_id INTEGER REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED)"
    )

    def work(session: Session, outbox: SQLOutbox) -> None:
        session.execute(text(lines))
        session.execute(text("INSERT INTO lines VALUES (9)"))
        outbox.broadcast("shop", "never")

    with pytest.raises(IntegrityError):
        await shop.transaction(work)
    assert (await shop.payloads("shop"), shop.announced) == ([], [])


async def test_a_rollback_by_the_function_leaves_what_it_does_next(shop: Shop) -> None:
    def work(session: Session, outbox: SQLOutbox) -> None:
        order(1)(session, outbox)
        session.rollback()
        order(2)(session, outbox)

    await shop.transaction(work)
    assert await shop.payloads("shop") == [b'{"number":2}']
    assert await shop.count() == 1


async def test_a_caller_that_goes_leaves_the_whole_transaction(shop: Shop) -> None:
    began, over = threading.Event(), threading.Event()

    def slow(session: Session, outbox: SQLOutbox) -> int:
        began.set()
        if shop.store.statements.backend == "sqlite":
            over.wait()  # in PostgreSQL it runs on the event loop
        return order(1)(session, outbox)

    going = asyncio.ensure_future(shop.transaction(slow))
    await until(began.is_set)
    going.cancel()
    over.set()
    await until(lambda: len(shop.announced) == 1)
    assert await shop.payloads("shop") == [b'{"number":1}']
    assert going.cancelled()


async def test_a_function_that_takes_too_long_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    async with started(f"sqlite+aiosqlite:///{tmp_path}/shop.db") as (store,):
        shop = Shop(store, f"sqlite+aiosqlite:///{tmp_path}/shop.db")
        await shop.create()
        monkeypatch.setattr("bennu.store.sql.runner.LIMIT", 0.01)
        with pytest.raises(StoreUnavailable, match="has not answered within"):
            await shop.transaction(lambda session, outbox: over.wait())
        over.set()
        monkeypatch.undo()
        assert await shop.transaction(order(2)) == 2
        await shop.close()


async def test_rows_of_sqlite_need_the_rows_that_they_refer_to(tmp_path: Path) -> None:
    async with started(f"sqlite+aiosqlite:///{tmp_path}/shop.db") as (store,):
        shop = Shop(store, f"sqlite+aiosqlite:///{tmp_path}/shop.db")
        await shop.create()

        def work(session: Session, _: SQLOutbox) -> None:
            session.execute(text("CREATE TABLE lines (order_id INTEGER REFERENCES orders (id))"))
            session.execute(text("INSERT INTO lines VALUES (9)"))

        with pytest.raises(IntegrityError, match="FOREIGN KEY"):
            await shop.transaction(work)
        await shop.close()
