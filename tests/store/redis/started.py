"""Stores in Redis that a test has started, and what they announce."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from bennu.bus.broker.settings import BrokerSettings
from bennu.errors import StoreUnavailable
from bennu.store import Draft, Page, Store
from bennu.store.redis import RedisStore
from bennu.store.store import Appended
from bennu.testing.contract_store import KEEP, PLENTY, ContractStore

__all__ = ["SETTINGS", "append", "patiently", "read", "started"]

SETTINGS = BrokerSettings(beat=0.1, deaf=0.5, first_delay=0.01, last_delay=0.1)


@asynccontextmanager
async def started(address: str, count: int = 1) -> AsyncGenerator[list[ContractStore]]:
    """Start stores. At the end stop them."""
    async with AsyncExitStack() as stack:
        nodes = [ContractStore(RedisStore(address, settings=SETTINGS)) for _ in range(count)]
        for node in nodes:
            stack.push_async_callback(node.store.stop)
            await node.start()
        yield nodes


async def append(store: Store, topic: str, drafts: list[Draft]) -> Appended:
    return await store.append(topic, drafts, KEEP)


async def patiently(store: Store, topic: str, drafts: list[Draft]) -> Appended:
    """Append, again and again while the store is down."""
    while True:
        try:
            return await append(store, topic, drafts)
        except StoreUnavailable:
            continue


async def read(store: Store, topic: str, after: int = 0) -> Page:
    """Read, again and again while the store is down."""
    while True:
        try:
            return await store.read(topic, after, 100_000, PLENTY, KEEP)
        except StoreUnavailable:
            continue
