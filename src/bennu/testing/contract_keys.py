"""The contract of stores: the keys of idempotent pushes. :mod:`bennu.testing.store_contract` says how to use it."""

from __future__ import annotations

import asyncio

import pytest

from ..store.store import Claim, ClaimState, Store
from .contract_store import StoreHooks

__all__ = ["KeyTests"]

NEW = Claim(ClaimState.NEW)
RUNNING = Claim(ClaimState.RUNNING)
LONG = 3600.0


def settled(value: bytes) -> Claim:
    """Return what a claim of a settled key finds."""
    return Claim(ClaimState.SETTLED, value)


class KeyTests(StoreHooks):
    """Tests of keys."""

    def test_the_first_claim_gets_the_key(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                key = self.topic()
                assert await one.claim(key, "a", LONG) == NEW
                assert await two.claim(key, "b", LONG) == RUNNING
                assert await one.claim(key, "b", LONG) == RUNNING
                assert await two.claim(key, "a", LONG) == NEW  # the owner may ask again
                assert await one.claim(key + "!", "b", LONG) == NEW

        self.run(test())

    def test_a_settled_key_has_its_value(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                values = [b"", b"\0\xff\r\n", bytes(range(256)), b"x" * self.largest]
                for value in values:
                    key = self.topic()
                    assert await one.claim(key, "a", LONG) == NEW
                    assert await one.settle(key, "a", value, LONG)
                    assert await two.claim(key, "b", LONG) == settled(value)
                    assert await one.claim(key, "a", LONG) == settled(value)  # its owner too
                    assert not await one.settle(key, "a", b"other", LONG)
                    await one.release(key, "a")
                    await two.release(key, "b")
                    assert await two.claim(key, "b", LONG) == settled(value)

        self.run(test())

    def test_a_released_key_is_free(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                key = self.topic()
                assert await one.claim(key, "a", LONG) == NEW
                await one.release(key, "a")
                await one.release(key, "a")
                assert not await one.settle(key, "a", b"late", LONG)
                assert await two.claim(key, "b", LONG) == NEW
                await one.release(key, "a")  # the key is another owner's now
                assert await one.claim(key, "c", LONG) == RUNNING
                await one.release(self.topic(), "a")

        self.run(test())

    def test_only_the_owner_settles_or_releases(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                key = self.topic()
                assert not await one.settle(key, "a", b"unclaimed", LONG)
                assert await one.claim(key, "a", LONG) == NEW
                assert not await two.settle(key, "b", b"stolen", LONG)
                await two.release(key, "b")
                assert await two.claim(key, "b", LONG) == RUNNING
                assert await one.settle(key, "a", b"right", LONG)
                assert await two.claim(key, "b", LONG) == settled(b"right")

        self.run(test())

    def test_a_claim_expires(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                key = self.topic()
                assert await one.claim(key, "a", self.brief) == NEW
                await self._until_new(two, key, "b")
                assert await one.claim(key, "a", LONG) == RUNNING
                assert not await one.settle(key, "a", b"too late", LONG)
                await one.release(key, "a")
                assert await two.settle(key, "b", b"in time", LONG)
                assert await one.claim(key, "a", LONG) == settled(b"in time")

        self.run(test())

    def test_a_claim_can_be_renewed(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                renewed, brief = self.topic(), self.topic()
                assert await one.claim(renewed, "a", self.brief) == NEW
                assert await one.claim(renewed, "a", LONG) == NEW
                assert await one.claim(brief, "a", self.brief) == NEW
                await self._until_new(two, brief, "b")  # so the first time of the other is over too
                assert await two.claim(renewed, "b", LONG) == RUNNING
                assert await one.settle(renewed, "a", b"1", LONG)

        self.run(test())

    def test_a_value_expires(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                brief, long = self.topic(), self.topic()
                assert await one.claim(long, "a", self.brief) == NEW
                assert await one.settle(long, "a", b"long", LONG)
                assert await one.claim(brief, "a", LONG) == NEW
                assert await one.settle(brief, "a", b"brief", self.brief)
                await self._until_new(two, brief, "b")
                # The time of its claim is over too, but that of its value is not.
                assert await two.claim(long, "b", LONG) == settled(b"long")

        self.run(test())

    async def _until_new(self, store: Store, key: str, owner: str) -> None:
        """Claim a key until it is free. Claims that find it taken don't prolong anything."""

        async def claim() -> Claim | None:
            found = await store.claim(key, owner, LONG)
            return found if found == NEW else None

        await self.until_not_none(claim)

    def test_of_claims_at_the_same_time_one_gets_the_key(self) -> None:
        async def test() -> None:
            async with self.stores(3) as stores:
                for _ in range(10):
                    key = self.topic()
                    owners = [f"{number}" for number in range(12)]
                    found = await asyncio.gather(
                        *[stores[int(one) % 3].claim(key, one, LONG) for one in owners]
                    )
                    assert sorted(one.state.name for one in found) == ["NEW"] + ["RUNNING"] * 11
                    [owner] = [
                        one for one, claim in zip(owners, found, strict=True) if claim == NEW
                    ]
                    results = await asyncio.gather(
                        *[
                            store.settle(key, one, one.encode(), LONG)
                            for store in stores
                            for one in owners
                        ]
                    )
                    assert results.count(True) == 1
                    assert await stores[0].claim(key, "late", LONG) == settled(owner.encode())

        self.run(test())

    @pytest.mark.parametrize(
        "name", ["", " ", "a b", "*", ">", "a.b", "%s{}[]", "ä:日本:🐦", "\r\n\t", "x" * 1000]
    )
    def test_any_text_is_a_key(self, name: str) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                key = self.topic(name)
                assert await one.claim(key, name or "a", LONG) == NEW
                assert await two.claim(key, "b!", LONG) == RUNNING
                assert await two.claim(key + "x", "b!", LONG) == NEW
                assert await one.settle(key, name or "a", b"1", LONG)
                assert await two.claim(key, "b!", LONG) == settled(b"1")

        self.run(test())

    def test_a_key_is_no_topic(self) -> None:
        """A key and a log of one name don't meet."""

        async def test() -> None:
            async with self.stores(1) as (store,):
                name = self.topic()
                assert await store.claim(name, "a", LONG) == NEW
                assert await store.heads([name]) == {}
                await store.reset(name)
                assert await store.claim(name, "b", LONG) == RUNNING

        self.run(test())

    def test_a_cancelled_claim_can_be_repeated(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                for turns in range(20):
                    key = self.topic()
                    for call in (one.claim(key, "a", LONG), one.settle(key, "a", b"1", LONG)):
                        task = asyncio.create_task(call)
                        for _ in range(turns):
                            await asyncio.sleep(0)
                        task.cancel()
                        await asyncio.wait([task])
                    again = await one.claim(key, "a", LONG)
                    assert again in (NEW, settled(b"1"))
                    assert await two.claim(key, "b", LONG) == (RUNNING if again == NEW else again)

        self.run(test())
