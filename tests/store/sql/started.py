"""Stores in SQL databases that a test has started."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from bennu.errors import StoreUnavailable
from bennu.store import Draft, Page
from bennu.store.sql import SQLStore
from bennu.store.store import Appended
from bennu.testing.contract_store import KEEP, PLENTY
from tests.support.brokers.postgresql import PostgreSQL

__all__ = ["address_of", "append", "patiently", "read", "started"]


def address_of(server: PostgreSQL) -> str:
    return server.address.replace("postgresql://", "postgresql+asyncpg://", 1)


@asynccontextmanager
async def started(address: str, count: int = 1) -> AsyncGenerator[list[SQLStore]]:
    """Start stores. At the end stop them."""
    async with AsyncExitStack() as stack:
        stores = [SQLStore(address) for _ in range(count)]
        for store in stores:
            stack.push_async_callback(store.stop)
            await store.start(_nobody)
        yield stores


def _nobody(*_: object) -> None: ...


async def append(store: SQLStore, topic: str, drafts: list[Draft]) -> Appended:
    return await store.append(topic, drafts, KEEP)


async def patiently(store: SQLStore, topic: str, drafts: list[Draft]) -> Appended:
    """Append, again and again while the store is down."""
    while True:
        try:
            return await append(store, topic, drafts)
        except StoreUnavailable:
            continue


async def read(store: SQLStore, topic: str, after: int = 0) -> Page:
    """Read, again and again while the store is down."""
    while True:
        try:
            return await store.read(topic, after, 100_000, PLENTY, KEEP)
        except StoreUnavailable:
            continue
